"""A run is one folder: all that evaluation and prediction need, on another machine too."""

import contextlib
import dataclasses
import math
import os
import re
import tempfile
import time
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.commands import flags, left_out, options, run_data
from pipelines.commands.disk import files, model_files
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_json, write_json_lines
from pipelines.commands.errors import UserError, if_interrupted, reading
from pipelines.commands.terminal import console

ROOT = Path("runs")
LARGEST_CONFIG = 1 << 20
# Of a size in a configuration, and of any other whole number in it.
LARGEST_SIZE, LARGEST_NUMBER = 10**6, 2**32
MOST_NAMES = 10**6
_created = []  # By the command that is under way.


def check_name(app, config):
    """Raises a `UserError` for a name that `create` would not take, before hours of work."""
    latest = ROOT / app / "latest"
    if latest.exists() and not latest.is_symlink():
        raise UserError(f"{latest} is no link to a run: give it another name")
    if config.name is not None:
        check_folder_name(config.name)


def check_folder_name(name):
    """Raises a `UserError` if `--name` is none for a folder."""
    if not re.fullmatch(r"[\w.+-]+", name) or name in (".", "..", "latest"):
        raise UserError(f"--name {name!r} cannot name a folder: take letters, digits and . _ + -")


def create(app, config):
    """Makes `runs/<app>/<name>` with `config.json` in it.

    Args:
        app: Name of the application.
        config: Its dataclass; the field `name` names the run, by default the time.

    Returns:
        The folder.

    Raises:
        UserError: if a finished or running run has that name, or the name is none for a folder.
    """
    check_name(app, config)
    name = config.name or time.strftime("%Y-%m-%d_%H-%M-%S")
    folder = ROOT / app / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise UserError(f"{folder.parent} is not a folder") from None
        if config.name is not None:
            raise UserError(f"there is a run {folder} already: take another --name") from None
        folder = Path(tempfile.mkdtemp(prefix=f"{name}_", dir=folder.parent))  # The same second.
        folder.chmod(0o755)
    except OSError as error:
        raise UserError(f"cannot make the run {folder}: {error.strerror}") from error
    write_config(folder, config)
    return folder


def write_config(folder, config):
    """Writes `config.json` into the folder of a run that is under way from here on."""
    _created.append(folder)
    write_json(folder / "config.json", dataclasses.asdict(options.located(config)))
    run_data.remember(folder / "config.json")


def point_to(folder):
    """Points `runs/<app>/latest` to a run whose training is over, where it lies there."""
    latest = folder.parent / "latest"
    if latest.parent.parent != ROOT or (latest.exists() and not latest.is_symlink()):
        return
    link = latest.with_name(f".latest.{os.getpid()}")
    link.symlink_to(folder.name)
    os.replace(link, latest)


@contextlib.contextmanager
def under_way():
    """Has an interruption tell what is kept of the run that is trained inside, if one is."""
    _created.clear()
    with if_interrupted(_kept):
        yield


def _kept():
    if not _created:
        return ""
    folder = _created[-1]
    if not any((folder / "checkpoints").glob("step-*")):
        return f"no checkpoint was written, and {folder} can be removed"
    application = folder.parent.name
    return f"the same command goes on from here, and so does make resume-{application} RUN={folder}"


def load(folder, config_class, finished=True):
    """The configuration of a run.

    Args:
        folder: The run.
        config_class: Of its application.
        finished: Whether it is to have a model.

    Raises:
        UserError: if the folder is no run, or the run saved no model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no run {folder}")
    config = folder / "config.json"
    if not config.is_file():
        raise UserError(f"{folder} is not a run: it has no config.json")
    if finished and not (folder / "model.keras").is_file():
        raise UserError(f"the run {folder} has no model.keras: its training saved none")
    values = read_json(config, "a configuration", LARGEST_CONFIG)
    try:
        if not isinstance(values, dict):
            raise ValueError("it holds no object")
        check_values(config_class, values)
        return config_class(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{config} is no configuration of this application: {error}") from error


def configure(config_class, arguments):
    """The configuration of the finished run `arguments.run`, overridden by the other arguments.

    Raises:
        UserError: As `load` and `run_data.confirm`, or the two do not go together.
    """
    config = run_data.confirm(load(arguments.run, config_class), arguments)
    return flags.override(config, arguments)


def check_values(config_class, values):
    """Makes sure that values from a file may be those of fields.

    Raises:
        ValueError: One is of another type, none of the choices, or larger than any machine holds.
    """
    kinds = typing.get_type_hints(config_class)
    for name, value in values.items():
        if name in kinds and not _fits(kinds[name], value, _largest(config_class, name)):
            raise ValueError(f"{name} is {str(value)[:40]!r}")


def _fits(kind, value, largest):
    """Whether a value from a file may be that of a field: its type, its choice, its size."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return any(_fits(each, value, largest) for each in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if kind in (int, float) and isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= largest
    if kind is float:
        return isinstance(value, float) and math.isfinite(value)
    return type(value) is kind


