"""A text for each file as the public sets have it: Kaldi, lists of transcripts, a text beside each.

AISHELL, LibriSpeech, MLS and others keep lists, `ID TEXT` a line, whose identifiers are names of
files. What has a text of its own may be audio, as of VCTK, or images.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import fields as of_rows
from pipelines.data.fields import Fields
from pipelines.data.formats import kept_records
from pipelines.data.formats.json_lines import Records
from pipelines.data.formats.text_files import NOT_UTF8, is_utf8, lines
from pipelines.data.layouts.layout import Layout, Wanted
from pipelines.data.media import Index, walk
from pipelines.data.split_names import SPLITS, split_of

BESIDE = (".txt", ".lab", ".caption")
LISTS = frozenset((".txt", ".trn", ".text", ".tsv", ".trans"))
PEEK = 5  # lines by which a list of transcripts is known
STARTS = ("offset", "start", "start_time", "begin_time")
"""Fields of a record that is a part of a longer file, unless it begins with it."""

Of = Callable[[Path], Records]


def kaldi(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `wav.scp` and `text`, an utterance, and its file or text, a line.

    Raises:
        UserError: There are `segments`, parts of longer recordings.
    """

    def records(root: Path) -> Records:
        if (root / "segments").is_file():
            raise UserError(
                f"{root} has segments, parts of longer recordings: cut the recordings into files, "
                "one for each utterance, first"
            )
        files = dict(map(_parted, lines(root / "wav.scp")))
        for number, line in enumerate(lines(root / "text"), 1):
            name, text = _parted(line)
            where, file = f"{root / 'text'}:{number}", files.get(name, "")
            if not name:
                continue
            if file.endswith("|"):
                yield where, ValueError("wav.scp names a command, not a file")
            elif not file:
                yield where, ValueError("no such utterance in wav.scp")
            else:
                yield where, _record(wanted, file, text)

    def has(root: Path) -> bool:
        return {"wav.scp", "text"} <= {path.name for path in wanted.files(root)}

    return _by_folder(folder, wanted, "Kaldi wav.scp and text", records, has)


def lists(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds lists of transcripts, an identifier and its text a line; the file is named after it.

    The folder of a file, or that of its list, tells the split, `dev-clean/84/121123/`.
    """
    texts = [path for path in walk(folder, LISTS) if _parted(next(lines(path), ""))[1]]
    index = Index(folder, wanted.endings)
    lists = [path for path in texts if _is_list(path, index)]
    if not lists:
        return None

    def found() -> Iterator[tuple[str, str, object]]:
        for path in lists:
            for number, line in enumerate(lines(path), 1):
                name, text = _parted(line)
                if name:
                    file = index.path(name, path.parent)
                    is_there = file.is_file()
                    record = _record(wanted, file, text) if is_there else ValueError("no such file")
                    split = _split_within(file, folder) or _split_within(path, folder) or "train"
                    yield split, f"{path}:{number}", record

    name = f"lists of transcripts ({lists[0].relative_to(folder)}{', …' if lists[1:] else ''})"
    return _layout(name, kept_records.by_split(found()), folder, wanted)


def beside(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds media each with a text file of the same name, beside it or elsewhere in the set."""
    texts = Index(folder, frozenset(BESIDE))

    def text_of(file: Path) -> Path | None:
        for end in BESIDE:
            if (path := file.with_suffix(end)).is_file():
                return path
        found = texts.path(file.stem, file.parent, _split_within(file, folder))
        return found if found.is_file() else None

    def records(root: Path) -> Records:
        for file in walk(root, wanted.endings):
            text = text_of(file)
            if text is None:
                yield str(file), ValueError("no text file of its name")
            else:
                found = [line for line in lines(text) if line.strip()]
                good = is_utf8("".join(found))
                yield str(text), _record(wanted, file, found) if good else ValueError(NOT_UTF8)

    def has(root: Path) -> bool:
        first = next(walk(root, wanted.endings), None)
        return first is not None and text_of(first) is not None

    return _by_folder(folder, wanted, "a text file of the name of each file", records, has)


def whole_files(fields: Fields) -> Callable[[Mapping], dict]:
    """Returns what makes rows as `fields.row` does, but of no parts of longer files.

    Args:
        fields: Those of the rows.
    """

    def row(record: Mapping) -> dict:
        starts = [record.get(key) for key in STARTS] if isinstance(record, Mapping) else ()
        if any(map(_is_late, starts)):
            raise ValueError("a part of a longer file: cut the files into utterances first")
        return of_rows.row(record, fields)

    return row


def _by_folder(folder: Path, wanted: Wanted, name: str, of: Of, has) -> Layout | None:
    """A layout of folders, those of the splits or one for all, down to two levels deep."""
    for parent in (folder, *wanted.folders(folder)):
        named: dict[str, list[Path]] = {}
        for path in wanted.folders(parent):
            if (split := split_of(path.name)) and has(path):
                named.setdefault(split, []).append(path)
        if "train" in named or (named and not has(folder)):
            parts = {
                split: functools.partial(_of_all, named[split], of)
                for split in SPLITS
                if split in named
            }
            return _layout(name, parts, folder, wanted)
    for place in (folder, *wanted.folders(folder)):
        if has(place):
            return _layout(name, {"train": functools.partial(of, place)}, folder, wanted)
    return None


def _of_all(roots: list[Path], of: Of) -> Records:
    for root in roots:
        yield from of(root)


def _layout(name: str, parts: dict[str, Callable], folder: Path, wanted: Wanted) -> Layout:
    index = Index(folder, wanted.endings)

    def read(split: str, tally: Tally) -> Iterable[dict]:
        return wanted.with_paths(wanted.rows(parts[split](), tally), folder, index, split)

    return Layout(name, {split: functools.partial(read, split) for split in parts})


def _is_list(path: Path, index: Index) -> bool:
    names = [
        name
        for line, _ in zip(lines(path), range(PEEK), strict=False)
        if (name := _parted(line)[0])
    ]
    return bool(names) and all(index.path(name, path.parent).is_file() for name in names)


def _split_within(path: Path, folder: Path) -> str | None:
    """The split that the folders of a file, within those of the data set, tell."""
    if not path.is_relative_to(folder):
        return None
    parts = path.relative_to(folder).parts[:-1]
    return next(filter(None, map(split_of, reversed(parts))), None)


def _is_late(start) -> bool:
    try:
        return float(start) > 0
    except (TypeError, ValueError):
        return False


def _parted(line: str) -> tuple[str, str]:
    name, *text = line.split(maxsplit=1)[:2] or [""]
    return name, text[0].strip() if text else ""


def _record(wanted: Wanted, file: str | Path, text: str | list[str]) -> dict | ValueError:
    field = next(name for name, each in wanted.fields.items() if not each.is_file)
    if isinstance(text, list) and wanted.fields[field].kind is not list:
        text = " ".join(text)
    if isinstance(text, str) and not is_utf8(text):
        return ValueError(NOT_UTF8)
    return {wanted.file_field: str(file), field: text}
