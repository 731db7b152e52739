"""The configuration of a summarization run, read from the command line."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pipelines.commands import options, text_to_text
from pipelines.commands.disk import prepared_data
from pipelines.commands.ranges import at_least


@dataclass(frozen=True, kw_only=True)
class Data(text_to_text.Data):
    """Documents with their summaries, as words or subwords."""

    tokenizer: Literal["words", "subwords"] = "words"
    """Tokenizer: words, of which those outside the vocabulary can only be copied, or byte-level BPE
    subwords."""
    fold_case: bool = True
    """Ignore case: a word has one token, written in its most frequent form (words only)."""
    vectors: str | None = None
    """Pretrained word vectors to start from: a text file with one word and its numbers per line
    (words only)."""

    def __post_init__(self):
        super().__post_init__()
        if self.vectors is not None and self.tokenizer != "words":
            raise ValueError("--vectors are of words: they go with --tokenizer words")


@dataclass(frozen=True, kw_only=True)
class Model(text_to_text.Model):
    """A pointer-generator."""

    copy: bool = True
    """Copy words of the document: a pointer-generator (See et al., 2017)."""


@dataclass(frozen=True, kw_only=True)
class Training(text_to_text.Training):
    """Training, the coverage stage at its end, and the choice of the best epoch."""

    RANGES: ClassVar = {at_least(0): "coverage_epochs coverage_weight"}
    MOST_TOKENS: ClassVar = 4096

    coverage: bool = True
    """Train a last stage with the coverage loss, which penalizes attention that returns to the
    same words (See et al., 2017)."""
    coverage_epochs: int = 1
    """Epochs of the coverage stage, which follow --epochs, at a tenth of the learning rate."""
    coverage_weight: float = 1.0
    """Weight of the coverage loss."""
    monitor: Literal["rouge_1", "rouge_2", "rouge_l"] = "rouge_l"
    """Validation metric, of decoded summaries, that chooses the model."""

    @property
    def covers(self):
        """Whether there is a last stage with the coverage loss."""
        return self.coverage and self.coverage_epochs > 0 and self.coverage_weight > 0


@dataclass(frozen=True, kw_only=True)
class Config(Data, Model, Training, text_to_text.Config):
    """Trains a summarization model and evaluates it on the test split.

    The defaults are the run on the built-in docstrings that the README shows.
    """

    APPLICATION: ClassVar = "summarization"
    PREPARED: ClassVar = "max_train tokenizer fold_case copy vocabulary_size max_source max_target"

    dataset: str = "docstrings"
    """`docstrings`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with train.jsonl."""
    vocabulary_size: int = 6000
    """Size of the vocabulary that documents and summaries share."""
    max_source: int = 112
    """Maximum document length in tokens; longer documents are truncated."""
    max_target: int = 32
    """Maximum summary length in tokens; longer summaries are truncated."""
    model: Literal["transformer", "rnn"] = "rnn"
    encoder_layers: int = 1
    decoder_layers: int = 1
    mlp_dim: int = 256
    epochs: int = 6
    learning_rate: float = 3e-3
    no_repeat_ngram: int = 3


Decoding = options.overrides(Config, "max_target", "seed")


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, Decoding, options.FinishedRun):
    """Summarizes a split with a finished run, and writes metrics and attention maps."""

    run: str = "runs/summarization/latest"


Preparation = prepared_data.preparation(
    Config, "Writes the tokens of documents and summaries once."
)


@dataclass(frozen=True, kw_only=True)
class Prediction(options.PredictionInput, Decoding, options.FinishedRun):
    """Summarizes a document, a text file, all documents of a .jsonl file, or standard input."""

    run: str = "runs/summarization/latest"
    input: str = "-"
    """A text file of one document, a .jsonl file with one document per line, - for standard input,
    or the text itself."""


PRESETS = {
    "aeslc": Config(
        dim=256,
        dropout=0.3,
        vocabulary_size=20000,
        max_source=200,
        max_target=24,
        epochs=8,
        tokens_per_batch=4096,
        learning_rate=1e-3,
        label_smoothing=0.1,
        patience=5,
        no_repeat_ngram=2,
    ),
}
