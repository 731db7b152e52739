"""The configuration of a speech recognition run, read from the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.commands import ranges
from pipelines.commands.errors import UserError
from pipelines.commands.mechanisms import (
    MECHANISMS,
    SELF_ATTENTION_ONLY,
    SINGLE_HEAD,
    TAKING_POSITION,
)
from pipelines.commands.ranges import above, at_least, within

WHISPER_TARGET = 444
"""Most tokens of a text that Whisper's 448 positions leave, after the longest of its prompts."""
_NEEDED_HEADS = {
    "joint": ("ctc", "attention"),
    "attention": ("attention",),
    "ctc": ("ctc",),
    "ctc_beam": ("ctc",),
}

_RANGES = {
    at_least(1): "num_heads encoder_layers decoder_layers mlp_dim kernel_size filters epochs "
    "steps_per_execution max_train max_validation beams decode_batch_size language_model_order "
    "op_threads",
    at_least(3): "max_target",
    at_least(8): "dim vocabulary_size",
    at_least(0): "warmup_steps weight_decay patience length_penalty language_model_weight "
    "language_model_bonus time_masks frequency_masks time_warp",
    above(0): "seconds_per_batch max_seconds learning_rate clip_norm",
    within("[0, 1)"): "dropout word_dropout label_smoothing ema",
    within("[0, 1]"): "ctc_weight decode_ctc_weight",
    within("[0, 4294967296)"): "seed",
}


