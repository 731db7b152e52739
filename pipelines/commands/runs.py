"""A run is one folder: all that evaluation and prediction need, on another machine too."""

import contextlib
import dataclasses
import json
import os
import re
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pipelines.commands import flags
from pipelines.commands.errors import UserError, first_line
from pipelines.commands.terminal import console

ROOT = Path("runs")


def check_name(app, config):
    """Raises the `UserError` that `create` would, before the hours of work that a run may be."""
    latest = ROOT / app / "latest"
    if latest.exists() and not latest.is_symlink():
        raise UserError(f"{latest} is no link to a run: give it another name")
    name = config.name
    if name is None:
        return
    if not re.fullmatch(r"[\w.+-]+", name) or name in (".", "..", "latest"):
        raise UserError(f"--name {name!r} cannot name a folder: take letters, digits and . _ + -")
    if (ROOT / app / name).exists():
        raise UserError(f"there is a run {ROOT / app / name} already: take another --name")


def create(app, config):
    """Makes `runs/<app>/<name>` with `config.json` in it, and points `runs/<app>/latest` to it.

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
        folder = Path(tempfile.mkdtemp(prefix=f"{name}_", dir=folder.parent))  # The same second.
        folder.chmod(0o755)
    except OSError as error:
        raise UserError(f"cannot make the run {folder}: {error.strerror}") from error
    write_json(folder / "config.json", dataclasses.asdict(config))
    latest = folder.parent / "latest"
    link = latest.with_name(f".latest.{os.getpid()}")
    link.symlink_to(folder.name)
    os.replace(link, latest)
    return folder


def load(folder, config_class):
    """The configuration of a finished run.

    Raises:
        UserError: if the folder is no run, or the run saved no model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no run {folder}")
    config = folder / "config.json"
    if not config.is_file():
        raise UserError(f"{folder} is not a run: it has no config.json")
    if not (folder / "model.keras").is_file():
        raise UserError(f"the run {folder} has no model.keras: its training saved none")
    try:
        loaded = config_class(**json.loads(config.read_text("utf-8")))
        for field in dataclasses.fields(config_class):
            value = getattr(loaded, field.name)
            if not _is_of(field, value):
                raise ValueError(f"{field.name} is {value!r}")
        return loaded
    except (TypeError, ValueError) as error:
        raise UserError(f"{config} is no configuration of this application: {error}") from error


def configure(config_class, arguments):
    """The configuration of the finished run `arguments.run`, overridden by the other arguments.

    Raises:
        UserError: As `load`, or the two do not go together.
    """
    return flags.override(load(arguments.run, config_class), arguments)


def _is_of(field, value):
    """Whether a value from a file may be that of a field."""
    if value is None:
        return field.default is None or "None" in str(field.type)
    kinds = {str: str, bool: bool, int: int, float: (int, float)}.get(type(field.default))
    return kinds is None or isinstance(value, kinds)


def load_model(folder):
    """The model of a run; the modules that define its layers are to be imported before.

    Raises:
        UserError: if its file is damaged.
    """
    import keras

    path = Path(folder) / "model.keras"
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} cannot be read: it is empty or truncated")
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, TypeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error


@dataclass(frozen=True)
class Report:
    """What an evaluation leaves in a run.

    Attributes:
        folder: The run.
        dataset: Name of the data set.
        split: Name of the split.
        training_seconds: What training took; `None` keeps what was written before.
    """

    folder: Path
    dataset: str
    split: str
    training_seconds: float | None = None

    def write(self, metrics, examples, parameters):
        """Writes `metrics.json` and prints the metrics.

        Args:
            metrics: Names to numbers.
            examples: How many were evaluated.
            parameters: Of the model.

        Returns:
            What was written.
        """
        path, seconds = self.folder / "metrics.json", self.training_seconds
        if seconds is None and path.is_file():
            with contextlib.suppress(ValueError, AttributeError):  # Else it was no report.
                seconds = read_json(path).get("training_seconds")
        report = {
            "dataset": self.dataset,
            "split": self.split,
            "examples": examples,
            "training_seconds": seconds,
            "parameters": parameters,
            "metrics": metrics,
        }
        write_json(path, report)
        for name, value in metrics.items():
            console.print(f"{name:>20}  {value:.3f}")
        return report

    def write_rows(self, name, rows):
        """Writes what was made of each example, an object a line: `NAME_SPLIT.jsonl`."""
        write_json_lines(self.folder / f"{name}_{self.split}.jsonl", rows)


def make_folder(path):
    """Makes a folder for what a run is to write, unless it is there; returns its path."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from error
    return path


def write_json(path, value):
    """Writes JSON under another name and renames it, so that no reader sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
    os.replace(temporary, path)


def write_json_lines(path, rows):
    """Writes an object a line, under another name first, as `write_json`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    os.replace(temporary, path)


def read_json(path):
    """The content of a JSON file of a run."""
    return json.loads(Path(path).read_text("utf-8"))


def read_names(path):
    """The names of classes from a JSON file of a run.

    Raises:
        UserError: It cannot be read, or holds something else.
    """
    try:
        names = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} is no list of labels")
    return names
