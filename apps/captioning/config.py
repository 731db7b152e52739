"""The configuration of a captioning run, read from the command line."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pipelines.commands import options
from pipelines.commands.disk import prepared_data
from pipelines.commands.mechanisms import MECHANISMS, SELF_ATTENTION_ONLY, SINGLE_HEAD
from pipelines.commands.ranges import at_least, within


@dataclass(frozen=True, kw_only=True)
class Data(options.MediaData):
    """Images and their captions."""

    RANGES: ClassVar = {
        at_least(1): "image_size captions_per_picture",
        at_least(3): "max_tokens",
        at_least(300): "vocabulary_size",
    }

    image_size: int = 96
    """Width and height of the images, in pixels."""
    flip: bool = False
    """Also train on mirrored images; not for captions that tell left from right."""
    normalize_captions: bool = True
    """Train on lower-case captions without punctuation, which is also how they are scored."""
    vocabulary_size: int = 512
    """Size of the subword vocabulary, 256 entries of it the bytes."""
    max_tokens: int = 40
    """Maximum caption length in tokens."""
    captions_per_picture: int = 5
    """Captions of an image that share one pass through the encoder."""


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """An image encoder and a decoder with attention to its cells."""

    GROUP: ClassVar = "model"
    PATHS: ClassVar = "backbone"
    RANGES: ClassVar = {
        at_least(0): "encoder_layers",
        at_least(1): "num_heads decoder_layers",
        at_least(8): "dim",
        within("[0, 1)"): "dropout word_dropout",
    }

    decoder: Literal["rnn", "transformer"] = "transformer"
    """Decoder: an LSTM with attention (Show, Attend and Tell), or a Transformer."""
    attention: Literal[MECHANISMS] | None = None
    """Attention of the decoder to the image; by default additive for rnn, multi_head for
    transformer."""
    backbone: str | None = None
    """Pretrained image encoder: a Keras Applications name, or a KerasHub preset; without one, the
    encoder is trained from scratch."""
    fine_tune: bool = False
    """Train the backbone too; otherwise its features are computed once and cached."""
    dim: int = 128
    """Model size D."""
    encoder_layers: int = 0
    """Transformer blocks over the cells of the image."""
    decoder_layers: int = 2
    """Decoder layers (Transformer only)."""
    num_heads: int = 4
    """Attention heads N."""
    dropout: float = 0.0
    """Dropout rate of the decoder."""
    word_dropout: float = 0.0
    """Probability of dropping a decoder input token in training, so that the decoder relies on the
    image."""

    @property
    def mechanism(self):
        """The attention of the decoder to the image."""
        return self.attention or {"rnn": "additive", "transformer": "multi_head"}[self.decoder]

    @property
    def has_features(self):
        """Whether the model is given the features of a frozen backbone in place of pixels."""
        return self.backbone is not None and not self.fine_tune

    def __post_init__(self):
        super().__post_init__()
        if self.mechanism in SELF_ATTENTION_ONLY:
            raise ValueError(
                f"--attention {self.attention} is self-attention, so that a decoder cannot attend "
                "to an image with it"
            )
        if self.decoder == "rnn" and self.mechanism not in SINGLE_HEAD:
            raise ValueError(
                f"--attention {self.attention} has heads, which the rnn decoder cannot use; "
                f"take {', '.join(SINGLE_HEAD)}, or --decoder transformer"
            )
        if self.dim % self.num_heads:
            raise ValueError(f"--dim {self.dim} must be a multiple of --num-heads {self.num_heads}")


@dataclass(frozen=True, kw_only=True)
class Training(options.Training):
    """Training, of a new encoder in two stages."""

    RANGES: ClassVar = {at_least(0): "concept_weight concept_epochs", at_least(1): "batch_size"}

    epochs: int = 3
    """Passes over the training images, with all their captions."""
    learning_rate: float = 7e-4
    warmup_steps: int = 200
    steps_per_execution: int = 8
    batch_size: int = 2
    """Batch size in images."""
    concept_weight: float = 2.0
    """Weight of a second loss: each cell of the image predicts the tokens of the captions."""
    concept_epochs: int = 1
    """Epochs with that loss alone, before the captions, of an encoder trained from scratch."""
    monitor: Literal["cider", "bleu_4", "attribute_accuracy"] | None = None
    """Validation metric, of decoded captions, that chooses the model; by default
    attribute_accuracy where the objects are known, as in scenes, and cider elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Config(Data, Model, Training, options.Decoding, options.Run):
    """Trains an image captioner and evaluates it on the test split.

    The defaults are the run on the built-in images that the README shows.
    """

    APPLICATION: ClassVar = "captioning"
    PREPARED: ClassVar = (
        "max_train image_size flip normalize_captions vocabulary_size backbone fine_tune"
    )

    dataset: str = "scenes"
    """`scenes`, `tfds:NAME` of TensorFlow Datasets, or a folder: train.jsonl and its images."""
    beams: int = 8
    length_penalty: float = 0.0
    op_threads: int | None = 1

    @property
    def learns_concepts_first(self):
        """Whether there is a first stage with the loss of the cells alone."""
        return self.concept_epochs > 0 and self.concept_weight > 0 and self.backbone is None


Decoding = options.overrides(Config, "seed")


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.MediaEvaluation, Decoding, options.FinishedRun):
    """Captions a split with a finished run, and writes metrics and attention maps."""

    run: str = "runs/captioning/latest"


Preparation = prepared_data.preparation(
    Config,
    "Writes the images of a data set once as training takes them, as pixels or as features of a "
    "frozen backbone, with the tokens of their captions.",
)


@dataclass(frozen=True, kw_only=True)
class Prediction(options.PredictionInput, Decoding, options.FinishedRun):
    """Captions an image, or all images of a folder, and writes attention maps."""

    run: str = "runs/captioning/latest"
    input: str
    """An image file, or a folder of them."""


_PHOTOGRAPHS = {
    "decoder": "rnn",
    "image_size": 224,
    "flip": True,
    "dim": 384,
    "num_heads": 8,
    "dropout": 0.4,
    "vocabulary_size": 3000,
    "epochs": 6,
    "batch_size": 64,
    "captions_per_picture": 1,
    "steps_per_execution": 1,
    "learning_rate": 1e-3,
    "concept_weight": 0.0,
    "label_smoothing": 0.1,
    "ema": 0.999,
    "beams": 5,
    "length_penalty": 1.0,
    "op_threads": None,
}

PRESETS = {
    "flickr8k": Config(**_PHOTOGRAPHS),
    "flickr8k-transformer": Config(
        **{
            **_PHOTOGRAPHS,
            "decoder": "transformer",
            "dropout": 0.3,
            "word_dropout": 0.2,
            "epochs": 8,
        }
    ),
}
