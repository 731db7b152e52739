"""What a refusal says of a folder: what was found there, and what it looks like."""

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import fields as of_rows
from pipelines.data.formats import tables
from pipelines.data.formats.text_files import ending, lines
from pipelines.data.layouts import split_files
from pipelines.data.layouts.layout import Wanted
from pipelines.data.media import Index, walk
from pipelines.data.splits import what_is_there

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
AUDIO = (".wav", ".flac", ".mp3", ".ogg")
RECORDS = (".csv", ".tsv", ".parquet", ".jsonl", ".json", ".ndjson")
MOST = 20  # folders that are looked into
PACKED = (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz")
ELSEWHERE = {
    ".stm": "looks like TED-LIUM, whose texts are of parts of recordings: cut these into files",
    ".sph": "is audio in the format of NIST: convert it to .wav or .flac",
    ".mat": "is MATLAB's, which is not read: write a metadata.csv",
    ".xlsx": "is a spreadsheet: save it as CSV",
    ".xls": "is a spreadsheet: save it as CSV",
    ".arrow": "is of the datasets library's save_to_disk: write it by to_parquet",
    ".tfrecord": "of TensorFlow Datasets: --dataset tfds:NAME --data-dir FOLDER",
    ".ipynb": "is a notebook",
}


def refusal(path: Path, wanted: Wanted, find: Callable[[Path, Wanted], tuple]) -> str:
    """Returns the message for a folder or file whose layout is not known.

    Args:
        path: The folder or file.
        wanted: What was looked for.
        find: Returns the layout of a folder, if it has one, and something else.
    """
    needed = [name for name, each in wanted.fields.items() if not each.optional]
    *some, last = needed
    names = f"{', '.join(some)} and {last}" if some else last
    if path.is_file():
        known = ", ".join(sorted({*split_files.ENDINGS, *wanted.readers}))
        looks = _looks_like([path], wanted) or f" Files of records end in {known}"
        return f"{path} holds no records with {names}.{looks}"
    return (
        f"{path} has no train.jsonl: expected train.jsonl (validation.jsonl and test.jsonl are "
        f"optional), one JSON object per line with {names}, or a layout of docs/data.md. "
        f"{what_is_there(path)}{_inside(path, wanted, find) or _nearest(path, wanted)}"
    )


def unused(folder: Path, wanted: Wanted) -> list[str]:
    """Returns a line for each table of a folder that tells nothing of its files.

    Raises:
        UserError: It names them, but in no column that is known tells what they are.
    """
    found = []
    for path in wanted.files(folder):
        if ending(path) not in (".csv", ".tsv"):
            continue
        if _names_files(path, wanted):
            said = tables.complaint(path, split_files.header(path, wanted), wanted.fields)
            raise UserError(f"{said}; without it the folders would be taken for classes")
        found.append(f"{path.name} is not used: {split_files.lack(path, wanted)}")
    return found


def _names_files(path: Path, wanted: Wanted) -> bool:
    """Whether the first record of a table names a file that is there."""
    fields = {name: each for name, each in wanted.fields.items() if each.is_file}
    try:
        record = next(iter(tables.records(path, fields)))[1]
        name = of_rows.row(record, fields)[wanted.file_field]
    except (UserError, ValueError, StopIteration):
        return False
    return Index(path.parent, wanted.endings).path(name, path.parent).is_file()


def _inside(folder: Path, wanted: Wanted, find: Callable[[Path, Wanted], tuple]) -> str:
    """The folders that are data sets themselves."""
    found = []
    for inner in wanted.folders(folder)[:MOST]:
        with contextlib.suppress(UserError):
            found += [inner] if find(inner, wanted)[0] else []
    return f" Did you mean {' or '.join(map(str, found[:3]))}?" if found else ""


def _nearest(folder: Path, wanted: Wanted) -> str:
    """The layout that a folder is nearest to."""
    inner = wanted.folders(folder)
    files = wanted.files(folder) or (wanted.files(inner[0]) if len(inner) == 1 else [])
    if next(folder.rglob("*.tfrecord*"), None):
        return f" It is a prepared set: {ELSEWHERE['.tfrecord']}"
    return _looks_like(files, wanted) or _holds(folder, wanted)


def _looks_like(files: list[Path], wanted: Wanted) -> str:
    for path in files:
        kind = ending(path)
        if kind in wanted.readers and kind not in (*RECORDS, ".txt"):
            try:
                sum(1 for _ in wanted.readers[kind](path, Tally("")))
            except UserError as error:
                return f" {error}"
        if kind in RECORDS:
            try:
                head = split_files.header(path, wanted)
            except UserError as error:
                return f" {error}"
            if kind in (".csv", ".tsv") and _is_conll(path):
                return f" {path.name} looks like CoNLL: TASK=ner of understanding reads it"
            if head and of_rows.missing(head, wanted.fields):
                return f" {tables.complaint(path, head, wanted.fields)}"
        if kind in (".txt", ".conll", ".conllu") and _is_conll(path):
            return f" {path.name} looks like CoNLL: TASK=ner of understanding reads it"
        if kind in ELSEWHERE:
            return f" {path.name} {ELSEWHERE[kind]}"
        if path.name.lower().endswith(PACKED):
            return f" {path.name} is packed: unpack it first"
    return ""


def _is_conll(path: Path) -> bool:
    try:
        found = [line.split() for line in itertools.islice(lines(path), 200) if line.strip()]
    except UserError:
        return False
    tags = [line[-1] for line in found if len(line) > 1]
    return len(tags) > 2 and all(tag == "O" or tag[1:2] == "-" for tag in tags[-20:])


def _holds(folder: Path, wanted: Wanted) -> str:
    """What a folder of media, or of another kind of them, wants."""
    for kind, endings in (("images", IMAGES), ("audio files", AUDIO)):
        if next(walk(folder, endings), None) is None:
            continue
        if wanted.file_field is None:
            return f" It holds {kind}, and this application reads text."
        if wanted.endings.isdisjoint(endings):
            return f" It holds {kind}: another application is for them."
        other = next(name for name in wanted.fields if name != wanted.file_field)
        return (
            f" It holds {kind}, but nothing that tells their {other}: add metadata.csv with the "
            f"columns {wanted.file_field} and {other}."
        )
    return next(
        (
            f" {path.name} {what}."
            for end, what in ELSEWHERE.items()
            for path in walk(folder, {end})
        ),
        "",
    )
