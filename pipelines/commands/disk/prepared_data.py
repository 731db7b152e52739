"""What a folder of prepared examples says of itself, and what a training takes from it."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pipelines.commands import flags, options, run_data, runs
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.errors import UserError, reading
from pipelines.commands.ranges import above, at_least

FILE = "prepared.json"
VERSION = 1
LARGEST = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Preparation(options.Options):
    """Where prepared examples go, and what writes them."""

    GROUP: ClassVar = "run"
    PATHS: ClassVar = "output"
    RANGES: ClassVar = {above(0): "shard_size cache_size", at_least(1): "op_threads"}

    output: str
    """Folder for the prepared examples, which training takes as its data set."""
    shard_size: float = 256.0
    """Size in megabytes of a file of prepared examples; as much is made again after a crash."""
    runner: str | None = None
    """Apache Beam runner that makes the files, and a TensorFlow data set that is made with Beam:
    DirectRunner, DataflowRunner, FlinkRunner, ... All its machines must see the output folder. By
    default all cores of this machine work without Beam."""
    beam_options: str | None = None
    """Options of the runner, in one text: "--direct_num_workers=4 --region=..."."""
    device: options.Device = "auto"
    """Device to run on; gpu without one is an error."""
    op_threads: int | None = None
    """CPU threads per TensorFlow operation, by default all cores."""
    cache_size: float = options.CACHE_SIZE
    """Gigabytes that made data sets, images and features may take in the cache folder; what was
    used least recently is removed first."""

    def __post_init__(self):
        super().__post_init__()
        if self.beam_options is not None and self.runner is None:
            raise ValueError("--beam-options are those of a --runner, and there is none")


def preparation(config_class: type, doc: str, *names: str) -> type:
    """Returns the options of preparing a data set for a training.

    Args:
        config_class: The configuration of the training.
        doc: What `--help` says of the command.
        *names: Fields that decide what is prepared beside `PREPARED` and the names of the data.

    Returns:
        A class with these fields, their documents, ranges and defaults, and those of `Preparation`.
    """
    known = {field.name: field for field in dataclasses.fields(config_class)}
    usual = [field.name for field in dataclasses.fields(options.Data)]
    usual += [name for name in options.paths(config_class, group="data") if name not in usual]
    chosen = dict.fromkeys([*usual, *config_class.PREPARED.split(), *names])
    if "allow_outside" in known:
        chosen["allow_outside"] = None
    merged = {}
    for cls in config_class.__mro__:
        merged |= vars(cls).get("RANGES", {})
    return dataclasses.make_dataclass(
        "Preparation",
        [(name, known[name].type, known[name].default) for name in chosen],
        bases=(Preparation,),
        namespace={"__doc__": doc, "GROUP": "data", "OF": config_class, "RANGES": merged},
        frozen=True,
        kw_only=True,
    )


def is_prepared(name: str) -> bool:
    """Whether this data set is a folder of prepared examples."""
    return os.path.isfile(os.path.join(os.path.expanduser(name), FILE))


def read(folder: str | Path, application: str | None = None) -> dict[str, Any]:
    """Reads what the folder says of itself.

    Args:
        folder: The folder of prepared examples.
        application: The application that they are to be for.

    Raises:
        UserError: It is no such folder, is of another version, or is for another application.
    """
    path = Path(folder).expanduser() / FILE
    found = read_json(path, "a description of prepared examples", LARGEST)
    wanted = {"application": str, "options": dict, "facts": dict, "splits": dict}
    if not isinstance(found, dict) or type(version := found.get("version")) is not int:
        raise UserError(f"{path} does not describe prepared examples")
    if version > VERSION:
        raise UserError(
            f"{folder} was prepared by a newer version of this program ({version}, here "
            f"{VERSION}): prepare it again, or update"
        )
    if any(not isinstance(found.get(name), kind) for name, kind in wanted.items()):
        raise UserError(f"{path} does not describe prepared examples")
    if application not in (None, found["application"]):
        raise UserError(f"{folder} was prepared for {found['application']}, not for {application}")
    return found


def configure(config_class: type) -> Callable:
    """Returns what makes a configuration of the options of a preparation, for `entry.command`."""

    def resolve(arguments):
        names = {field.name for field in dataclasses.fields(config_class)}
        try:
            return config_class(**{k: v for k, v in vars(arguments).items() if k in names})
        except ValueError as error:
            raise UserError(str(error)) from error

    return resolve


def adopted(config) -> dict[str, Any]:
    """Returns what a training takes from its data set where no flag says otherwise.

    Args:
        config: Its configuration, as the flags alone give it.

    Raises:
        UserError: As `read`; or the folder comes from elsewhere and names files or networks, which
            nobody here has asked for.
    """
    if not is_prepared(config.dataset):
        return {}
    chosen = _options(config)
    path = Path(config.dataset).expanduser() / FILE
    if not run_data.is_own(path):
        for name in options.paths(type(config)):
            if chosen.get(name) is not None and getattr(config, name) is None:
                raise UserError(
                    f"{config.dataset} was not prepared on this machine and asks for "
                    f"{flags.spelled(name)} {chosen[name]}: give the flag yourself"
                )
    return chosen


def check(config) -> None:
    """Makes sure that a configuration agrees with how its data set was prepared.

    Raises:
        UserError: It does not.
    """
    if not is_prepared(config.dataset):
        return
    for name, value in _options(config).items():
        if not _agrees(config, name, value):
            raise UserError(
                f"{_spelled(name, getattr(config, name))} does not go with {config.dataset}, which "
                f"was prepared with {_spelled(name, value)}: leave the flag out, or prepare the "
                "data set again"
            )


def agrees(config, folder: str | Path, names: Sequence[str]) -> bool:
    """Whether a configuration has the options that a folder was prepared with, of these names."""
    chosen = _options(dataclasses.replace(config, dataset=str(folder)))
    return all(_agrees(config, name, chosen[name]) for name in names if name in chosen)


def _agrees(config, name: str, value) -> bool:
    own = getattr(config, name)
    # A path may lead to another copy on another machine.
    return own == value or bool(own and value and name in options.paths(type(config)))


def _options(config) -> dict[str, Any]:
    """The options in the folder, of the types and in the ranges of the configuration."""
    found = read(config.dataset, config.APPLICATION)["options"]
    chosen = {name: found[name] for name in config.PREPARED.split() if name in found}
    with reading(Path(config.dataset) / FILE, "a description of prepared examples"):
        runs.check_values(type(config), chosen)
    return chosen


def _spelled(name: str, value) -> str:
    """The flag of an option as it would be typed."""
    flag = flags.spelled(name)
    if isinstance(value, bool):
        return flag if value else f"--no-{flag[2:]}"
    return f"no {flag}" if value is None else f"{flag} {value}"
