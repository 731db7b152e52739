"""The configuration of a translation run, read from the command line."""

from dataclasses import dataclass, fields, replace
from typing import Literal

from pipelines.commands.text_to_text import DecodingOptions, Options


@dataclass(frozen=True)
class Config(Options):
    """Trains a translator and evaluates it on the test split.

    The defaults are the run on the built-in dates that the README shows.
    """

    dataset: str = "dates"
    """`dates`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with train.jsonl."""
    source_language: str | None = None
    """Of a set of TensorFlow Datasets; by default as the set itself has it."""
    target_language: str | None = None
    """Of a set of TensorFlow Datasets; by default as the set itself has it."""
    source_file: str | None = None
    """Plain text to train on in place of a data set, a sentence a line."""
    target_file: str | None = None
    """Its translation, line by line."""
    validation_source_file: str | None = None
    """Plain text to validate on; by default some of the training pairs."""
    validation_target_file: str | None = None
    """Its translation, line by line."""
    test_source_file: str | None = None
    """Plain text to test on; by default some of the training pairs."""
    test_target_file: str | None = None
    """Its translation, line by line."""

    vocabulary_size: int = 1024
    """Entries of the vocabulary that source and target share."""
    encoder_layers: int = 1
    """Blocks, or pairs of LSTMs, of the encoder: one keeps to its own word what it tells."""
    epochs: int = 7
    """Passes over the training pairs."""
    learning_rate: float = 3e-3
    """Peak of warm-up and cosine decay."""
    monitor: Literal["bleu", "chrf", "exact_match"] | None = None
    """Decoded validation metric that chooses the model; by default exact_match for dates, and bleu
    elsewhere."""
    bleu_tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    """How sacreBLEU cuts words: zh for Chinese, char for Japanese and Korean targets."""

    @property
    def files(self):
        """For each split the plain text files of both sides, or `None`."""
        prefixes = {"train": "", "validation": "validation_", "test": "test_"}
        return {
            split: (getattr(self, f"{prefix}source_file"), getattr(self, f"{prefix}target_file"))
            for split, prefix in prefixes.items()
        }

    def without_data(self):
        """Without files and languages, which belong to one data set alone."""
        names = [f.name for f in fields(self) if f.name.endswith(("_file", "_language"))]
        return replace(self, **dict.fromkeys(names))

    def __post_init__(self):
        super().__post_init__()
        for split, (source, target) in self.files.items():
            prefix = "" if split == "train" else f"{split}-"
            if (source is None) != (target is None):
                raise ValueError(
                    f"--{prefix}source-file and --{prefix}target-file go together: one is missing"
                )
        if (self.source_language is None) != (self.target_language is None):
            raise ValueError("--source-language and --target-language go together: one is missing")
        if self.source_language is not None and not self.dataset.startswith("tfds:"):
            raise ValueError("--source-language chooses in a set of TensorFlow Datasets: tfds:NAME")


@dataclass(frozen=True)
class Decoding(DecodingOptions):
    """How a finished run decodes; where a field is not given, as the run was configured."""

    run: str = "runs/translation/latest"
    """The folder of the run."""


@dataclass(frozen=True)
class Evaluation(Decoding):
    """Translates a split with a finished run, scores it, and draws what the words looked at."""

    split: Literal["test", "validation"] = "test"
    """The split to score."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    source_language: str | None = None
    """Of a set of TensorFlow Datasets."""
    target_language: str | None = None
    """Of a set of TensorFlow Datasets."""
    test_source_file: str | None = None
    """Plain text to test on, a sentence a line."""
    test_target_file: str | None = None
    """Its translation, line by line."""

    def __post_init__(self):
        super().__post_init__()
        if self.split != "test" and (self.test_source_file or self.test_target_file):
            raise ValueError("--test-source-file goes with --split test")


@dataclass(frozen=True)
class Prediction(Decoding):
    """Translates a text, a file line by line, or standard input."""

    input: str = "-"
    """A text file of a sentence a line, - for standard input, or the text itself."""
    output: str | None = None
    """Where the maps go; by default the folder predictions of the run."""


_MULTI30K = {
    "encoder_layers": 4,
    "decoder_layers": 4,
    "mlp_dim": 256,
    "dropout": 0.2,
    "vocabulary_size": 5000,
    "max_target": 64,
    "epochs": 20,
    "steps_per_execution": 1,
    "learning_rate": 3e-3,
    "warmup_steps": 800,
    "label_smoothing": 0.1,
    "beams": 5,
    "patience": 10,
}

PRESETS = {
    "multi30k": Config(**_MULTI30K),
    "multi30k-rnn": Config(
        **{
            **_MULTI30K,
            "model": "rnn",
            "dim": 256,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "dropout": 0.4,
            "epochs": 15,
            "learning_rate": 2e-3,
        }
    ),
}
