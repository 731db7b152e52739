"""The configuration of a summarization run, read from the command line."""

from dataclasses import dataclass
from typing import Literal

from pipelines.commands import ranges
from pipelines.commands.ranges import at_least
from pipelines.commands.text_to_text import DecodingOptions, Options


@dataclass(frozen=True)
class Config(Options):
    """Trains a summarizer and evaluates it on the test split.

    The defaults are the run on the built-in docstrings that the README shows.
    """

    dataset: str = "docstrings"
    """`docstrings`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with train.jsonl."""

    tokenizer: Literal["words", "subwords"] = "words"
    """Words, of which those outside of the vocabulary can only be copied, or subwords."""
    fold_case: bool = True
    """Of words: those in capitals and not are the same word, written as is most frequent."""
    vocabulary_size: int = 6000
    """Entries of the vocabulary that documents and summaries share."""
    max_source: int = 112
    """Longest document in tokens; a longer one is cut."""
    max_target: int = 32
    """Longest summary in tokens."""
    copy: bool = True
    """A pointer-generator (See et al., 2017): words of the document can be copied."""
    coverage: bool = True
    """Last epochs with the coverage loss: attention that returns to where it was costs."""
    coverage_epochs: int = 1
    """Epochs with that loss, after `epochs` without, at a tenth of the learning rate."""
    coverage_weight: float = 1.0
    """Weight of the coverage loss."""
    vectors: str | None = None
    """Pretrained word vectors to start from, a text file of a word and its numbers a line."""

    model: Literal["transformer", "rnn"] = "rnn"
    """Transformer blocks, or LSTMs: a bidirectional encoder, a decoder with input feeding."""
    dim: int = 128
    """Model size D."""
    encoder_layers: int = 1
    """Blocks, or pairs of LSTMs, of the encoder."""
    decoder_layers: int = 1
    """Blocks, or LSTMs, of the decoder."""
    mlp_dim: int = 256
    """Hidden size of the perceptrons in Transformer blocks."""
    epochs: int = 6
    """Passes over the training documents."""
    tokens_per_batch: int = 4096
    """Tokens of the documents in a batch, padding included."""
    learning_rate: float = 3e-3
    """Peak of warm-up and cosine decay."""
    no_repeat_ngram: int = 3
    """No sequence of so many tokens twice in a summary; 0 for no such rule."""
    monitor: Literal["rouge_1", "rouge_2", "rouge_l"] = "rouge_l"
    """Decoded validation metric that chooses the model."""

    def __post_init__(self):
        super().__post_init__()
        ranges.check(self, {at_least(0): "coverage_epochs coverage_weight"})
        if self.vectors is not None and self.tokenizer != "words":
            raise ValueError("--vectors are of words: they go with --tokenizer words")

    @property
    def covers(self):
        """Whether there is a last stage with the coverage loss."""
        return self.coverage and self.coverage_epochs > 0 and self.coverage_weight > 0


@dataclass(frozen=True)
class Decoding(DecodingOptions):
    """How a finished run decodes; where a field is not given, as the run was configured."""

    run: str = "runs/summarization/latest"
    """The folder of the run."""


@dataclass(frozen=True)
class Evaluation(Decoding):
    """Summarizes a split with a finished run, scores it, and draws what the words looked at."""

    split: Literal["test", "validation"] = "test"
    """The split to score."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""


@dataclass(frozen=True)
class Prediction(Decoding):
    """Summarizes a document, a text file, all documents of a .jsonl file, or standard input."""

    input: str = "-"
    """A text file of one document, a .jsonl file, - for standard input, or the text itself."""
    output: str | None = None
    """Where the maps go; by default the folder predictions of the run."""


PRESETS = {
    "aeslc": Config(
        dim=256,
        dropout=0.3,
        vocabulary_size=20000,
        max_source=200,
        max_target=24,
        epochs=8,
        learning_rate=1e-3,
        label_smoothing=0.1,
        patience=5,
        no_repeat_ngram=2,
    ),
}
