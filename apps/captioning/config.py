"""The configuration of a captioning run, read from the command line."""

from dataclasses import dataclass
from typing import Literal

from pipelines.commands import ranges
from pipelines.commands.mechanisms import MECHANISMS, SELF_ATTENTION_ONLY, SINGLE_HEAD
from pipelines.commands.ranges import above, at_least, within

_RANGES = {
    at_least(1): "image_size num_heads decoder_layers epochs batch_size captions_per_picture "
    "steps_per_execution max_train beams top_k decode_batch_size op_threads",
    at_least(3): "max_tokens",
    at_least(8): "dim",
    at_least(300): "vocabulary_size",
    at_least(0): "encoder_layers warmup_steps weight_decay concept_weight concept_epochs patience "
    "length_penalty",
    above(0): "learning_rate clip_norm temperature",
    within("[0, 1)"): "dropout word_dropout label_smoothing ema",
    within("(0, 1]"): "top_p",
    within("[0, 4294967296)"): "seed",
}


@dataclass(frozen=True)
class Config:
    """Trains an image captioner and evaluates it on the test split.

    The defaults are the run on the built-in pictures that the README shows.
    """

    dataset: str = "scenes"
    """`scenes`, `tfds:NAME` of TensorFlow Datasets, or a folder: train.jsonl and its pictures."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    name: str | None = None
    """Name of the run, runs/captioning/NAME; the time by default."""

    backbone: str | None = None
    """A pretrained network: a Keras Applications name, or a KerasHub preset; none: from scratch."""
    fine_tune: bool = False
    """Train the backbone too; otherwise its features are computed once and kept."""
    image_size: int = 96
    """Width and height of the pictures, in pixels."""
    flip: bool = False
    """Also train on mirrored pictures; not for captions that tell left from right."""

    decoder: Literal["rnn", "transformer"] = "transformer"
    """An LSTM with attention (Show, Attend and Tell), or Transformer blocks."""
    attention: Literal[MECHANISMS] | None = None
    """How words look at the picture; by default additive (rnn) or multi_head (transformer)."""
    dim: int = 128
    """Model size D."""
    encoder_layers: int = 0
    """Transformer blocks over the cells of the picture."""
    decoder_layers: int = 2
    """Blocks of the transformer decoder."""
    num_heads: int = 4
    """Heads N of multi-head attention."""
    dropout: float = 0.0
    """Dropout rate in the decoder."""
    word_dropout: float = 0.0
    """Share of the words so far that training hides, so that the decoder looks at the picture
    rather than guess from them."""

    normalize_captions: bool = True
    """Train on lower-case captions without punctuation, which is also how they are scored."""
    vocabulary_size: int = 512
    """Subword tokens, 256 of them the bytes."""
    max_tokens: int = 40
    """Longest caption, in tokens."""

    epochs: int = 3
    """Passes over the training pictures, with all their captions."""
    batch_size: int = 2
    """Pictures in a batch."""
    captions_per_picture: int = 5
    """Captions that share one pass of their picture through the encoder."""
    steps_per_execution: int = 8
    """Steps that TensorFlow runs without Python in between: short ones are faster so."""
    learning_rate: float = 7e-4
    """Peak of warm-up and cosine decay."""
    warmup_steps: int = 200
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest global norm of the gradients."""
    concept_weight: float = 2.0
    """Weight of a second loss: single cells must tell the tokens of the captions."""
    concept_epochs: int = 1
    """Passes with that loss alone, before the captions, of a network that starts from scratch."""
    label_smoothing: float = 0.0
    """Share of the target spread over all tokens."""
    ema: float = 0.0
    """Momentum of the moving average of the weights that is decoded and saved; 0 for none."""
    patience: int = 4
    """Epochs without a better validation score before training stops."""
    monitor: Literal["cider", "bleu_4", "attribute_accuracy"] | None = None
    """Decoded validation metric that chooses the model; by default attribute_accuracy where the
    objects are known, as in scenes, and cider elsewhere."""
    max_train: int | None = None
    """Train on the first N pictures only."""
    seed: int = 0
    """Of weights, order and dropout."""

    decode: Literal["greedy", "beam", "sample"] = "beam"
    """How captions are decoded."""
    beams: int = 8
    """Candidates of beam search."""
    length_penalty: float = 0.0
    """Beam search compares log-probability / length^penalty; 0 favours short captions."""
    decode_batch_size: int = 64
    """Pictures decoded at once."""
    temperature: float = 1.0
    """Of sampling."""
    top_k: int | None = None
    """Sampling chooses among so many likeliest tokens."""
    top_p: float = 0.9
    """Sampling chooses among the tokens that hold this share of the probability."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the computation; weights stay float32."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to train; gpu without one is an error."""
    op_threads: int | None = 1
    """Cores that share one operation of TensorFlow, None for all: a small model is fastest with 1,
    as several of its operations run at a time."""

    @property
    def learns_concepts_first(self):
        return self.concept_epochs > 0 and self.concept_weight > 0 and self.backbone is None

    @property
    def mechanism(self):
        return self.attention or {"rnn": "additive", "transformer": "multi_head"}[self.decoder]

    def __post_init__(self):
        if self.mechanism in SELF_ATTENTION_ONLY:
            raise ValueError(
                f"--attention {self.attention} is self-attention, so that words cannot look at a "
                "picture with it"
            )
        if self.decoder == "rnn" and self.mechanism not in SINGLE_HEAD:
            raise ValueError(
                f"--attention {self.attention} has heads, which the rnn decoder cannot use; "
                f"take {', '.join(SINGLE_HEAD)}, or --decoder transformer"
            )
        ranges.check(self, _RANGES)
        if self.dim % self.num_heads:
            raise ValueError(f"--dim {self.dim} must be a multiple of --num-heads {self.num_heads}")


@dataclass(frozen=True)
class Decoding:
    """How a finished run decodes; where a field is not given, as the run was configured."""

    run: str = "runs/captioning/latest"
    """The folder of the run."""
    decode: Literal["greedy", "beam", "sample"] | None = None
    """How captions are decoded."""
    beams: int | None = None
    """Candidates of beam search."""
    length_penalty: float | None = None
    """Beam search compares log-probability / length^penalty."""
    temperature: float | None = None
    """Of sampling."""
    top_k: int | None = None
    """Sampling chooses among so many likeliest tokens."""
    top_p: float | None = None
    """Sampling chooses among the tokens that hold this share of the probability."""
    seed: int | None = None
    """Of sampling."""
    decode_batch_size: int | None = None
    """Pictures decoded at once."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to run; gpu without one is an error."""

    def __post_init__(self):
        ranges.check(self, _RANGES)


@dataclass(frozen=True)
class Evaluation(Decoding):
    """Decodes a split with a finished run, scores it, and draws what the words looked at."""

    split: Literal["test", "validation"] = "test"
    """The split to score."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""


@dataclass(frozen=True)
class Prediction(Decoding):
    """Captions a picture, or all pictures of a folder, and draws what the words looked at."""

    input: str = ""
    """A picture, or a folder of pictures."""
    output: str | None = None
    """Where the maps go; by default the folder predictions of the run."""


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
