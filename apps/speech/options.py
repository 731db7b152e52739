"""The groups of options that the configuration of a recognizer is put together of."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pipelines.commands import options
from pipelines.commands.mechanisms import (
    MECHANISMS,
    SELF_ATTENTION_ONLY,
    SINGLE_HEAD,
    TAKING_POSITION,
)
from pipelines.commands.ranges import above, at_least, within


@dataclass(frozen=True, kw_only=True)
class Data(options.MediaData):
    """Utterances and their transcripts."""

    RANGES: ClassVar = {at_least(3): "max_target", above(0): "max_seconds"}

    dataset: str = "spoken-numbers"
    """`spoken-numbers`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with
    train.jsonl."""
    max_seconds: float = 30.0
    """Maximum length of audio in seconds: training leaves out longer utterances, otherwise they
    are transcribed in pieces of at most this length, and of at most 1.25 times the longest
    training utterance."""
    max_target: int = 128
    """Maximum transcript length in units."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary(options.Options):
    """What transcripts are made of."""

    GROUP: ClassVar = "data"
    RANGES: ClassVar = {at_least(8): "vocabulary_size"}

    units: Literal["subword", "character", "word"] = "character"
    """Output units, made from the training transcripts."""
    vocabulary_size: int = 128
    """Maximum size of the vocabulary (subword and word units)."""


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """An encoder of audio, with a CTC output, an attention decoder, or both."""

    GROUP: ClassVar = "model"
    RANGES: ClassVar = {
        at_least(1): "num_heads encoder_layers decoder_layers mlp_dim kernel_size filters",
        at_least(8): "dim",
        within("[0, 1)"): "dropout word_dropout",
        within("[0, 1]"): "ctc_weight",
    }

    encoder: Literal["conformer", "transformer", "lstm"] = "lstm"
    """Encoder: Conformer blocks, Transformer blocks or BiLSTMs, after a convolution that keeps one
    in four frames."""
    encoder_attention: Literal[MECHANISMS] = "multi_head"
    """Self-attention mechanism of the encoder (not for `lstm`)."""
    position: Literal["sinusoidal", "rotary", "alibi", "relative"] = "sinusoidal"
    """Position encoding of the encoder (not for `lstm`); all but sinusoidal need attention of the
    multi-head family."""
    decoder: Literal["transformer", "rnn", "none"] = "transformer"
    """Decoder: Transformer blocks, an LSTM with attention (Listen, Attend and Spell), or none for
    CTC alone."""
    attention: Literal[("location_sensitive", *MECHANISMS)] | None = None
    """Attention of the decoder to the audio; by default multi_head for a Transformer,
    location_sensitive for an RNN."""
    ctc_weight: float = 0.5
    """Weight of the CTC loss; that of the decoder's loss is the rest. 0 for no CTC."""
    dim: int = 160
    """Model size D."""
    encoder_layers: int = 3
    """Encoder layers (Conformer blocks, Transformer blocks or BiLSTMs)."""
    decoder_layers: int = 1
    """Decoder layers (Transformer blocks or LSTMs)."""
    num_heads: int = 4
    """Attention heads N."""
    mlp_dim: int = 320
    """Size of the feed-forward layers."""
    kernel_size: int = 15
    """Kernel size of the convolution in a Conformer block."""
    filters: int = 16
    """Channels of the convolutions over the spectrogram."""
    dropout: float = 0.1
    """Dropout rate of encoder and decoder."""
    word_dropout: float = 0.0
    """Probability of dropping a decoder input unit in training, so that the decoder relies on the
    audio."""

    @property
    def heads(self):
        """Names of the outputs that a model of our own has."""
        there = {"ctc": self.ctc_weight > 0, "attention": self.decoder != "none"}
        return [name for name, is_there in there.items() if is_there]

    @property
    def mechanism(self):
        """The attention of the decoder to the audio."""
        return self.attention or {"rnn": "location_sensitive"}.get(self.decoder, "multi_head")

    def __post_init__(self):
        super().__post_init__()
        self._check_encoder()
        self._check_decoder()
        if self.dim % 2 or self.dim % self.num_heads:
            raise ValueError(
                f"--dim {self.dim} must be even, and a multiple of --num-heads {self.num_heads}"
            )

    def _check_encoder(self):
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

    def _check_decoder(self):
        if self.decoder == "none" and self.ctc_weight == 0:
            raise ValueError("--decoder none is CTC alone, which --ctc-weight 0 takes away")
        if self.decoder != "none" and self.ctc_weight == 1:
            raise ValueError("--ctc-weight 1 leaves nothing to the decoder: --decoder none")
        if self.decoder != "none" and self.mechanism in SELF_ATTENTION_ONLY:
            raise ValueError(
                f"--attention {self.attention} is self-attention, so that a decoder cannot attend "
                f"to the audio with it; --encoder-attention {self.attention} is one of the encoder"
            )
        if self.decoder == "rnn" and self.mechanism not in (*SINGLE_HEAD, "location_sensitive"):
            raise ValueError(
                f"--attention {self.attention} has heads, which --decoder rnn cannot use; take "
                f"location_sensitive, {', '.join(SINGLE_HEAD)}, or --decoder transformer"
            )
        if self.decoder == "transformer" and self.mechanism == "location_sensitive":
            raise ValueError("--attention location_sensitive goes with --decoder rnn")


