"""The options that applications from text to text share."""

from dataclasses import dataclass
from typing import Literal

from pipelines.commands import ranges
from pipelines.commands.mechanisms import MECHANISMS, SELF_ATTENTION_ONLY, SINGLE_HEAD
from pipelines.commands.ranges import above, at_least, within

_RANGES = {
    at_least(1): "num_heads encoder_layers decoder_layers mlp_dim epochs tokens_per_batch "
    "steps_per_execution max_train max_validation beams top_k decode_batch_size op_threads",
    at_least(3): "max_source max_target",
    at_least(8): "dim",
    at_least(300): "vocabulary_size",
    at_least(0): "warmup_steps weight_decay patience length_penalty coverage_penalty min_length "
    "no_repeat_ngram",
    above(0): "learning_rate clip_norm temperature",
    within("[0, 1)"): "dropout word_dropout label_smoothing ema",
    within("(0, 1]"): "top_p",
    within("[0, 4294967296)"): "seed",
}


@dataclass(frozen=True)
class Options:
    """An encoder, a decoder, their training and their decoding."""

    dataset: str = ""
    """A built-in set, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with train.jsonl."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    name: str | None = None
    """Name of the run; the time by default."""

    model: Literal["transformer", "rnn"] = "transformer"
    """Transformer blocks, or LSTMs: a bidirectional encoder, a decoder with input feeding."""
    attention: Literal[MECHANISMS] | None = None
    """How the decoder looks at the source; by default multi_head, or additive in an rnn."""
    encoder_attention: Literal[MECHANISMS] = "multi_head"
    """How a Transformer encoder reads; local and linear ones are for long texts."""
    dim: int = 128
    """Model size D."""
    encoder_layers: int = 2
    """Blocks, or pairs of LSTMs, of the encoder."""
    decoder_layers: int = 2
    """Blocks, or LSTMs, of the decoder."""
    num_heads: int = 4
    """Heads N of multi-head attention."""
    mlp_dim: int = 512
    """Hidden size of the perceptrons in Transformer blocks."""
    dropout: float = 0.1
    """Dropout rate of encoder and decoder."""
    word_dropout: float = 0.0
    """Share of the words so far that training hides, so that the decoder looks at the source
    rather than guess from them."""

    vocabulary_size: int = 512
    """Entries of the vocabulary that source and target share."""
    max_source: int = 64
    """Longest source in tokens; a longer one is cut."""
    max_target: int = 32
    """Longest target in tokens; a longer one is cut."""

    epochs: int = 8
    """Passes over the training pairs."""
    tokens_per_batch: int = 2048
    """Tokens of the longer side in a batch, padding included."""
    steps_per_execution: int = 8
    """Steps that TensorFlow runs without Python in between: short ones are faster so."""
    learning_rate: float = 1e-3
    """Peak of warm-up and cosine decay."""
    warmup_steps: int = 400
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest global norm of the gradients."""
    label_smoothing: float = 0.0
    """Share of the target spread over all tokens."""
    ema: float = 0.0
    """Momentum of the moving average of the weights that is decoded and saved; 0 for none."""
    patience: int = 4
    """Epochs without a better validation score before training stops."""
    max_train: int | None = None
    """Train on the first N pairs only."""
    max_validation: int = 1000
    """Decode the first N pairs of the validation split after each epoch."""
    seed: int = 0
    """Of weights, order and dropout."""

    decode: Literal["greedy", "beam", "sample"] = "beam"
    """How texts are decoded."""
    beams: int = 4
    """Candidates of beam search."""
    length_penalty: float = 1.0
    """Beam search compares log-probability / length^penalty; 0 favours short texts."""
    coverage_penalty: float = 0.0
    """Beam search favours texts that have looked at all of the source (Wu et al., 2016)."""
    no_repeat_ngram: int = 0
    """No sequence of so many tokens twice in a text; 0 for no such rule."""
    min_length: int = 1
    """Fewest tokens of a text."""
    decode_batch_size: int = 64
    """Texts decoded at once."""
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
    op_threads: int | None = None
    """Cores that share one operation of TensorFlow, None for all: a small model may be faster
    with 1, as several of its operations run at a time."""

    @property
    def mechanism(self):
        """How the decoder looks at the source."""
        return self.attention or {"rnn": "additive", "transformer": "multi_head"}[self.model]

    def __post_init__(self):
        if self.mechanism in SELF_ATTENTION_ONLY:
            raise ValueError(
                f"--attention {self.attention} is self-attention, so that a decoder cannot look at "
                f"the source with it; --encoder-attention {self.attention} reads the source with it"
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
        ranges.check(self, _RANGES)
        if self.min_length >= self.max_target:
            raise ValueError(f"--min-length must be less than --max-target {self.max_target}")
        if self.model == "rnn" and self.dim % 2:
            raise ValueError(f"--dim {self.dim} must be even, half for each direction of reading")
        if self.model == "transformer" and self.dim % self.num_heads:
            raise ValueError(f"--dim {self.dim} must be a multiple of --num-heads {self.num_heads}")


@dataclass(frozen=True)
class DecodingOptions:
    """How a finished run decodes; where a field is not given, as the run was configured."""

    run: str = ""
    """The folder of the run."""
    decode: Literal["greedy", "beam", "sample"] | None = None
    """How texts are decoded."""
    beams: int | None = None
    """Candidates of beam search."""
    length_penalty: float | None = None
    """Beam search compares log-probability / length^penalty."""
    coverage_penalty: float | None = None
    """Beam search favours texts that have looked at all of the source."""
    no_repeat_ngram: int | None = None
    """No sequence of so many tokens twice in a text; 0 for no such rule."""
    min_length: int | None = None
    """Fewest tokens of a text."""
    max_target: int | None = None
    """Most tokens of a text."""
    decode_batch_size: int | None = None
    """Texts decoded at once."""
    temperature: float | None = None
    """Of sampling."""
    top_k: int | None = None
    """Sampling chooses among so many likeliest tokens."""
    top_p: float | None = None
    """Sampling chooses among the tokens that hold this share of the probability."""
    seed: int | None = None
    """Of sampling."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to run; gpu without one is an error."""

    def __post_init__(self):
        ranges.check(self, _RANGES)
