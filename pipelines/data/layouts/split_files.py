"""Files of records named after their splits, or one for all: tables, JSON, Parquet."""

import difflib
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console
from pipelines.data import fields as of_rows
from pipelines.data.formats import json_lines, kept_records, parquet_files, tables, text_files
from pipelines.data.formats.json_lines import Records
from pipelines.data.formats.text_files import ending, stem
from pipelines.data.layouts.layout import Layout, Wanted
from pipelines.data.media import Index
from pipelines.data.split_names import SPLITS, split_of

# The first ending that a split has counts, lest the same examples be read twice.
ENDINGS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv", ".txt")
KINDS = {".jsonl": "JSON lines", ".ndjson": "JSON lines", ".json": "JSON", ".parquet": "Parquet"}
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "dataset_split", "data_set", "data set")
# Files that tell of others stand in the folder of their split, among what they tell of.
METADATA = ("metadata", "labels", "captions", "transcripts", "annotations", "manifest", "data")
SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$|^(part-)?\d+$")
PEEK = 20


def open_layout(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `train.jsonl`, the layout of this project, which no other takes the place of."""
    for path in (folder / "train.jsonl", folder / "train.jsonl.gz"):
        if path.is_file():
            return _by_names(folder, [folder], wanted) or refuse(path, wanted)
    return None


def of_file(path: Path, wanted: Wanted) -> Layout | None:
    """The layout of a data set that is one file, of which a column may tell the splits.

    Raises:
        UserError: It holds no records with the fields.
    """
    if ending(path) not in {*ENDINGS, *wanted.readers, ""}:
        return None
    return _of_one(path, path.parent, Index(path.parent, wanted.endings), wanted)


def find(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds files of records that hold the fields of an application.

    `train.*`, `validation.*` and `test.*` by any of their names, in the folder itself, in its
    folder `data` or in the only folder that it holds; or files in a folder named after their split;
    or one file for all, of which a column may tell the splits. Without a training set there may be
    one to evaluate on alone.

    Raises:
        UserError: There is more than one for all.
    """
    places = [folder, *_inner(folder, wanted)]
    return (
        _by_names(folder, places, wanted)
        or _by_names(folder, places, wanted, needed=False)
        or _alone(folder, places, wanted)
    )


def records(path: Path, wanted: Wanted) -> Records:
    """Yields the records of a file, whichever kind its ending tells."""
    kind = ending(path)
    if kind in (".jsonl", ".ndjson"):
        return json_lines.records(path)
    if kind == ".json":
        return json_lines.records_of_whole(path)
    if kind == ".parquet":
        return parquet_files.records(path, wanted.fields)
    if kind == ".txt" and next(text_files.lines(path), "").startswith("{"):
        return json_lines.records(path)
    return tables.records(path, wanted.fields, wanted.headerless)


def header(path: Path, wanted: Wanted) -> list[str]:
    """Returns the columns of a file, or the keys of its first record.

    Raises:
        UserError: It cannot be read.
    """
    kind = ending(path)
    if kind == ".parquet":
        return parquet_files.header(path)
    if kind in (".jsonl", ".ndjson", ".json"):
        _, record = next(records(path, wanted), ("", None))
        return [*record] if isinstance(record, dict) else []
    return tables.header(path, wanted.fields)


def refuse(path: Path, wanted: Wanted) -> None:
    """Raises the error that reading a file without a single example ends in.

    Raises:
        UserError: Always.
    """
    if _is_empty(path):
        raise UserError(f"{path} is empty")
    tally = Tally("")
    tally.close(sum(1 for _ in _rows(path, wanted, tally)))
    raise UserError(f"{path} holds no examples")


def training_file(folder: Path, wanted: Wanted) -> Path | None:
    """Returns the file that is named as if it held the examples to train on, if there is one."""
    for place in (folder, *_inner(folder, wanted)):
        named = [path for path in _files(place, wanted) if split_of(stem(path)) == "train"]
        # A text may be a list of names.
        if found := [path for path in named if ending(path) != ".txt"]:
            return _of_one_kind(found, "train")[0]
    return None


def _by_names(
    folder: Path, places: Iterable[Path], wanted: Wanted, needed: bool = True
) -> Layout | None:
    """The layout of the first place whose files are named after their splits; `train` is needed."""
    index = Index(folder, wanted.endings)
    for place in places:
        notes: list[str] = []
        named = _by_split(place, wanted, notes)
        if "train" in named or (named and not needed):
            readers = {
                split: functools.partial(_read, paths, split, index, wanted)
                for split, paths in named.items()
            }
            first = named.get("train", next(iter(named.values())))[0]
            is_open = stem(first) in SPLITS and ending(first) == ".jsonl"
            name = "" if is_open else f"{_kind(first)} ({first.relative_to(folder)})"
            return Layout(name, readers, notes)
    return None


def _alone(folder: Path, places: Iterable[Path], wanted: Wanted) -> Layout | None:
    """The layout of the only file of the first place that has one with examples."""
    for place in places:
        alone = [path for path in _files(place, wanted) if _holds(path, wanted)]
        if len(alone) > 1:
            names = ", ".join(path.name for path in alone[:5])
            raise UserError(
                f"{place}: each of {names} holds examples: give one of them as --dataset, or name "
                "them after their splits (train, validation, test)"
            )
        if alone:
            return _of_one(alone[0], folder, Index(folder, wanted.endings), wanted)
    return None


def _read(
    paths: list[Path], split: str, index: Index, wanted: Wanted, tally: Tally
) -> Iterator[dict]:
    if all(_is_empty(path) for path in paths):
        raise UserError(f"{paths[0]} is empty")
    for path in paths:
        found = _rows(path, wanted, tally)
        yield from wanted.with_paths(found, path.parent, index, split)


def _is_empty(path: Path) -> bool:
    is_text = ending(path) != ".parquet"
    return is_text and not any(line.strip() for line in text_files.lines(path))


def _rows(path: Path, wanted: Wanted, tally: Tally) -> Iterable[dict]:
    if reader := wanted.readers.get(ending(path)):
        return reader(path, tally)
    return wanted.rows(records(path, wanted), tally, path)


def _by_split(place: Path, wanted: Wanted, notes: list[str]) -> dict[str, list[Path]]:
    """For each split its files, of one kind, those that hold no examples left aside."""
    there: dict[str, list[Path]] = {}
    for path in _files(place, wanted):
        if split := split_of(stem(path)):
            there.setdefault(split, []).append(path)
    for inner in wanted.folders(place):
        if (split := split_of(inner.name)) and split not in there:
            # A text there may be an example itself.
            own = [path for path in _files(inner, wanted) if ending(path) != ".txt"]
            named = [path for path in own if stem(path).lower() in METADATA]
            there[split] = named or own
    named: dict[str, list[Path]] = {}
    for split in SPLITS:
        like = stem(named["train"][0]) if "train" in named else split
        chosen = _of_one_kind(there.get(split, ()), like)
        if usable := [path for path in chosen if _holds(path, wanted)]:
            named[split] = usable
            others = [path.name for path in there[split] if ending(path) == ending(usable[0])]
            if len(others) > len(chosen):
                notes.append(f"of {', '.join(others)} only {usable[0].name} is used, for {split}")
        elif split != "train" and chosen:
            notes.append(f"{chosen[0].name} is not used: {lack(chosen[0], wanted)}")
    if named and "train" not in named and (train := training_file(place, wanted)):
        named["train"] = [train]  # What is wrong with it comes out where it is read.
    return named


def _of_one_kind(paths: Iterable[Path], like: str) -> list[Path]:
    """Those of the first kind: all shards, or the one whose name is most like another."""
    kinds = dict.fromkeys([*ENDINGS, *(ending(path) for path in paths)])
    some = next((own for kind in kinds if (own := [p for p in paths if ending(p) == kind])), [])
    if sharded := [path for path in some if SHARD.search(stem(path))]:
        return sharded

    def likeness(path: Path) -> float:
        return difflib.SequenceMatcher(None, stem(path).lower(), like.lower()).ratio()

    return [max(some, key=likeness)] if some else []


def lack(path: Path, wanted: Wanted) -> str:
    """Says why a file holds no examples."""
    try:
        lacking = of_rows.missing(header(path, wanted), wanted.fields)
    except UserError as error:
        return str(error)
    return f"it has no '{lacking[0]}'" if lacking else "it holds no example"


def _of_one(path: Path, folder: Path, index: Index, wanted: Wanted) -> Layout:
    """The layout of one file for all splits."""
    name = f"{_kind(path)} ({path.relative_to(folder)})"
    if ending(path) in wanted.readers:
        return Layout(name, {"train": functools.partial(_read, [path], "train", index, wanted)})

    parts = kept_records.by_split(_with_splits(records(path, wanted)))

    def read(split: str, tally: Tally) -> Iterable[dict]:
        rows = wanted.rows(parts[split](), tally, path)
        return wanted.with_paths(rows, path.parent, index, split)

    return Layout(name, {split: functools.partial(read, split) for split in parts})


def _with_splits(records: Records) -> Iterator[tuple[str, str, object]]:
    """Records with the split that a column of theirs tells."""
    for where, record in records:
        keys = record if isinstance(record, dict) else {}
        column = next((key for key in keys if str(key).strip().lower() in SPLIT_COLUMNS), None)
        split = split_of(str(keys[column])) if column is not None else None
        yield split or "train", where, record


def _holds(path: Path, wanted: Wanted) -> bool:
    """Whether some records of a file are examples; mostly the first one tells."""
    try:
        with console.capture():  # What is said of the file is said when it is read.
            if reader := wanted.readers.get(ending(path)):
                return any(True for _ in reader(path, Tally("")))
            found = iter(records(path, wanted))
            while first := list(itertools.islice(found, PEEK)):
                if any(True for _ in wanted.rows(first, Tally(""), path)):
                    return True
    except UserError:
        return False
    return False


def _files(place: Path, wanted: Wanted) -> list[Path]:
    endings = {*ENDINGS, *wanted.readers}
    return [path for path in wanted.files(place) if ending(path) in endings and path.is_file()]


def _inner(folder: Path, wanted: Wanted) -> list[Path]:
    """Folders in which data sets keep their files: `data`, and the only one of an archive."""
    inner = wanted.folders(folder)
    found = [path for path in inner if path.name.lower() == "data" or len(inner) == 1]
    return [place for path in found for place in (path, *_inner(path, wanted))]


def _kind(path: Path) -> str:
    return KINDS.get(ending(path), "table")
