"""The configuration of a translation run, read from the command line."""

from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal

from pipelines.commands import flags, options, run_data, runs, text_to_text
from pipelines.commands.disk import prepared_data


@dataclass(frozen=True, kw_only=True)
class Files(options.Options):
    """Plain text files, one sentence per line, in place of a data set."""

    GROUP: ClassVar = "data"
    PATHS: ClassVar = " ".join(
        f"{split}{side}_file"
        for split in ("", "validation_", "test_")
        for side in ("source", "target")
    )

    source_language: str | None = None
    """Source language of a data set that has several; by default the set's own."""
    target_language: str | None = None
    """Target language of a data set that has several; by default the set's own."""
    source_file: str | None = None
    """Plain text to train on in place of a data set, one sentence per line."""
    target_file: str | None = None
    """Target side of --source-file, aligned line by line."""
    validation_source_file: str | None = None
    """Plain text to validate on; by default held out from the training pairs."""
    validation_target_file: str | None = None
    """Target side of --validation-source-file, aligned line by line."""
    test_source_file: str | None = None
    """Plain text to test on; by default held out from the training pairs."""
    test_target_file: str | None = None
    """Target side of --test-source-file, aligned line by line."""

    @property
    def files(self):
        """For each split the plain text files of both sides, or `None`."""
        prefixes = {"train": "", "validation": "validation_", "test": "test_"}
        return {
            split: (getattr(self, f"{prefix}source_file"), getattr(self, f"{prefix}target_file"))
            for split, prefix in prefixes.items()
        }

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


@dataclass(frozen=True, kw_only=True)
class Training(text_to_text.Training):
    """Training, and the choice of the best epoch."""

    monitor: Literal["bleu", "chrf", "exact_match"] | None = None
    """Validation metric, of decoded texts, that chooses the model; by default exact_match for
    dates, and bleu elsewhere."""
    bleu_tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    """sacreBLEU's tokenizer: zh for Chinese, char for Japanese and Korean targets."""


@dataclass(frozen=True, kw_only=True)
class Config(Files, Training, text_to_text.Config):
    """Trains a translation model and evaluates it on the test split.

    The defaults are the run on the built-in dates that the README shows.
    """

    APPLICATION: ClassVar = "translation"
    PREPARED: ClassVar = "max_train vocabulary_size max_source max_target"

    dataset: str = "dates"
    """`dates`, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder with train.jsonl."""
    vocabulary_size: int = 1024
    encoder_layers: int = 1
    """Encoder layers (Transformer blocks or BiLSTMs). With one layer, attention aligns with single
    source words best."""
    epochs: int = 7
    learning_rate: float = 3e-3

    def data_of(self, split):
        """What a report calls the data of a split."""
        return self.files[split][0] or self.source_file or self.dataset

    def without_data(self):
        """Without files and languages, which belong to one data set alone."""
        names = [f.name for f in fields(self) if f.name.endswith(("_file", "_language"))]
        return replace(self, **dict.fromkeys(names))

    def __post_init__(self):
        super().__post_init__()
        if self.source_language is not None and self.dataset == "dates":
            raise ValueError("--source-language chooses in a folder or tfds:NAME, not in dates")


Decoding = options.overrides(Config, "max_target", "seed")


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, Decoding, options.FinishedRun):
    """Translates a split with a finished run, and writes metrics and attention maps."""

    run: str = "runs/translation/latest"
    source_language: str | None = None
    """Source language of a data set that has several."""
    target_language: str | None = None
    """Target language of a data set that has several."""
    test_source_file: str | None = None
    """Plain text to test on, one sentence per line."""
    test_target_file: str | None = None
    """Target side of --test-source-file, aligned line by line."""

    def __post_init__(self):
        super().__post_init__()
        if self.split != "test" and (self.test_source_file or self.test_target_file):
            raise ValueError("--test-source-file goes with --split test")


Preparation = prepared_data.preparation(
    Config,
    "Writes the tokens of both sides of a data set once.",
    "source_language",
    "target_language",
)


@dataclass(frozen=True, kw_only=True)
class Prediction(options.PredictionInput, Decoding, options.FinishedRun):
    """Translates a text, a file line by line, or standard input."""

    run: str = "runs/translation/latest"
    input: str = "-"
    """A text file of one sentence per line, - for standard input, or the text itself."""


def configure(arguments):
    """The configuration of a finished run, with its data exchanged if another set is given."""
    config = run_data.confirm(runs.load(arguments.run, Config), arguments)
    if getattr(arguments, "dataset", None) is not None:
        config = config.without_data()
    return flags.override(config, arguments)


_MULTI30K = {
    "encoder_layers": 4,
    "decoder_layers": 4,
    "mlp_dim": 256,
    "dropout": 0.2,
    "vocabulary_size": 5000,
    "max_target": 64,
    "epochs": 20,
    "tokens_per_batch": 2048,
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
