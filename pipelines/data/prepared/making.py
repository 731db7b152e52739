"""Prepares examples once: each file whole or not at all, so that the same command goes on."""

import contextlib
import fcntl
import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.commands import options
from pipelines.commands.disk import prepared_data
from pipelines.commands.disk.files import make_folder, replacing
from pipelines.commands.errors import UserError, if_interrupted
from pipelines.commands.terminal import console, progress_bar
from pipelines.data import beam
from pipelines.data.prepared import finishing, shards
from pipelines.data.prepared.notes import Notes, is_whole
from pipelines.data.prepared.plan import FILE, Plan
from pipelines.data.prepared.preparation import Preparation
from pipelines.data.prepared.records import encode
from pipelines.data.prepared.rows import MEDIA

LOCK = ".preparing"
KEPT = "what was written is kept, and the same command goes on from there"


def prepare(kind: type[Preparation], config: Any, arguments: Any) -> Path:
    """Writes the examples of a data set as training takes them.

    Args:
        kind: What the application does.
        config: Its configuration.
        arguments: With `pipelines.commands.disk.prepared_data.Preparation`.

    Returns:
        The folder.

    Raises:
        UserError: The folder holds something else, or the disk is full; or as `kind.read`.
    """
    folder, config = Path(arguments.output).expanduser(), options.located(config)
    if (folder / prepared_data.FILE).is_file():
        asked = prepared_data.read(folder, config.APPLICATION).get("asked")
        Plan.compare(folder, asked if isinstance(asked, dict) else {}, config)
        console.print(f"{folder} is prepared already")
        finishing.clean(folder)
        return folder
    if prepared_data.is_prepared(config.dataset):
        raise UserError(f"{config.dataset} is prepared already: train on it")
    if folder.is_dir() and not (folder / LOCK).is_file() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty, nor a preparation to go on with: take another")
    make_folder(folder)
    with _alone(folder), if_interrupted(KEPT), beam.on(arguments.runner, arguments.beam_options):
        if (folder / FILE).is_file():
            plan = Plan.load(folder)
            plan.check(config)
        else:
            plan = Plan.make(kind, config, folder, arguments.shard_size * 1e6)
        missing = [pair for pair in plan.pairs if not is_whole(plan.path(*pair))]
        if begun := len(plan.pairs) - len(missing):
            console.print(f"{folder}: {begun:,} of {len(plan.pairs):,} files are there already")
        _write_all(functools.partial(write_file, kind, folder), missing, plan)
        finishing.finish(kind, plan)
    return folder


def _write_all(write: Callable, missing: list[tuple[str, int]], plan: Plan) -> None:
    if beam.is_on():
        beam.each(write, missing)
        return
    rows = {pair: len(plan.bounds(*pair)) for pair in plan.pairs}
    with progress_bar() as progress:
        task = progress.add_task("preparing", total=sum(rows.values()))
        progress.advance(task, sum(rows[pair] for pair in rows.keys() - set(missing)))
        for pair in missing:
            write(pair, tell=lambda: progress.advance(task, 1))


def write_file(
    kind: type[Preparation],
    folder: Path,
    pair: tuple[str, int],
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Writes one file; any process that sees the folder can.

    Args:
        kind: What the application does.
        folder: The folder, with its plan.
        pair: Split and number of the file.
        tell: Called after each row.
    """
    (split, number), plan, notes = pair, Plan.load(folder), Notes()
    rows, first = plan.read(split, number), plan.bounds(split, number).start
    preparation = _opened(kind, folder, json.dumps([plan.config, plan.facts]))
    path = plan.path(split, number)
    with shards.writing(path) as file:
        for place, made in preparation.examples(split, rows):
            row = rows[place]
            if isinstance(made, str):
                notes.left_out.append((str(row.get(kind.MEDIA, f"row {first + place + 1}")), made))
            else:
                notes.begin_row()
                kept = _kept(row, first + place, split, folder, kind.MEDIA)
                for record, arrays in enumerate(made):
                    file.write(encode(arrays, None if record else kept))
                    notes.add(arrays)
            tell()
    notes.save(path)


@functools.lru_cache(1)
def _opened(kind: type[Preparation], folder: Path, known: str) -> Preparation:
    config, facts = json.loads(known)
    return kind(kind.CONFIG(**config), folder, facts)


def _kept(row: Mapping, place: int, split: str, folder: Path, media: str | None) -> Mapping:
    """A row as it is kept; the file that one of a held-out split names is copied beside it."""
    if media is None:
        return row
    source = Path(row[media])
    name = f"{place:07d}-{source.name[-80:]}"
    if split != "train":
        target = folder / MEDIA / split / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    return {**row, media: name}


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes from preparing the same folder.

    Raises:
        UserError: One does.
    """
    with open(folder / LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process prepares {folder}") from None
        yield