@dataclass(frozen=True, kw_only=True)
class Training(options.Training):
    """Training on batches of about as much audio each."""

    RANGES: ClassVar = {above(0): "seconds_per_batch"}

    epochs: int = 7
    learning_rate: float = 3e-3
    seconds_per_batch: float = 20.0
    """Batch size in seconds of audio, padding included."""
    label_smoothing: float = 0.05
    """Label smoothing of the decoder: share of the target distribution spread evenly over all
    units."""
    patience: int = 10
    steps_per_execution: int = 4
    max_validation: int = 200
    """Decode the first N validation utterances after each epoch."""


@dataclass(frozen=True, kw_only=True)
class Augmentation(options.Options):
    """What is changed at random in the training utterances."""

    GROUP: ClassVar = "training"
    RANGES: ClassVar = {at_least(0): "time_masks frequency_masks time_warp"}

    speed_perturbation: bool = False
    """Also train on all utterances at 0.9 and 1.1 times their speed."""
    noise: bool = False
    """Add noise to the training utterances, at a signal-to-noise ratio of 5 to 40 dB."""
    time_masks: int = 0
    """Number of time masks of SpecAugment."""
    frequency_masks: int = 0
    """Number of frequency masks of SpecAugment."""
    time_warp: int = 0
    """Time warping of SpecAugment: maximum shift in frames."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel(options.Options):
    """The n-gram language model of the training transcripts."""

    GROUP: ClassVar = "training"
    PATHS: ClassVar = "language_model_text"
    RANGES: ClassVar = {within("[1, 20]"): "language_model_order"}

    language_model_order: int = 3
    """Order n of the n-gram language model, which is trained on the training transcripts."""
    language_model_text: str | None = None
    """Text file, one sentence per line, to train the language model on as well."""


@dataclass(frozen=True, kw_only=True)
class Decoding(options.Options):
    """How audio is transcribed, and the transcripts scored."""

    GROUP: ClassVar = "decoding"
    RANGES: ClassVar = {
        at_least(1): "beams decode_batch_size",
        at_least(0): "length_penalty language_model_weight language_model_bonus",
        within("[0, 1]"): "decode_ctc_weight",
    }

    decode: Literal["joint", "attention", "ctc", "ctc_beam"] | None = None
    """Decoding method: CTC and attention decoder together, the attention decoder alone, greedy
    CTC, or CTC prefix beam search; by default joint, or what the model has of the two."""
    beams: int = 8
    """Beam width."""
    decode_ctc_weight: float = 0.2
    """Weight of the CTC score in joint decoding; that of the decoder's score is the rest."""
    length_penalty: float = 0.0
    """Beam search ranks by log-probability / length^penalty; 0 favours short outputs."""
    decode_batch_size: int = 16
    """Batch size of decoding."""
    language_model_weight: float = 0.0
    """Weight of the n-gram language model in ctc_beam."""
    language_model_bonus: float = 0.0
    """Insertion bonus per unit in ctc_beam, to offset the language model's bias to short texts."""
    normalize: bool = False
    """Ignore case and punctuation in the error rates."""
