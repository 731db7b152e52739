"""The configuration of an understanding run, read from the command line."""

from dataclasses import dataclass
from typing import Literal

from pipelines.commands import ranges
from pipelines.commands.mechanisms import MECHANISMS, SINGLE_HEAD
from pipelines.commands.ranges import above, at_least, within

TASKS = ("sentiment", "ner", "qa")

_RANGES = {
    at_least(1): "num_heads num_layers mlp_dim embedding_dim max_answer max_question overlap "
    "epochs tokens_per_batch steps_per_execution max_train max_validation op_threads",
    at_least(8): "dim vocabulary_size max_length",
    at_least(0): "warmup_steps weight_decay patience",
    above(0): "learning_rate clip_norm",
    within("[0, 1)"): "dropout label_smoothing ema",
    within("[0, 4294967296)"): "seed",
}


@dataclass(frozen=True)
class Config:
    """Trains a model to understand text, one of three tasks, and evaluates it on the test split.

    The defaults are the runs on the built-in texts that the README shows.
    """

    task: Literal[TASKS] = "sentiment"
    """A label for each text, the entities in it, or answers to questions about it."""
    dataset: str = "intents"
    """`intents`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with a train file."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    name: str | None = None
    """Name of the run; the time by default."""

    model: Literal["bilstm", "transformer"] = "bilstm"
    """What reads a text from scratch."""
    attention: Literal[MECHANISMS] = "multi_head"
    """How a Transformer does."""
    backbone: str | None = None
    """A KerasHub preset in its place, of the BERT family: a folder or a name."""
    freeze: bool = False
    """Leave the weights of the backbone as they are."""
    vectors: str | None = None
    """Pretrained word vectors to start from, a text file of a word and its numbers a line."""
    embedding_dim: int | None = None
    """Size of the embeddings, at least that of the vectors; by default the model size."""
    dim: int = 128
    """Model size D."""
    num_layers: int = 2
    """Pairs of LSTMs, or Transformer blocks."""
    num_heads: int = 4
    """Heads N of multi-head attention."""
    mlp_dim: int = 256
    """Hidden size of the perceptrons in Transformer blocks."""
    dropout: float = 0.2
    """Dropout rate."""
    crf: bool = True
    """ner: let a conditional random field choose the tags of a sentence together."""
    question_attention: bool = True
    """qa: let the context attend to the question; without, the question is one vector."""
    matching: Literal[SINGLE_HEAD] = "luong_dot"
    """qa: how it attends."""
    multi_label: bool = False
    """sentiment: any number of labels for each text."""

    tokenizer: Literal["subwords", "words"] = "subwords"
    """What a text is made of, from scratch: pieces of words, or words in lower case, which those
    with vectors always are."""
    vocabulary_size: int = 2000
    """Most entries of the vocabulary; words with vectors of their own come on top."""
    max_length: int = 256
    """Most tokens at once: longer contexts are read in windows, longer texts are cut."""
    overlap: int = 64
    """qa: tokens of a context that a window shares with the next."""
    max_question: int = 48
    """qa: tokens that a longer question is cut to."""
    max_answer: int = 30
    """qa: most tokens of an answer."""

    epochs: int | None = None
    """Passes over the training examples; by default 12 for sentiment, 6 for ner and 2 for qa."""
    tokens_per_batch: int | None = None
    """Tokens of a batch, padding included; by default 1,024, and 2,048 for qa."""
    steps_per_execution: int = 1
    """Steps that TensorFlow runs without Python in between."""
    learning_rate: float = 3e-3
    """Peak of warm-up and cosine decay."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest global norm of the gradients."""
    label_smoothing: float = 0.0
    """sentiment: share of the target that is spread over all labels."""
    ema: float = 0.0
    """Momentum of the moving average of the weights that is scored and saved; 0 for none."""
    patience: int = 5
    """Epochs without a better validation score before training stops."""
    max_train: int | None = None
    """Train on the first N examples only."""
    max_validation: int = 1000
    """Score the first N examples of the validation split after each epoch."""
    seed: int = 0
    """Of weights, order and dropout."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the computation; weights stay float32."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to train; gpu without one is an error."""
    op_threads: int | None = None
    """Cores that share one operation of TensorFlow, None for all."""

    @property
    def passes(self):
        """Passes over the training examples."""
        return self.epochs or {"sentiment": 12, "ner": 6, "qa": 2}[self.task]

    @property
    def batch_tokens(self):
        """Tokens of a batch, padding included."""
        return self.tokens_per_batch or {"qa": 2048}.get(self.task, 1024)

    def __post_init__(self):
        ranges.check(self, _RANGES)
        if self.backbone is not None and self.vectors is not None:
            raise ValueError("--vectors start a model from scratch: they do not go with --backbone")
        if self.backbone is not None and self.tokenizer != "subwords":
            raise ValueError(f"--tokenizer {self.tokenizer} does not go with --backbone")
        if self.freeze and self.backbone is None:
            raise ValueError("--freeze keeps the weights of a --backbone, and there is none")
        if self.multi_label and self.task != "sentiment":
            raise ValueError("--multi-label goes with --task sentiment")
        if self.attention != "multi_head" and (self.model != "transformer" or self.backbone):
            raise ValueError(f"--attention {self.attention} goes with --model transformer")
        if self.dim % 2 or self.dim % self.num_heads:
            raise ValueError(
                f"--dim {self.dim} must be even, and a multiple of --num-heads {self.num_heads}"
            )
        if self.task == "qa" and self.max_length - 3 - self.max_question <= self.overlap:
            raise ValueError(
                f"--max-length {self.max_length} must be more than --max-question "
                f"{self.max_question}, --overlap {self.overlap} and three tokens together"
            )


@dataclass(frozen=True)
class Evaluation:
    """Scores a finished run on a split, and draws what it looked at."""

    run: str = "runs/understanding/latest"
    """The folder of the run."""
    split: Literal["test", "validation"] = "test"
    """The split to score."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    max_answer: int | None = None
    """qa: most tokens of an answer."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to run; gpu without one is an error."""

    def __post_init__(self):
        ranges.check(self, _RANGES)


@dataclass(frozen=True)
class Prediction:
    """Labels texts, finds the entities in them, or answers questions, as the run has learnt it."""

    run: str = "runs/understanding/latest"
    """The folder of the run."""
    input: str = "-"
    """A text, a file of a text a line, or - for standard input. For answers: the context, a text
    or a file that is one, or a .jsonl file of lines with `context` and `question`."""
    question: str | None = None
    """What to answer out of the context."""
    max_answer: int | None = None
    """qa: most tokens of an answer."""
    output: str | None = None
    """Where the maps go; by default the folder predictions of the run."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to run; gpu without one is an error."""

    def __post_init__(self):
        ranges.check(self, _RANGES)


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
