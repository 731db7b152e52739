"""The configuration of a speech recognition run, read from the command line."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from apps.speech.options import (
    Augmentation,
    Data,
    Decoding,
    LanguageModel,
    Model,
    Training,
    Vocabulary,
)
from pipelines.commands import flags, options, runs
from pipelines.commands.disk import prepared_data
from pipelines.commands.errors import UserError
from pipelines.data.hub import PRESET_SCHEMES

WHISPER_TARGET = 444
"""Most tokens of a text that Whisper's 448 positions leave, after the longest of its prompts."""
_NEEDED_HEADS = {
    "joint": ("ctc", "attention"),
    "attention": ("attention",),
    "ctc": ("ctc",),
    "ctc_beam": ("ctc",),
}


@dataclass(frozen=True, kw_only=True)
class Config(Vocabulary, Data, Model, LanguageModel, Augmentation, Training, Decoding, options.Run):
    """Trains a speech recognizer and evaluates it on the test split.

    The defaults are the run on the built-in spoken numbers that the README shows.
    """

    APPLICATION: ClassVar = "speech"
    PREPARED: ClassVar = (
        "max_train units vocabulary_size speed_perturbation language_model_order "
        "language_model_text"
    )

    preset: str | None = None
    """Named configuration, or the folder or name of the KerasHub preset of a Whisper."""
    op_threads: int | None = 1
    """CPU threads per TensorFlow operation, None for all cores. A small model is often fastest with
    1, as several of its operations run at a time."""

    @property
    def whisper(self):
        """The pretrained Whisper in place of a model of our own, or None."""
        return None if self.preset is None or self.preset in PRESETS else self.preset

    @property
    def method(self):
        """How transcripts are decoded."""
        return self.decode or ("joint" if len(self.heads) == 2 else self.heads[0])

    @property
    def quick(self):
        """What to decode with after each epoch: no beam."""
        greedy = {"decode": "ctc", "language_model_weight": 0.0}
        return {"beams": 1, **(greedy if self.method == "ctc_beam" else {})}

    def __post_init__(self):
        super().__post_init__()
        for head in _NEEDED_HEADS[self.method]:
            if head not in self.heads:
                raise ValueError(
                    f"--decode {self.decode} goes with {head}, which this model lacks: it has "
                    f"{self.heads[0]} alone"
                )
        if self.language_model_weight > 0 and self.method != "ctc_beam":
            raise ValueError("--language-model-weight goes with --decode ctc_beam")
        if self.whisper is not None:
            self._check_whisper()

    def _check_whisper(self):
        """Makes sure that nothing is asked of a Whisper that it has already, or cannot do."""
        if self.max_target > WHISPER_TARGET:
            raise ValueError(f"--max-target of a Whisper must be at most {WHISPER_TARGET}")
        for field in (*fields(Model), *fields(Vocabulary), *fields(Augmentation)):
            usual = 0.0 if field.name == "ctc_weight" else field.default
            if getattr(self, field.name) != usual:
                flag = field.name.replace("_", "-")
                raise ValueError(f"--{flag} is of no use to the pretrained Whisper {self.whisper}")


@dataclass(frozen=True, kw_only=True)
class FinishedRun(options.FinishedRun):
    """The run, or the pretrained model, that a later command uses."""

    run: str = "runs/speech/latest"
    preset: str | None = None
    """Pretrained Whisper to use in place of a run: the folder or name of its KerasHub preset."""

    @property
    def folder(self):
        """What is written to: the run, or a folder named after the preset."""
        if self.preset is None:
            return Path(self.run)
        name = self.preset.partition("://")[2].replace("/", "_") or Path(self.preset).resolve().name
        return runs.ROOT / "speech" / f"pretrained-{name}"


_Overrides = options.overrides(Config)


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.MediaEvaluation, _Overrides, FinishedRun):
    """Transcribes a split with a finished run, and writes error rates and attention maps."""


Preparation = prepared_data.preparation(
    Config, "Writes the log-mel spectrograms of a data set and the units of its transcripts once."
)


@dataclass(frozen=True, kw_only=True)
class Prediction(options.PredictionInput, _Overrides, FinishedRun):
    """Transcribes an audio file, or all of a folder."""

    input: str
    """Audio file, or a folder of audio files."""
    output: str | None = None
    """Folder for the attention maps; by default the folder predictions of the run, or of the
    preset."""


def configure(arguments):
    """The configuration of a finished run or of a pretrained Whisper, overridden by the flags."""
    if arguments.preset is None:
        return runs.configure(Config, arguments)
    return flags.override(pretrained(arguments.preset), arguments)


def find(run):
    """The configuration of a finished run, or of the pretrained Whisper that is named in its place.

    Args:
        run: The folder of the run, or the folder or KerasHub's name of a preset.
    """
    named = str(run).startswith(("whisper_", *PRESET_SCHEMES))
    if named or (Path(run) / "metadata.json").is_file():  # Which presets have, and runs have not.
        return pretrained(str(run))
    return runs.load(run, Config)


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
