"""Data sources: built-in sets, TensorFlow Datasets and folders, all as folders in one layout.

The layout is `train.jsonl`, `validation.jsonl` and `test.jsonl` (or `.jsonl.gz`), an object a line,
with media by `file_name` relative to the folder.
"""

import difflib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError, check_utf8
from pipelines.commands.terminal import console
from pipelines.data import json_lines, splits, tfds_export
from pipelines.data.cache import disk_errors, root
from pipelines.data.json_lines import Fields
from pipelines.data.splits import SPLITS


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
    own, others = [*builtin], tfds_export.names()
    nearest = difflib.get_close_matches(name, [*own, *others], n=1)
    question = "".join(
        f" Did you mean {near if near in own else f'tfds:{near}'}?" for near in nearest
    )
    raise UserError(
        f"unknown data set '{name}'.{question} Known: {', '.join(own)}, tfds:NAME, a folder."
    )


def read_split(
    folder: str | Path, split: str, fields: Fields, may_be_blank: str | None = None
) -> list[dict]:
    """Reads and checks one split.

    Args:
        folder: A folder in the layout of this module.
        split: "train", "validation" or "test".
        fields: The fields each line must have, as for `json_lines.read`.
        may_be_blank: One of the fields. Lines of "train" that have an empty text there are left
            out, and a message counts them.

    Returns:
        The objects of the file, in its order.

    Raises:
        UserError: There is no such file, it is empty, or a line of it is wrong.
    """
    path = find(folder, split)
    if path is None:
        *some, last = fields
        names = f"{', '.join(some)} and {last}" if some else last
        raise UserError(
            f"{folder} has no {split}.jsonl: expected train.jsonl (validation.jsonl and test.jsonl "
            f"are optional), one JSON object per line with {names}. "
            f"{splits.what_is_there(folder)}"
        )
    return json_lines.read(path, fields, may_be_blank=may_be_blank if split == "train" else None)


def read_splits(
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
        UserError: As `read_split`; or too few lines to cut a split from.
    """
    return splits.read_wanted(readers(folder, fields, may_be_blank), wanted, folder)


def readers(
    folder: str | Path, fields: Fields, may_be_blank: str | None = None
) -> dict[str, Callable[[], list[dict]]]:
    """Returns what reads "train", and each other split that has a file; see `read_split`."""
    there = [split for split in SPLITS if split == "train" or find(folder, split)]
    return {
        split: functools.partial(read_split, folder, split, fields, may_be_blank) for split in there
    }


def find(folder: str | Path, split: str) -> Path | None:
    """Returns the file of a split, or None if it has none."""
    paths = [Path(folder) / f"{split}{ending}" for ending in (".jsonl", ".jsonl.gz")]
    return next((path for path in paths if path.is_file()), None)


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


def find_media(path: str | Path, endings: Container[str], kind: str) -> list[Path]:
    """Returns the file itself, or all files of a folder that end like media of a kind.

    Args:
        path: A file, whatever its ending, or a folder.
        endings: Those of the kind, such as ".png", in lower case.
        kind: What a message calls one, such as "image".

    Raises:
        UserError: There is none, or the name of one is not in UTF-8.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"there is no {kind} or folder {path}")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in endings)
    if not files:
        raise UserError(f"there is no {kind} in {path}")
    for file in files:
        check_utf8(file)
    return files


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
