"""The configuration of an understanding run, read from the command line."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from apps.understanding.tasks.options import (
    DEFAULTS,
    Answers,
    Entities,
    Matching,
    Question,
    Sentiment,
    Task,
    Windows,
)
from pipelines.commands import options
from pipelines.commands.disk import prepared_data
from pipelines.commands.mechanisms import MECHANISMS
from pipelines.commands.ranges import at_least, within


@dataclass(frozen=True, kw_only=True)
class Data(options.Data):
    """Texts, and the tokens that they are made of."""

    RANGES: ClassVar = {at_least(8): "vocabulary_size max_length"}

    dataset: str = "intents"
    """`intents`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with a file for training
    (train.jsonl and others, see the README)."""
    tokenizer: Literal["subwords", "words"] = "subwords"
    """Tokens of a model from scratch: subwords (byte-level BPE), or lower-cased words. With
    --vectors they are always words."""
    vocabulary_size: int = 2000
    """Maximum size of the vocabulary; words with pretrained vectors come on top."""
    max_length: int = 256
    """Maximum sequence length in tokens. A longer text is truncated, a longer sentence is tagged in
    pieces, and a longer context is read in overlapping windows."""


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """The encoder of a text."""

    GROUP: ClassVar = "model"
    PATHS: ClassVar = "backbone vectors"
    RANGES: ClassVar = {
        at_least(1): "num_heads num_layers mlp_dim embedding_dim",
        at_least(8): "dim",
        within("[0, 1)"): "dropout",
    }

    model: Literal["bilstm", "transformer"] = "bilstm"
    """Encoder to train from scratch."""
    backbone: str | None = None
    """Pretrained encoder in place of --model: a KerasHub preset of the BERT family, its name or its
    folder."""
    freeze: bool = False
    """Keep the weights of --backbone as they are, and train the rest of the model only."""
    vectors: str | None = None
    """Pretrained word vectors to initialize the embeddings with: a text file in GloVe's format, a
    word and its numbers per line."""
    attention: Literal[MECHANISMS] = "multi_head"
    """Self-attention mechanism of the encoder (Transformer only)."""
    dim: int = 128
    """Model size D."""
    num_layers: int = 2
    """Encoder layers (BiLSTMs or Transformer blocks)."""
    num_heads: int = 4
    """Attention heads N (Transformer only)."""
    mlp_dim: int = 256
    """Size of the feed-forward layers (Transformer only)."""
    embedding_dim: int | None = None
    """Size of the embeddings, at least that of --vectors; by default the model size."""
    dropout: float = 0.2
    """Dropout rate."""

    def __post_init__(self):
        super().__post_init__()
        if self.backbone is not None and self.vectors is not None:
            raise ValueError("--vectors start a model from scratch: they do not go with --backbone")
        if self.freeze and self.backbone is None:
            raise ValueError("--freeze keeps the weights of a --backbone, and there is none")
        if self.attention != "multi_head" and (self.model != "transformer" or self.backbone):
            raise ValueError(f"--attention {self.attention} goes with --model transformer")
        if self.dim % 2 or self.dim % self.num_heads:
            raise ValueError(
                f"--dim {self.dim} must be even, and a multiple of --num-heads {self.num_heads}"
            )


@dataclass(frozen=True, kw_only=True)
class Training(options.Training):
    """Training on batches of about as many tokens each."""

    RANGES: ClassVar = {at_least(1): "tokens_per_batch max_validation"}

    epochs: int | None = None
    """Passes over the training examples; by default 12 for sentiment, 6 for ner and 2 for qa."""
    tokens_per_batch: int | None = None
    """Batch size in tokens, padding included; by default 1,024 for sentiment and ner, and 2,048 for
    qa."""
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    label_smoothing: float = 0.0
    """sentiment only: label smoothing, the share of the target distribution spread evenly over all
    labels."""
    patience: int = 5
    max_validation: int = 1000
    """Evaluate on the first N validation examples after each epoch."""


@dataclass(frozen=True, kw_only=True)
class Config(
    Windows, Data, Matching, Entities, Sentiment, Model, Training, Answers, options.Run, Task
):
    """Trains a model to understand text, one of three tasks, and evaluates it on the test split.

    The defaults are the runs on the built-in texts that the README shows.
    """

    APPLICATION: ClassVar = "understanding"
    PREPARED: ClassVar = (
        "task multi_label max_train tokenizer vocabulary_size max_length overlap max_question "
        "backbone vectors"
    )

    @property
    def passes(self):
        """Passes over the training examples."""
        return self.epochs or DEFAULTS[self.task].epochs

    @property
    def batch_tokens(self):
        """Tokens of a batch, padding included."""
        return self.tokens_per_batch or DEFAULTS[self.task].tokens_per_batch

    def __post_init__(self):
        super().__post_init__()
        if self.backbone is not None and self.tokenizer != "subwords":
            raise ValueError(f"--tokenizer {self.tokenizer} does not go with --backbone")


Decoding = options.overrides(Config)


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, Decoding, options.FinishedRun):
    """Evaluates a finished run on a split, and writes metrics and attention maps."""

    run: str = "runs/understanding/latest"


Preparation = prepared_data.preparation(
    Config, "Writes the tokens of a data set once, with labels, tags or answers."
)


@dataclass(frozen=True, kw_only=True)
class Prediction(Question, options.PredictionInput, Decoding, options.FinishedRun):
    """Classifies texts, tags the entities in them, or answers questions, as the run has learned."""

    run: str = "runs/understanding/latest"
    input: str = "-"
    """A text, a text file of one text per line, or - for standard input. For qa, the context: a
    text, or a file that is one; or a .jsonl file with `context` and `question` in each line."""


_SST2 = {
    "num_layers": 1,
    "dropout": 0.35,
    "label_smoothing": 0.05,
    "learning_rate": 2e-3,
    "tokens_per_batch": 2048,
    "epochs": 6,
    "ema": 0.99,
}
_FINE_TUNING = {
    "learning_rate": 1e-4,
    "warmup_steps": 200,
    "dropout": 0.1,
    "tokens_per_batch": 2048,
}

PRESETS = {
    "sst2": Config(**_SST2, tokenizer="words", vocabulary_size=16_000),
    "sst2-glove": Config(**_SST2, vocabulary_size=20_000),
    "sst2-minilm": Config(**_FINE_TUNING, max_length=128, epochs=1),
    "wnut17-glove": Config(
        task="ner",
        vocabulary_size=20_000,
        embedding_dim=50,
        num_layers=1,
        dropout=0.4,
        learning_rate=1e-3,
        tokens_per_batch=2048,
        epochs=15,
    ),
    "wnut17-minilm": Config(task="ner", **_FINE_TUNING, max_length=192, epochs=6),
    "squad-minilm": Config(
        task="qa",
        **{**_FINE_TUNING, "tokens_per_batch": 2560},
        matching="additive",
        max_length=320,
        overlap=96,
        epochs=2,
    ),
}
