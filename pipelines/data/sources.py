"""Data sets: built-in ones, those of TensorFlow Datasets, and folders as people have them."""

import difflib
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.commands.disk import prepared_data
from pipelines.commands.disk.files import cache_root
from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console
from pipelines.data import inside, labels, media, splits, tfds_export
from pipelines.data.annotations import class_names
from pipelines.data.caches.made_sets import make_once
from pipelines.data.fields import Fields
from pipelines.data.layouts import hints, split_files
from pipelines.data.layouts.layout import Find, Layout, Reader, Wanted
from pipelines.data.prepared.folder import open_splits
from pipelines.data.rows import Rows, column
from pipelines.data.split_names import SPLITS
from pipelines.data.splits import Identity


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What an application reads, and where it looks for it.

    Attributes:
        fields: Those of its rows; the names of each are the columns of a table, and the features of
            a TensorFlow data set, that may hold it.
        builtin: Functions that write a data set into the folder they are given.
        version: Changes whenever the functions in `builtin` would write something else.
        layouts: Finds the layouts of the application's own, tried in their order before files of
            records, `split_files.find`.
        folders: The same, tried after them.
        identity: What tells equal examples; see `splits.separate`.
        content: As for `splits.cut_missing`.
        label: As for `splits.cut_missing`.
        endings: Of the files that rows name.
        convert: Of a row, see `layout.Wanted`.
        headerless: Of a table, see `tables.records`.
        readers: For each ending of a file of the application's own format, what reads such a file.
        of_records: See `layout.Wanted`.
        finish: Takes the rows of a split, one by one, and gives them as the application needs them.
        tfds_features: Of a TensorFlow data set, where they are not the names of the fields.
    """

    fields: Fields
    builtin: Mapping[str, Callable[[Path], None]]
    version: str
    identity: Identity
    layouts: Sequence[Find] = ()
    folders: Sequence[Find] = ()
    content: str = "file_name"
    label: str | None = None
    endings: Callable[[], Sequence[str]] = tuple
    convert: Callable[[Mapping], dict] | None = None
    headerless: Callable | None = None
    readers: Mapping[str, Callable] = field(default_factory=dict)
    of_records: Callable | None = None
    finish: Callable[[Iterable[dict]], Iterable[dict]] = iter
    tfds_features: Mapping | None = None
    options: Mapping = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        """What a layout is asked for."""
        return Wanted(
            self.fields,
            frozenset(self.endings()),
            self.convert,
            self.headerless,
            self.readers,
            self.of_records,
            self.options,
        )

    def features(self) -> Mapping:
        """The features of a TensorFlow data set that may hold each field."""
        if self.tfds_features is not None:
            return self.tfds_features
        return {name: each.names for name, each in self.fields.items()}


def read(
    data_set: DataSet,
    config,
    wanted: Sequence[str] = SPLITS,
    sift: Callable[[Rows], Rows] | None = None,
    given: Mapping[str, Reader] | None = None,
    name: str | None = None,
) -> dict[str, Rows]:
    """Reads the splits that are wanted; see `splits.read_wanted`.

    Args:
        data_set: What the application reads.
        config: A configuration with `pipelines.commands.options.Data`.
        wanted: Some of "train", "validation" and "test".
        sift: As for `splits.read_wanted`.
        given: What reads a split in place of the data set, which is of no account where it is that
            of train, or all that is wanted.
        name: What messages call the data set then.

    Returns:
        The rows of each split, on disk. Those that name a file have its `path`.

    Raises:
        UserError: There is no such data set, or it is none that the application can read.
    """
    if not given and prepared_data.is_prepared(config.dataset):
        return open_splits(config.dataset, config.APPLICATION, data_set.fields, wanted)
    found, path = dict(given or {}), Path(name or config.dataset)
    if "train" not in found and not set(wanted) <= found.keys():
        path = locate(data_set, config.dataset, config.data_dir)
        found = {**find_layout(path, data_set).readers, **found}
        found.setdefault("train", functools.partial(_refuse, path, [*found]))
    allow_outside = getattr(config, "allow_outside", False)
    readers = {
        split: functools.partial(_read, reader, split, path, data_set, allow_outside)
        for split, reader in found.items()
    }
    rows = splits.read_wanted(
        readers,
        wanted,
        name or config.dataset,
        identity=data_set.identity,
        label=data_set.label,
        content=data_set.content,
        sift=sift,
    )
    folder = path if path.is_dir() else path.parent
    if data_set.label and (names := class_names.find(folder, data_set.label)):
        rows = {split: _named(some, data_set.label, names) for split, some in rows.items()}
    return rows


def locate(
    data_set: DataSet,
    name: str,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """Finds the folder or file of a data set; makes it first where it is one that is made.

    Args:
        data_set: What the application reads.
        name: The name of a built-in set, `tfds:NAME[/CONFIG]`, or the path of a folder or file.
        data_dir: Where TensorFlow Datasets keeps its prepared sets.
        cache_dir: Where built-in and exported sets are kept; by default `cache_root()`.

    Raises:
        UserError: There is no such data set, folder or file.
    """
    datasets = Path(cache_dir or cache_root()) / "datasets"
    if name in data_set.builtin:
        return make_once(datasets / f"{name}-{data_set.version}", name, data_set.builtin[name])
    if name.startswith("tfds:"):
        kinds = {name: each.kind for name, each in data_set.fields.items()}
        export = tfds_export.Export(name, kinds, data_set.features(), data_dir)
        return make_once(datasets / export.folder_name(), name, export.write)
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:  # There is no such user.
        raise UserError(f"there is no folder {name}: {error}") from None
    if path.is_dir() or path.is_file():
        return path
    if path.exists():
        raise UserError(f"{name} is neither a folder nor a file")
    if os.sep in name or name.startswith((".", "~")):
        raise UserError(f"there is no folder {name}")
    own, others = [*data_set.builtin], tfds_export.names()
    nearest = difflib.get_close_matches(name, [*own, *others], n=1)
    question = "".join(
        f" Did you mean {near if near in own else f'tfds:{near}'}?" for near in nearest
    )
    raise UserError(
        f"unknown data set '{name}'.{question} Known: {', '.join(own)}, tfds:NAME, a folder."
    )


def find_layout(path: Path, data_set: DataSet) -> Layout:
    """Recognizes the layout of a folder or file, and says which it is unless it is our own.

    Raises:
        UserError: It is none that is known, with what was found.
    """
    wanted = data_set.wanted
    layout, notes = _find(path, wanted, data_set)
    if layout is None:
        if path.is_dir() and (train := split_files.training_file(path, wanted)):
            split_files.refuse(train, wanted)
        raise UserError(hints.refusal(path, wanted, functools.partial(_find, data_set=data_set)))
    if layout.name:
        console.print(f"{path}: {layout.name}")
    for note in (*layout.notes, *notes):
        console.print(f"{path}: {note}")
    return layout


def _named(rows: Rows, label: str, names: Sequence[str]) -> Rows:
    """Rows with the names of their labels, where these are numbers."""
    known: dict[str, None] = {}
    for row in rows:
        if not isinstance(row[label], str):
            return rows
        known[row[label]] = None
    name_of = dict(zip(known, labels.named([*known], names), strict=True))
    if all(name == own for own, name in name_of.items()):
        return rows
    return Rows(({**row, label: name_of[row[label]]} for row in rows), rows.have_paths)


def _find(path: Path, wanted: Wanted, data_set: DataSet) -> tuple[Layout | None, Sequence[str]]:
    """The layout of a folder or file, if there is one, and what is not used beside it."""
    if path.is_file():
        return split_files.of_file(path, wanted), ()
    finds = (split_files.open_layout, *data_set.layouts, split_files.find)
    if layout := _first(finds, path, wanted):
        return layout, ()
    layout = _first(data_set.folders, path, wanted)
    return layout, hints.unused(path, wanted) if layout else ()


def _first(finds: Sequence[Find], path: Path, wanted: Wanted) -> Layout | None:
    return next((layout for find in finds if (layout := find(path, wanted))), None)


def _refuse(path: Path, there: Sequence[str], tally: Tally) -> Iterable[dict]:
    """Reads the training examples of a data set that has none."""
    found = " and ".join(there)
    raise UserError(
        f"{path} has no train.jsonl, nor training examples in another form: {found} alone"
    )


def _read(
    reader: Reader, split: str, path: Path, data_set: DataSet, allow_outside: bool = False
) -> Rows:
    """Reads a split, and tells what was left out of it."""
    tally, have_paths = Tally(split), data_set.wanted.file_field is not None
    rows = Rows(data_set.finish(reader(tally)), have_paths)
    tally.close(len(rows))
    if not rows:
        raise UserError(f"{path} has no examples for {split}")
    if have_paths:
        media.check(path, rows)
        if not allow_outside:
            inside.check(path if path.is_dir() else path.parent, column(rows, "path"))
    return rows