@dataclass(frozen=True)
class Config:
    """Trains a speech recognizer and evaluates it on the test split.

    The defaults are the run on the built-in spoken numbers that the README shows.
    """

    dataset: str = "spoken-numbers"
    """`spoken-numbers`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with
    train.jsonl."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    name: str | None = None
    """Name of the run; the time by default."""
    preset: str | None = None
    """One of `PRESETS`, or the folder or name of the KerasHub preset of a Whisper."""

    encoder: Literal["conformer", "transformer", "lstm"] = "lstm"
    """What reads the sound, after a convolution that leaves a quarter of the frames."""
    encoder_attention: Literal[MECHANISMS] = "multi_head"
    """How it does, unless it is made of LSTMs."""
    position: Literal["sinusoidal", "rotary", "alibi", "relative"] = "sinusoidal"
    """How attention in the encoder knows where it is; all but the first are of the multi-head
    family."""
    decoder: Literal["transformer", "rnn", "none"] = "transformer"
    """What writes the text: Transformer blocks, an LSTM with attention as in Listen, Attend and
    Spell, or CTC alone."""
    attention: Literal[("location_sensitive", *MECHANISMS)] | None = None
    """How the decoder listens; by default multi_head, or location_sensitive in an rnn."""
    ctc_weight: float = 0.5
    """Share of CTC in the loss; the rest is the decoder's. 0 for no CTC."""
    dim: int = 160
    """Model size D."""
    encoder_layers: int = 3
    """Blocks, or pairs of LSTMs, of the encoder."""
    decoder_layers: int = 1
    """Blocks, or LSTMs, of the decoder."""
    num_heads: int = 4
    """Heads N of multi-head attention."""
    mlp_dim: int = 320
    """Hidden size of the perceptrons."""
    kernel_size: int = 15
    """Of the convolution in a Conformer block."""
    filters: int = 16
    """Channels of the convolutions that read the spectrogram."""
    dropout: float = 0.1
    """Dropout rate of encoder and decoder."""
    word_dropout: float = 0.0
    """Share of the units so far that training hides from the decoder."""

    units: Literal["subword", "character", "word"] = "character"
    """What a text is made of."""
    vocabulary_size: int = 128
    """Most units of the vocabulary."""
    max_seconds: float = 30.0
    """Training leaves out what is longer; otherwise it is transcribed in pieces of this length,
    and of no more than a quarter above the longest utterance of training."""
    max_target: int = 128
    """Longest text in units."""

    speed_perturbation: bool = False
    """Also train on all utterances at 0.9 and 1.1 times their speed."""
    noise: bool = False
    """Add noise to training utterances, at 5 to 40 dB."""
    time_masks: int = 0
    """Stretches of time that SpecAugment hides."""
    frequency_masks: int = 0
    """Bands of frequency that SpecAugment hides."""
    time_warp: int = 0
    """Most frames that SpecAugment moves a point in time by."""

    epochs: int = 7
    """Passes over the training utterances."""
    seconds_per_batch: float = 20.0
    """Sound of a batch in seconds, padding included."""
    steps_per_execution: int = 4
    """Steps that TensorFlow runs without Python in between."""
    learning_rate: float = 3e-3
    """Peak of warm-up and cosine decay."""
    warmup_steps: int = 400
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest global norm of the gradients."""
    label_smoothing: float = 0.05
    """Share of the decoder's target spread over all units."""
    ema: float = 0.0
    """Momentum of the moving average of the weights that is decoded and saved; 0 for none."""
    patience: int = 10
    """Epochs without a better validation score before training stops."""
    max_train: int | None = None
    """Train on the first N utterances only."""
    max_validation: int = 200
    """Decode the first N utterances of the validation split after each epoch."""
    seed: int = 0
    """Of weights, order, augmentation and dropout."""

    decode: Literal["joint", "attention", "ctc", "ctc_beam"] | None = None
    """By decoder and CTC together, by the decoder alone, by the likeliest path of CTC, or by its
    prefix beam search; by default together, or by what there is of the two."""
    beams: int = 8
    """Candidates of a beam search."""
    decode_ctc_weight: float = 0.2
    """Share of CTC in the score of joint decoding."""
    length_penalty: float = 0.0
    """Beam search compares log-probability / length^penalty."""
    decode_batch_size: int = 16
    """Utterances decoded at once."""
    language_model_weight: float = 0.0
    """How much an n-gram model of the training texts counts in ctc_beam."""
    language_model_bonus: float = 0.0
    """Added for each unit then, as the model likes short texts."""
    language_model_order: int = 3
    """Its n."""
    language_model_text: str | None = None
    """A text file for it to learn from as well, a sentence a line."""
    normalize: bool = False
    """Score words without case and punctuation."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the computation; weights stay float32."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to train; gpu without one is an error."""
    op_threads: int | None = 1
    """Cores that share one operation of TensorFlow, None for all: a small model is faster with 1,
    as several of its operations run at a time."""

    @property
    def whisper(self):
        """The pretrained Whisper in place of a model of our own, or None."""
        return None if self.preset is None or self.preset in PRESETS else self.preset

    @property
    def heads(self):
        """Names of the outputs that a model of our own has."""
        there = {"ctc": self.ctc_weight > 0, "attention": self.decoder != "none"}
        return [name for name, is_there in there.items() if is_there]

    @property
    def listening(self):
        """How the decoder listens."""
        return self.attention or {"rnn": "location_sensitive"}.get(self.decoder, "multi_head")

    @property
    def decoding(self):
        """How texts are decoded."""
        return self.decode or ("joint" if len(self.heads) == 2 else self.heads[0])

    def __post_init__(self):
        ranges.check(self, _RANGES)
        if self.whisper is not None and self.max_target > WHISPER_TARGET:
            raise ValueError(f"--max-target of a Whisper must be at most {WHISPER_TARGET}")
        if self.decoder == "none" and self.ctc_weight == 0:
            raise ValueError("--decoder none is CTC alone, which --ctc-weight 0 takes away")
        if self.decoder != "none" and self.ctc_weight == 1:
            raise ValueError("--ctc-weight 1 leaves nothing to the decoder: --decoder none")
        for head in _NEEDED_HEADS[self.decoding]:
            if head not in self.heads:
                raise ValueError(
                    f"--decode {self.decode} goes with {head}, which this model lacks: it has "
                    f"{self.heads[0]} alone"
                )
        if self.language_model_weight > 0 and self.decoding != "ctc_beam":
            raise ValueError("--language-model-weight goes with --decode ctc_beam")
        if self.decoder != "none" and self.listening in SELF_ATTENTION_ONLY:
            raise ValueError(
                f"--attention {self.attention} is self-attention, so that a decoder cannot listen "
                f"with it; --encoder-attention {self.attention} reads the sound with it"
            )
        if self.decoder == "rnn" and self.listening not in (*SINGLE_HEAD, "location_sensitive"):
            raise ValueError(
                f"--attention {self.attention} has heads, which --decoder rnn cannot use; take "
                f"location_sensitive, {', '.join(SINGLE_HEAD)}, or --decoder transformer"
            )
        if self.decoder == "transformer" and self.listening == "location_sensitive":
            raise ValueError("--attention location_sensitive goes with --decoder rnn")
        if self.encoder == "lstm" and self.encoder_attention != "multi_head":
            raise ValueError("--encoder-attention is that of blocks, which --encoder lstm lacks")
        in_attention = self.encoder != "lstm" and self.encoder_attention in TAKING_POSITION
        if self.position != "sinusoidal" and not in_attention:
            raise ValueError(f"--position {self.position} needs attention of the multi-head family")
        if self.position == "rotary" and self.dim // self.num_heads % 2:
            raise ValueError(
                f"--position rotary turns pairs: --dim {self.dim} / --num-heads {self.num_heads} "
                "must be even"
            )
        if self.dim % 2 or self.dim % self.num_heads:
            raise ValueError(
                f"--dim {self.dim} must be even, and a multiple of --num-heads {self.num_heads}"
            )


