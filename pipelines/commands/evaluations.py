"""Where an evaluation of a finished run is kept: a folder of its own, so that training's stays."""

import dataclasses
import json
import os
import re
from pathlib import Path

from pipelines.commands import runs
from pipelines.commands.cluster import processes
from pipelines.commands.disk.files import refuse_link
from pipelines.commands.errors import UserError

FOLDER = "evaluations"
LONGEST = 120  # Characters of a name.
# Fields of the command that are no part of what is evaluated, and those that its name begins with.
_ASIDE = {
    *("name", "output", "device", "op_threads", "cache_size", "allow_outside"),
    *("devices", "coordinator", "processes", "process_id", "model_parallel"),
}
_FIRST = {"run", "preset", "dataset", "data_dir", "split", "test_source_file", "test_target_file"}


def report(arguments, config, run=None, dataset=None):
    """Finds the folder of an evaluation, and makes sure that nothing else is kept there.

    That is `evaluations/NAME` in the run, or `--output`. The name, unless `--name` chooses it, is
    that of the data set and the split, and the options of the command. The same evaluation again
    takes the place of the one before; of another one of this name the folder is told apart, as
    "dates-test-2".

    Args:
        arguments: The options of the command, an `options.EvaluationData`.
        config: The configuration of the run, overridden by them.
        run: The folder of the run, by default that of the options.
        dataset: Name of the data, by default that of the configuration.

    Returns:
        The `runs.Report` to write to; `None` in all processes but the first. The folder is made
        when it is written.

    Raises:
        UserError: The name is none for a folder, or the folder holds something else.
    """
    if not processes.first():
        return None
    run = Path(run or arguments.run).resolve()
    refuse_link(run / FOLDER)
    dataset = dataset or config.dataset
    content = _content(arguments, config, run)
    if arguments.output is not None:
        folder, flag = Path(arguments.output).expanduser(), "--output"
    elif arguments.name is not None:
        runs.check_folder_name(arguments.name)
        folder, flag = run / FOLDER / arguments.name, "--name"
    else:
        folder, flag = _free(run / FOLDER / _name(arguments, dataset), content), None
    if not _is_free(folder, content):
        raise UserError(f"{folder} holds something else already: take another {flag}")
    return runs.Report(folder, dataset, arguments.split, config=content)


def _content(arguments, config, run):
    """What is evaluated, as `config.json` of the folder has it."""
    own = dataclasses.asdict(config)
    more = {name: value for name, value in vars(arguments).items() if name not in own}
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    for name in _FIRST & own.keys():
        value = own[name]
        if value not in (None, usual[name]) and os.path.exists(os.path.expanduser(value)):
            own[name] = os.path.abspath(os.path.expanduser(value))
    content = {**own, **more, "run": str(run)}
    return {name: value for name, value in content.items() if name not in _ASIDE}


def _name(arguments, dataset):
    """A name that tells what is evaluated: the data set, the split, and the other options."""
    if not dataset.startswith("tfds:"):
        dataset = Path(dataset).expanduser().resolve().name
    parts = [dataset.removeprefix("tfds:"), arguments.split]
    for field in dataclasses.fields(arguments):
        value = getattr(arguments, field.name)
        if field.name in _ASIDE | _FIRST or value == field.default:
            continue
        if isinstance(value, bool):
            parts.append(field.name if value else f"no_{field.name}")
        else:
            parts.append(f"{field.name}_{value}")
    return re.sub(r"[^\w.+-]+", "_", "-".join(parts))[:LONGEST]


def _free(folder, content):
    """The folder, or the first one with a number behind its name, that holds nothing else."""
    number, free = 1, folder
    while not _is_free(free, content):
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _is_free(folder, content):
    """Whether there is nothing in the folder, or an evaluation of the same."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return True
    try:
        found = runs.read_json(folder / "config.json")
    except UserError:
        return False
    return found == json.loads(json.dumps(content))
