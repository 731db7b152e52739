"""The files of a data set's splits, in whatever format they are."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.data import sources

# Other names that data sets come with.
NAMES = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def read_wanted(
    folder: str | Path,
    readers: Mapping[str, Callable[[Path], list[dict]]],
    wanted: Sequence[str] = sources.SPLITS,
    label: str | None = None,
    content: str = "file_name",
) -> dict[str, list[dict]]:
    """Reads the splits that are wanted, and no other unless one has to be cut from `train`.

    Args:
        folder: Holds `train`, and maybe `validation` and `test`, or what else they go by, with one
            of the endings, packed (`.gz`) or not, and maybe a version, as in `dev-v1.1.json`.
        readers: For each ending (".jsonl") what reads such a file, the first that is there counts.
        wanted: Some of "train", "validation" and "test".
        label: As for `sources.cut_missing`.
        content: As for `sources.cut_missing`.

    Raises:
        UserError: There is no file to read a split from, or one is wrong.
    """
    folder = Path(folder)
    files = {split: _find(folder, split, readers) for split in sources.SPLITS}
    missing = [split for split in sources.SPLITS if files[split] is None]
    # What has no file takes its lines from `train`.
    is_cut = bool(missing) and ("train" in wanted or not set(missing).isdisjoint(wanted))
    if is_cut and "train" in missing:
        raise UserError(
            f"{folder} has no train{', train'.join(readers)} (or .gz): expected are train and, "
            "if need be cut from it, validation and test"
        )
    needed = [s for s in sources.SPLITS if s not in missing] if is_cut else wanted
    rows = {split: files[split][1](files[split][0]) for split in needed}
    if is_cut:
        rows = sources.cut_missing(rows, folder, label, content)
    return {split: rows[split] for split in wanted}


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