def _largest(config_class, name):
    """What a number of a configuration may be, so that nothing is made that no machine holds."""
    group = getattr(options.owner(config_class, name), "GROUP", "")
    return LARGEST_NUMBER if group in ("training", "run") or name == "max_train" else LARGEST_SIZE


def load_model(folder, kind=None):
    """The model of a run; the modules that define its layers are to be imported before.

    Args:
        folder: The run.
        kind: The class, or classes, that it is to be of; any by default.

    Raises:
        UserError: if its file is damaged, too large for this machine, or holds another model.
    """
    import keras

    path = Path(folder) / "model.keras"
    model_files.check(path)
    with reading(path, "a model"):
        model = keras.saving.load_model(path, compile=False)
        if kind is not None and not isinstance(model, kind):
            raise ValueError(f"it holds a {type(model).__name__}")
    return model


@dataclass(frozen=True)
class Report:
    """What an evaluation leaves in its folder.

    Attributes:
        folder: The run, or a folder of its own, see `evaluations.report`.
        dataset: Name of the data set.
        split: Name of the split.
        training_seconds: What training took; `None` of an evaluation after it.
        config: What `config.json` is to say of such an evaluation; that of a run is there already.
    """

    folder: Path
    dataset: str
    split: str
    training_seconds: float | None = None
    config: dict | None = None

    def __post_init__(self):
        files.check_place(self.folder)  # Before the work that is to be kept there.

    def write(self, metrics, examples, parameters):
        """Writes `metrics.json`, before all else, and prints the metrics.

        Args:
            metrics: Names to numbers.
            examples: How many were evaluated.
            parameters: Of the model.

        Returns:
            What was written.
        """
        if self.config is not None:
            files.make_folder(self.folder)
            write_json(self.folder / "config.json", self.config)
        report = {
            "dataset": self.dataset,
            "split": self.split,
            "examples": examples,
            "training_seconds": self.training_seconds,
            "parameters": parameters,
            "metrics": metrics,
        }
        write_json(self.folder / "metrics.json", report)
        write_left_out(self.folder)
        for name, value in metrics.items():
            console.print(f"{name:>20}  {value:.3f}")
        return report

    def write_rows(self, name, rows):
        """Writes what was made of each example, an object a line: `NAME_SPLIT.jsonl`."""
        write_json_lines(self.folder / f"{name}_{self.split}.jsonl", rows)


def write_left_out(folder):
    """Writes `left_out.jsonl`, which names the examples that were left out, if any were."""
    if rows := left_out.rows():
        write_json_lines(folder / "left_out.jsonl", rows)


def read_names(path):
    """The names of classes from a JSON file of a run.

    Raises:
        UserError: It cannot be read, or holds something else.
    """
    names = read_json(path, "a list of labels")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} is no list of labels")
    if len(names) > MOST_NAMES or len(set(names)) < len(names):
        raise UserError(f"{path} has too many labels, or one of them twice")
    return names


def check_together(folder, what, found, wanted):
    """Makes sure that two files of a run belong together.

    Args:
        folder: The run.
        what: What is counted, such as "tokens".
        found: How many the file beside the model has.
        wanted: How many the model has.

    Raises:
        UserError: They are not as many.
    """
    if found != wanted:
        raise UserError(
            f"the files of {folder} do not belong together: there are {found:,} {what}, "
            f"and the model is of {wanted:,}"
        )
