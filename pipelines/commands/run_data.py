"""Which data a finished run may name for an evaluation to read: none but those asked for here."""

import contextlib
import dataclasses
import hashlib
from pathlib import Path

from pipelines.commands import flags, options
from pipelines.commands.disk import files
from pipelines.commands.errors import UserError

OWN_RUNS = "own_runs"


def confirm(config, arguments):
    """Makes sure that an evaluation reads no data but those that were asked for on this machine.

    A run may come from anywhere, and so may the names in its configuration: of files of this
    machine, or of data sets to ask the network for. The run's own data set is taken if it is the
    built-in one, or if the run was trained or confirmed here.

    Args:
        config: The configuration of the run.
        arguments: Of the command. A data set among them takes the place of the run's; to name the
            run's own confirms it.

    Returns:
        The configuration, without what belongs to another data set than the one that is asked for.

    Raises:
        UserError: Nobody here has asked for these data.
    """
    if not hasattr(arguments, "dataset"):
        return config
    path, asked = Path(arguments.run) / "config.json", arguments.dataset
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    named = {
        name: value
        for name in options.paths(type(config), group="data")
        if (value := getattr(config, name)) not in (None, usual[name])
    }
    if is_own(path):
        return config if asked in (None, config.dataset) else _without_folder(config)
    if asked is None:
        foreign = [name for name in named if getattr(arguments, name, None) is None]
        if foreign:
            wanted = ", ".join(f"{flags.spelled(name)} {named[name]}" for name in foreign)
            raise UserError(
                f"{arguments.run} was not trained on this machine and asks for {wanted}: "
                "give --dataset, the same or another"
            )
        return config
    if named == {"dataset": asked}:
        remember(path)
    return _without_folder(config)


def confirm_training(run, config, arguments):
    """Makes sure that training goes on with no data but those that were asked for here.

    Args:
        run: The folder of the run to go on with.
        config: Its configuration.
        arguments: Of the command; what names data in it is asked for.

    Raises:
        UserError: The run was begun on another machine and names data of this one.
    """
    if is_own(Path(run) / "config.json"):
        return
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    for name in options.paths(type(config)):
        value = getattr(config, name)
        if value not in (None, usual[name], getattr(arguments, name)):
            raise UserError(
                f"{run} was not begun on this machine and asks for {flags.spelled(name)} {value}: "
                "give the same flag to go on with it"
            )


def _without_folder(config):
    """A configuration without what was said of its own data set alone."""
    forgotten = {"data_dir": None, "allow_outside": False}
    there = {name: value for name, value in forgotten.items() if hasattr(config, name)}
    return dataclasses.replace(config, **there)


def remember(config):
    """Keeps, beside the caches, that the configuration of a run is one of this machine's.

    Args:
        config: Path of the file.
    """
    with contextlib.suppress(OSError, UserError):  # Without it, evaluation asks for the data set.
        folder = files.cache_root()
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / OWN_RUNS, "a", encoding="ascii") as file:
            file.write(_digest(config) + "\n")


def is_own(config):
    """Whether the configuration of a run, or of prepared examples, was remembered here."""
    with contextlib.suppress(OSError, UserError):
        return _digest(config) in (files.cache_root() / OWN_RUNS).read_text("ascii").split()
    return False


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
