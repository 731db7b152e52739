"""A folder of prepared examples: what lies in it, and its splits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.commands.disk import prepared_data
from pipelines.commands.errors import UserError, reading
from pipelines.data.fields import Fields
from pipelines.data.prepared.records import Kind
from pipelines.data.prepared.rows import MEDIA, PreparedRows
from pipelines.data.prepared.shards import Shards, name_of
from pipelines.data.split_names import SPLITS

MOST = 10**12  # records or shards
STARTS = "starts"  # The column of a split that tells with which record each of its rows begins.


def column_file(split: str, name: str) -> str:
    """Returns the name of the file with one number of each record, or with `STARTS`."""
    return f"{split}.{name}.npy"


def open_splits(
    name: str, application: str, fields: Fields, wanted: Sequence[str]
) -> dict[str, PreparedRows]:
    """Opens the splits of a folder of prepared examples.

    Args:
        name: The folder.
        application: What it is to be prepared for.
        fields: Those that its rows are to have.
        wanted: Some of "train", "validation" and "test".

    Returns:
        The rows of each split; see `PreparedRows`.

    Raises:
        UserError: It is for another application or task, lacks a file, or a file is damaged.
    """
    folder = Path(name).expanduser()
    description = prepared_data.read(folder, application)
    found = {}
    with reading(folder / prepared_data.FILE, "a description of prepared examples"):
        for split in wanted:
            if split not in SPLITS or split not in description["splits"]:
                raise ValueError(f"it has no split {split}")
            found[split] = open_split(
                folder, split, description["splits"][split], description["facts"]
            )
    for rows in found.values():
        rows.check_fields(fields)
    return found


def open_split(
    folder: Path, split: str, description: Mapping[str, Any], facts: Mapping[str, Any]
) -> PreparedRows:
    """Opens a split that a folder describes; raises what `open_splits` turns into one line."""
    counts, sizes = description["records"], description["bytes"]
    for numbers in (counts, sizes):
        if not numbers or len(numbers) != len(counts):
            raise ValueError("its files are not counted")
        if any(type(number) is not int or not 0 <= number < MOST for number in numbers):
            raise ValueError("a count is no number")
    paths = [folder / name_of(split, number, len(counts)) for number in range(len(counts))]
    records = Shards(paths, counts)
    for path, size in zip(paths, sizes, strict=True):
        if path.stat().st_size != size:
            raise UserError(
                f"{path} has not the {size:,} bytes that were written: prepare it again"
            )
    kinds = {str(name): Kind.load(kind) for name, kind in description["arrays"].items()}
    columns = {name: _column(folder, split, name, len(records)) for name in kinds}
    starts = _column(folder, split, STARTS)
    if len(starts) == 0 or starts.min() < 0 or starts.max() >= len(records):
        raise ValueError(f"{split} has no rows, or such as are not there")
    media = folder / MEDIA / split
    if media.is_dir():
        _refuse_links(media)
    return PreparedRows(folder, split, records, kinds, columns, starts, facts)


def _column(folder: Path, split: str, name: str, length: int | None = None) -> np.ndarray:
    """A memory map of the numbers `(length,)` in a file."""
    path = folder / column_file(split, name)
    if Path(name).name != name or path.is_symlink():
        raise ValueError(f"'{name}' names no file")
    with reading(path, "the numbers of prepared examples"):
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.ndim != 1 or found.dtype.kind not in "if" or length not in (None, len(found)):
            raise ValueError(f"it holds {found.dtype} {list(found.shape)}")
    return found


def _refuse_links(media: Path) -> None:
    """Makes sure that no file of a folder leads out of it: it may be shown on a page."""
    for path in (media.parent, media, *media.iterdir()):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UserError(f"{path} is a link or no file: a folder of prepared examples has none")
