"""Which run a training goes on with: the one that is named, or one that was killed."""

import dataclasses
import fcntl
import json
import os
from pathlib import Path

from pipelines.commands import flags, options, run_data, runs
from pipelines.commands.disk import files
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.errors import UserError

AUTO, NEVER = "auto", "never"
CHECKPOINTS = "checkpoints"
LOCK = "lock"
# What a run may go on with another value of: it names the run or the machine, or ends the training.
FREE = {
    *("name", "resume", "device", "op_threads", "cache_size", "checkpoint_minutes"),
    *("checkpoint_steps", "devices", "coordinator", "processes", "process_id", "model_parallel"),
}
MAY_GROW = {"epochs", "patience"}
_held: dict[Path, int] = {}  # Locks, as long as the process lives.


def is_named(resume: str) -> bool:
    """Whether `--resume` names a run."""
    return resume not in (AUTO, NEVER)


def configuration(config_class: type, arguments) -> dict:
    """Returns the values that a run to go on with has, for flags that are not given."""
    if not is_named(arguments.resume):
        return {}
    folder = _real(Path(arguments.resume).expanduser())
    config = runs.load(folder, config_class, finished=False)
    run_data.confirm_training(folder, config, arguments)
    kept = {field.name for field in dataclasses.fields(config)} - FREE
    return {name: getattr(config, name) for name in kept}


def find(app: Path, config) -> Path | None:
    """Finds the run that a configuration goes on with.

    Args:
        app: Folder of the runs of the application.
        config: With all that it was given, as the run's `config.json` has it.

    Returns:
        Its folder, which no other process trains in; `None` for a new run.

    Raises:
        UserError: The run that is named has other options, is finished, or is being trained.
    """
    if is_named(config.resume):
        folder = _real(Path(config.resume))
        _check(folder, config)
        hold(folder)
        return folder
    if config.resume == NEVER:
        return None
    if config.name is not None:
        folder = app / config.name
        if not folder.exists():
            return None
        _check(folder, config)
        hold(folder)
        return folder
    for folder in sorted(_unfinished(app), key=lambda path: path.stat().st_mtime, reverse=True):
        if not _differences(folder, config, may_grow=False) and _lock(folder):
            return folder
    return None


def check(app: Path, config) -> None:
    """Raises what `find` would, as far as it is known before the data are read.

    Raises:
        UserError: There is a run of that name which training cannot go on with.
    """
    folder = app / config.name if config.name is not None else None
    if is_named(config.resume) or folder is None or not folder.exists():
        return
    if config.resume == NEVER or not any((folder / CHECKPOINTS).glob("step-*")):
        raise UserError(f"there is a run {folder} already: take another --name")
    _check_finished(folder, config)


def hold(folder: Path) -> None:
    """Keeps other processes from training in the folder of a run as long as this one lives.

    Raises:
        UserError: Another one does.
    """
    if not _lock(folder):
        raise UserError(f"another process trains in {folder}: wait for it, or take another --name")


def _real(folder: Path) -> Path:
    """The run that `latest` points to, beside it."""
    return folder.parent / os.readlink(folder) if folder.is_symlink() else folder


def _unfinished(app: Path):
    """The runs that were killed once they had a checkpoint."""
    for checkpoints in app.glob(f"*/{CHECKPOINTS}"):
        folder = checkpoints.parent
        if folder.is_symlink() or (folder / "metrics.json").exists():
            continue
        if any(checkpoints.glob("step-*")):
            yield folder


def _check(folder: Path, config) -> None:
    """Raises a `UserError` if the run has other options."""
    if (folder / CHECKPOINTS).exists() and not (folder / CHECKPOINTS).is_dir():
        raise UserError(f"{folder / CHECKPOINTS} is not a folder of checkpoints")
    others = _differences(folder, config, may_grow=True)
    if others:
        name, (theirs, ours) = next(iter(others.items()))
        raise UserError(
            f"the run {folder} was begun with {flags.spelled(name)} {theirs}, not {ours}: give the "
            "same options to go on with it, or another --name to begin anew"
        )
    _check_finished(folder, config)


def _check_finished(folder: Path, config) -> None:
    """Raises a `UserError` if a run is finished and is not to be trained further."""
    if not (folder / "metrics.json").exists():
        return
    epochs = _values(folder).get("epochs")
    if isinstance(epochs, int) and (config.epochs or 0) <= epochs:
        raise UserError(
            f"there is a run {folder} already, and it is finished: take another --name, or "
            f"--epochs above {epochs} to train it further"
        )


def _differences(folder: Path, config, may_grow: bool) -> dict:
    """The options of a run that are others in a configuration: both values of each."""
    theirs = _values(folder)
    ours = json.loads(json.dumps(dataclasses.asdict(options.located(config))))
    free = FREE | (MAY_GROW if may_grow else set())
    shared = [name for name in ours if name in theirs and name not in free]
    return {name: (theirs[name], ours[name]) for name in shared if theirs[name] != ours[name]}


def _values(folder: Path) -> dict:
    """What `config.json` holds; nothing where it holds no object."""
    try:
        values = read_json(folder / "config.json", "a configuration", 1 << 20)
    except UserError:
        return {}
    return values if isinstance(values, dict) else {}


def _lock(folder: Path) -> bool:
    """Locks a run until the process ends; whether no other process has."""
    path = files.make_folder(folder / CHECKPOINTS).resolve() / LOCK
    files.refuse_link(path)
    if path in _held:
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _held[path] = descriptor
    return True
