"""The options that applications from text to text share."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

from pipelines.commands import options
from pipelines.commands.mechanisms import MECHANISMS, SELF_ATTENTION_ONLY, SINGLE_HEAD
from pipelines.commands.ranges import at_least, within


@dataclass(frozen=True, kw_only=True)
class Data(options.Data):
    """Pairs of a source and a target text."""

    RANGES: ClassVar = {at_least(300): "vocabulary_size", at_least(3): "max_source max_target"}

    vocabulary_size: int = 512
    """Size of the vocabulary that source and target share."""
    max_source: int = 64
    """Maximum source length in tokens; longer sources are truncated."""
    max_target: int = 32
    """Maximum target length in tokens; longer targets are truncated."""


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """An encoder and a decoder with attention to its states."""

    GROUP: ClassVar = "model"
    RANGES: ClassVar = {
        at_least(1): "num_heads encoder_layers decoder_layers mlp_dim",
        at_least(8): "dim",
        within("[0, 1)"): "dropout word_dropout",
    }

    model: Literal["transformer", "rnn"] = "transformer"
    """Architecture: a Transformer, or a BiLSTM encoder with an LSTM decoder (input feeding)."""
    attention: Literal[MECHANISMS] | None = None
    """Attention of the decoder to the source; by default multi_head for a Transformer, additive
    for an RNN."""
    encoder_attention: Literal[MECHANISMS] = "multi_head"
    """Self-attention mechanism of the encoder (Transformer only); local and linear ones are meant
    for long sources."""
    dim: int = 128
    """Model size D."""
    encoder_layers: int = 2
    """Encoder layers (Transformer blocks or BiLSTMs)."""
    decoder_layers: int = 2
    """Decoder layers (Transformer blocks or LSTMs)."""
    num_heads: int = 4
    """Attention heads N."""
    mlp_dim: int = 512
    """Size of the feed-forward layers (Transformer only)."""
    dropout: float = 0.1
    """Dropout rate of encoder and decoder."""
    word_dropout: float = 0.0
    """Probability of dropping a decoder input token in training, so that the decoder relies on the
    source."""

    @property
    def mechanism(self):
        """The attention of the decoder to the source."""
        return self.attention or {"rnn": "additive", "transformer": "multi_head"}[self.model]

    def __post_init__(self):
        super().__post_init__()
        if self.mechanism in SELF_ATTENTION_ONLY:
            raise ValueError(
                f"--attention {self.attention} is self-attention, so that a decoder cannot attend "
                f"to the source with it; --encoder-attention {self.attention} is one of the encoder"
            )
        if self.model == "rnn" and self.mechanism not in SINGLE_HEAD:
            raise ValueError(
                f"--attention {self.attention} has heads, which --model rnn cannot use; take "
                f"{', '.join(SINGLE_HEAD)}, or --model transformer"
            )
        if self.model == "rnn" and self.encoder_attention != "multi_head":
            raise ValueError(
                "--encoder-attention is that of a Transformer encoder, which --model rnn lacks"
            )
        if self.model == "rnn" and self.dim % 2:
            raise ValueError(
                f"--dim {self.dim} must be even, half for each direction of the BiLSTM"
            )
        if self.model == "transformer" and self.dim % self.num_heads:
            raise ValueError(f"--dim {self.dim} must be a multiple of --num-heads {self.num_heads}")


@dataclass(frozen=True, kw_only=True)
class Training(options.Training):
    """Teacher forcing on batches of about as many tokens each."""

    RANGES: ClassVar = {at_least(1): "tokens_per_batch max_validation"}

    MOST_TOKENS: ClassVar = 2048  # In a batch whose size is not given.

    tokens_per_batch: int | None = None
    """Batch size in tokens of the longer side, padding included; by default as many as leave an
    epoch 300 steps: at least 256, and at most 2,048 in translation, 4,096 in summarization."""
    max_validation: int = 1000
    """Decode the first N validation examples after each epoch."""
    steps_per_execution: int = 8


@dataclass(frozen=True, kw_only=True)
class Decoding(options.Decoding):
    """How a text is generated."""

    RANGES: ClassVar = {at_least(0): "coverage_penalty min_length no_repeat_ngram"}

    no_repeat_ngram: int = 0
    """Forbid any n-gram of this size to occur twice in an output; 0 allows all."""
    coverage_penalty: float = 0.0
    """Weight of the coverage penalty of beam search (Wu et al., 2016)."""
    min_length: int = 1
    """Minimum output length in tokens."""


@dataclass(frozen=True, kw_only=True)
class Config(Data, Model, Training, Decoding, options.Run):
    """A sequence-to-sequence model, its training and its decoding."""

    @property
    def architecture(self):
        """The arguments of `layers.encoder_decoder` that these options are."""
        own = [field.name for field in dataclasses.fields(Model) if field.name != "attention"]
        arguments = {name: getattr(self, name) for name in (*own, "max_source", "max_target")}
        return {**arguments, "attention": self.mechanism}

    def __post_init__(self):
        super().__post_init__()
        if self.min_length >= self.max_target:
            raise ValueError(f"--min-length must be less than --max-target {self.max_target}")
