"""The files of a data set's splits, in whatever format they are."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.data import splits
from pipelines.data.splits import SPLITS

# Other names that data sets come with.
NAMES = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def read_splits(
    folder: str | Path,
    readers: Mapping[str, Callable[[Path], list[dict]]],
    wanted: Sequence[str] = SPLITS,
    label: str | None = None,
    content: str = "file_name",
) -> dict[str, list[dict]]:
    """Reads the splits that are wanted, and no other unless one has to be cut from `train`.

    Args:
        folder: Holds `train`, and maybe `validation` and `test`, or what else they go by, with one
            of the endings, packed (`.gz`) or not, and maybe a version, as in `dev-v1.1.json`.
        readers: For each ending (".jsonl") what reads such a file, the first that is there counts.
        wanted: Some of "train", "validation" and "test".
        label: As for `splits.cut_missing`.
        content: As for `splits.cut_missing`.

    Raises:
        UserError: There is no file to read a split from, or one is wrong.
    """
    folder = Path(folder)
    there = {}
    for split in SPLITS:
        if found := _find(folder, split, readers):
            path, reader = found
            there[split] = functools.partial(reader, path)
    there.setdefault("train", functools.partial(_refuse, folder, readers))
    return splits.read_wanted(there, wanted, folder, label, content)


def _refuse(folder, readers):
    *some, last = (f"train{ending}" for ending in readers)
    names = f"{', '.join(some)} or {last}" if some else last
    raise UserError(
        f"{folder} has no {names} (or .gz); validation and test are optional. "
        f"{splits.what_is_there(folder)}"
    )


def _find(folder: Path, split: str, readers: Mapping[str, Callable]) -> tuple | None:
    """Returns the file of a split and what reads it."""
    for ending, reader in readers.items():
        for name in NAMES[split]:
            for packed in ("", ".gz"):
                exact = folder / f"{name}{ending}{packed}"
                for path in [exact, *sorted(folder.glob(f"{name}-v*{ending}{packed}"))]:
                    if path.is_file():
                        return path, reader
    return None
