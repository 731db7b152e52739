"""Data sources: built-in sets, TensorFlow Datasets and folders, all as folders in one layout.

The layout is `train.jsonl`, `validation.jsonl` and `test.jsonl` (or `.jsonl.gz`), an object a line,
with media by `file_name` relative to the folder.
"""

import difflib
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.commands.text_input import is_unicode
from pipelines.data import tfds_export
from pipelines.data.cache import disk_errors, root

SPLITS = ("train", "validation", "test")
HELD_OUT = 0.1
SEED = 0

KINDS = {str: "a text", list: "a list of texts", (str, list): "a text or a list of texts"}

Fields = Mapping[str, type | tuple[type, ...]]


def locate(
    name: str,
    builtin: Mapping[str, Callable[[Path], None]],
    *,
    version: str = "1",
    fields: Fields | None = None,
    tfds_features: Mapping[str, Sequence[str]] | None = None,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """Finds the folder of a data set; makes it first where there is none yet.

    Args:
        name: A name in `builtin`, `tfds:NAME[/CONFIG]`, or the path of a folder.
        builtin: Functions that write a data set into the folder they are given.
        version: Changes whenever the functions in `builtin` would write something else.
        fields: The fields a line is to have, as for `read_split`.
        tfds_features: For each field, the features that may hold it in a TensorFlow data set, the
            first that is there counts: `{"file_name": ["image"], "captions": ["captions/text"]}`.
        data_dir: Where TensorFlow Datasets keeps its prepared sets.
        cache_dir: Where built-in and exported sets are kept; by default `cache.root()`.

    Returns:
        A folder in the layout of this module.

    Raises:
        UserError: There is no such data set or folder.
    """
    datasets = Path(cache_dir or root()) / "datasets"
    if name in builtin:
        return _made_once(datasets / f"{name}-{version}", name, builtin[name])
    if name.startswith("tfds:"):
        export = tfds_export.Export(name, fields or {}, tfds_features or {}, data_dir)
        return _made_once(datasets / export.folder_name, name, export.write)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{name} is a file: the data set is the folder it lies in")
    if os.sep in name or name.startswith((".", "~")):
        raise UserError(f"there is no folder {name}")
    nearest = difflib.get_close_matches(name, builtin, n=1)
    raise UserError(
        f"unknown data set '{name}'{f', did you mean {nearest[0]}?' if nearest else ':'} "
        f"It is one of {', '.join(builtin)}, tfds:NAME, or the path of a folder."
    )


def read_split(
    folder: str | Path, split: str, fields: Fields, may_be_blank: str | None = None
) -> list[dict]:
    """Reads and checks one split.

    Args:
        folder: A folder in the layout of this module.
        split: "train", "validation" or "test".
        fields: The fields each line must have: `str` for a text, `list` for a list of texts,
            `(str, list)` for either, none of them empty. Other fields are kept as they are.
        may_be_blank: One of the fields. Lines of "train" that have an empty text there are left
            out, and a message counts them.

    Returns:
        The objects of the file, in its order.

    Raises:
        UserError: There is no such file, it is empty, or a line of it is wrong.
    """
    path = _split_path(Path(folder), split)
    if path is None:
        raise UserError(
            f"{folder} has no {split}.jsonl: expected are train.jsonl and, if need be cut from it, "
            f"validation.jsonl and test.jsonl (or .jsonl.gz), an object with the fields "
            f"{', '.join(fields)} a line"
        )
    return read_file(path, fields, may_be_blank=may_be_blank if split == "train" else None)


def read_file(
    path: Path,
    fields: Fields,
    complaint: Callable[[dict], str | None] | None = None,
    may_be_blank: str | None = None,
) -> list[dict]:
    """Reads and checks a file of objects, one a line.

    Args:
        path: A `.jsonl` or `.jsonl.gz`.
        fields: As for `read_split`.
        complaint: Returns what else is wrong with an object that has the fields, or None.
        may_be_blank: One of the fields. Lines that have an empty text there are left out.

    Raises:
        UserError: The file is empty, or a line of it is wrong.
    """
    rows, blank = [], []
    for number, line in _lines(path):
        try:
            row = json.loads(line.decode())
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: not in UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: not JSON: {error}") from None
        if _is_blank(row, may_be_blank):
            blank.append(number)
            continue
        if wrong := _complaint(row, fields) or (complaint and complaint(row)):
            raise UserError(f"{path}:{number}: {wrong}")
        rows.append(row)
    if not rows:
        raise UserError(f"{path} is empty" if not blank else f"{path} has no '{may_be_blank}'")
    if blank:
        console.print(
            f"{len(blank)} of {len(blank) + len(rows)} lines have an empty '{may_be_blank}', the "
            f"first is {path}:{blank[0]}: skipped"
        )
    return rows


def read_splits(
    folder: str | Path,
    fields: Fields,
    label: str | None = None,
    may_be_blank: str | None = None,
) -> dict[str, list[dict]]:
    """Reads all three splits; one that has no file is cut from `train`, see `cut_missing`.

    Args:
        folder: A folder in the layout of this module.
        fields: As for `read_split`.
        label: As for `cut_missing`.
        may_be_blank: As for `read_split`.

    Returns:
        The rows of "train", "validation" and "test".

    Raises:
        UserError: As `read_split`; or too few lines to cut a split from.
    """
    return cut_missing(read_given_splits(folder, fields, may_be_blank), folder, label)


def read_wanted(
    folder: str | Path,
    fields: Fields,
    wanted: Sequence[str] = SPLITS,
    may_be_blank: str | None = None,
) -> dict[str, list[dict]]:
    """Reads the splits that are wanted, and no other unless one has to be cut from `train`.

    Args:
        folder: A folder in the layout of this module.
        fields: As for `read_split`.
        wanted: Some of "train", "validation" and "test".
        may_be_blank: As for `read_split`.

    Raises:
        UserError: As `read_splits`.
    """
    there = {split for split in SPLITS if _split_path(Path(folder), split)}
    # What has no file takes its lines from `train`.
    if there == set(SPLITS) or set(wanted) <= there - {"train"}:
        return {split: read_split(folder, split, fields, may_be_blank) for split in wanted}
    rows = read_splits(folder, fields, may_be_blank=may_be_blank)
    return {split: rows[split] for split in wanted}


def read_given_splits(
    folder: str | Path, fields: Fields, may_be_blank: str | None = None
) -> dict[str, list[dict]]:
    """Reads "train", and of the other splits those that have a file; see `read_split`."""
    folder = Path(folder)
    there = [split for split in SPLITS if split == "train" or _split_path(folder, split)]
    return {split: read_split(folder, split, fields, may_be_blank) for split in there}


def cut_missing(
    splits: Mapping[str, list[dict]],
    folder: str | Path,
    label: str | None = None,
    content: str = "file_name",
) -> dict[str, list[dict]]:
    """Cuts the splits that are missing from `train`, and a line says so.

    A tenth of `train` is cut for each, chosen by a hash of the `file_name` (of the whole line where
    there is none): the same whatever the order of the lines, and no file in two splits.

    Args:
        splits: The rows of "train" and of any other split.
        folder: What messages call the data set.
        label: A field, a text or a list of texts, of which no value may leave `train` altogether.
        content: A field whose hash counts in place of that of the `file_name`.

    Returns:
        The rows of "train", "validation" and "test".

    Raises:
        UserError: There are too few lines to cut a split from.
    """
    train = {}
    for row in splits["train"]:
        train.setdefault(_content_key(row, content), []).append(row)
    count = max(1, round(HELD_OUT * len(train)))
    rows, cut = dict(splits), []
    for split in SPLITS[1:]:
        if split in rows:
            continue
        ranked = sorted(train, key=lambda key, split=split: _hash(f"{SEED}/{split}/{key}"))
        held_out = set(_spare(ranked, train, label)[:count])
        if not held_out or len(held_out) == len(train):
            raise UserError(f"{folder}: too few lines in train to cut a {split} split from it")
        rows[split] = [row for row in rows["train"] if _content_key(row, content) in held_out]
        rows["train"] = [row for row in rows["train"] if _content_key(row, content) not in held_out]
        train = {key: value for key, value in train.items() if key not in held_out}
        cut.append(f"{split} ({len(rows[split]):,} lines)")
    if cut:
        console.print(f"{' and '.join(cut)} cut from train by a fixed seed")
    return {split: rows[split] for split in SPLITS}


def media(folder: str | Path, rows: Sequence[Mapping]) -> list[Path]:
    """Returns the path of each row's file.

    Args:
        folder: The folder the rows were read from.
        rows: Rows with a `file_name`.

    Returns:
        `(len(rows),)` paths; some may be missing.

    Raises:
        UserError: All are missing.
    """
    paths = [Path(folder) / row["file_name"] for row in rows]
    if paths and not any(os.path.isfile(path) for path in paths):
        raise UserError(f"none of the files that {folder} names is there, not even {paths[0]}")
    return paths


def _spare(keys: Sequence[str], rows: Mapping[str, list[dict]], label: str | None) -> list[str]:
    """Returns the keys that can all be taken away, in their order, and no label with them."""
    if label is None:
        return list(keys)

    def labels(key):
        values = [row[label] for row in rows[key]]
        return Counter(chain.from_iterable(v if isinstance(v, list) else [v] for v in values))

    left = Counter()
    for key in keys:
        left.update(labels(key))
    spare = []
    for key in keys:
        taken = labels(key)
        if all(left[value] > count for value, count in taken.items()):
            left -= taken
            spare.append(key)
    return spare


def _made_once(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Has `write` fill a temporary folder, and gives it its name once it is whole."""
    if folder.is_dir():
        return folder
    console.print(f"making the data set {name} in {folder}")
    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            write(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # Else another run was faster, and made the same.
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _split_path(folder: Path, split: str) -> Path | None:
    paths = [folder / f"{split}{ending}" for ending in (".jsonl", ".jsonl.gz")]
    return next((path for path in paths if path.is_file()), None)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the numbered lines that are not blank, without byte-order mark and line ends."""
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            for number, line in enumerate(file, 1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line := line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _is_blank(row, field: str | None) -> bool:
    text = row.get(field) if field and isinstance(row, dict) else None
    return isinstance(text, str) and not text.strip()


def _complaint(row, fields: Fields) -> str | None:
    """Returns what is wrong with a line's object, or None."""
    if not isinstance(row, dict):
        return f"expected an object, found {_kind(row)}"
    for field, kind in fields.items():
        if field not in row:
            return f"field '{field}' is missing"
        value = row[field]
        if not isinstance(value, kind):
            return f"field '{field}' must be {KINDS[kind]}, not {_kind(value)}"
        texts = value if isinstance(value, list) else [value]
        if not texts:
            return f"field '{field}' is an empty list"
        for text in texts:
            if not isinstance(text, str):
                return f"field '{field}' must hold texts, not {_kind(text)}"
            if not text.strip():
                return f"field '{field}' has an empty text"
    for field, value in row.items():
        if not is_unicode(json.dumps([field, value], ensure_ascii=False)):
            return f"field '{field}' has half a surrogate pair, which is no character"
    return None


def _kind(value) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {dict: "an object", list: "a list", str: "a text"}
    return kinds.get(type(value), "a number")


def _content_key(row: dict, field: str) -> str:
    return row.get(field) or json.dumps(row, sort_keys=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