@dataclass(frozen=True)
class Decoding:
    """How a finished run decodes; where a field is not given, as the run was configured."""

    run: str = "runs/speech/latest"
    """The folder of the run."""
    preset: str | None = None
    """A pretrained Whisper in place of a run: the folder or name of its KerasHub preset."""
    decode: Literal["joint", "attention", "ctc", "ctc_beam"] | None = None
    """By decoder and CTC together, by the decoder alone, by the likeliest path of CTC, or by its
    prefix beam search; what the model has."""
    beams: int | None = None
    """Candidates of a beam search."""
    decode_ctc_weight: float | None = None
    """Share of CTC in the score of joint decoding."""
    length_penalty: float | None = None
    """Beam search compares log-probability / length^penalty."""
    decode_batch_size: int | None = None
    """Utterances decoded at once."""
    language_model_weight: float | None = None
    """How much the n-gram model counts in ctc_beam."""
    language_model_bonus: float | None = None
    """Added for each unit then, as the model likes short texts."""
    normalize: bool | None = None
    """Score words without case and punctuation."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to run; gpu without one is an error."""

    def __post_init__(self):
        ranges.check(self, _RANGES)


@dataclass(frozen=True)
class Evaluation(Decoding):
    """Transcribes a split with a finished run, scores it, and draws where each word was heard."""

    split: Literal["test", "validation"] = "test"
    """The split to score."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""


@dataclass(frozen=True)
class Prediction(Decoding):
    """Transcribes a sound file, or all of a folder."""

    input: str = ""
    """A sound file, or a folder of them."""
    output: str | None = None
    """Where the maps go; by default the folder predictions of the run, or of the preset."""


PRESETS = {
    "an4": Config(
        decoder="rnn",
        units="word",
        dropout=0.3,
        speed_perturbation=True,
        time_masks=1,
        frequency_masks=1,
        label_smoothing=0.1,
        ema=0.99,
        epochs=100,
        patience=40,
    ),
}

_NOT_OF_WHISPER = (
    *("encoder", "encoder_attention", "position", "decoder", "attention", "ctc_weight", "dim"),
    *("encoder_layers", "decoder_layers", "num_heads", "mlp_dim", "kernel_size", "filters"),
    *("dropout", "word_dropout", "units", "vocabulary_size"),
    *("speed_perturbation", "noise", "time_masks", "frequency_masks", "time_warp"),
)


def pretrained(preset):
    """The configuration that decodes and fine-tunes a pretrained Whisper.

    Raises:
        UserError: This is neither a folder nor named like one of KerasHub's.
    """
    if not (preset.startswith("whisper_") or "/" in preset or Path(preset).is_dir()):
        raise UserError(
            f"unknown preset '{preset}'. The known ones are {', '.join(PRESETS)}, for training, "
            "and of a Whisper the folder, or KerasHub's name, such as whisper_tiny_en"
        )
    return Config(
        preset=preset,
        ctc_weight=0.0,
        max_target=224,
        epochs=4,
        seconds_per_batch=120.0,
        learning_rate=1e-5,
        warmup_steps=50,
        label_smoothing=0.0,
        beams=1,
        normalize=True,
        op_threads=None,
    )


def check_pretrained(config):
    """Makes sure that nothing is asked of a Whisper that it has already, or cannot do.

    Raises:
        UserError: Something is.
    """
    if config.whisper is None:
        return
    usual = pretrained(config.whisper)
    for name in _NOT_OF_WHISPER:
        if getattr(config, name) != getattr(usual, name):
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} is of no use to the pretrained Whisper {config.whisper}")
