"""Images sorted into a folder per class, as rows of the open layout."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.commands.errors import UserError, check_utf8
from pipelines.data.splits import what_is_there
from pipelines.images import image_files

# Other names that data sets come with.
SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}


def readers(folder: str | Path) -> dict[str, Callable[[], list[dict]]]:
    """Finds the images of `SPLIT/CLASS/`, or where there is no such split, of `CLASS/`, as train.

    Images are what has the ending of one, in the class's folder or deeper. A class without any is
    none, and hidden files and folders are left out.

    Args:
        folder: The data set.

    Returns:
        For "train", and each other split that is there, a function that returns its rows, with
        `file_name` relative to the folder, and `label`. That of "train" raises a `UserError` where
        there are no images in folders, and all do where the name of one is not in UTF-8.
    """
    folder = Path(folder)
    there = {
        split: next((folder / name for name in names if (folder / name).is_dir()), None)
        for split, names in SPLIT_FOLDERS.items()
    }
    if not any(there.values()):
        there["train"] = folder
    found = {"train": lambda: _training_rows(folder, there["train"])}
    for split in ("validation", "test"):
        if there[split] and next(_rows(folder, there[split]), None):
            found[split] = lambda path=there[split]: list(_rows(folder, path))
    return found


def _training_rows(root: Path, folder: Path | None) -> list[dict]:
    rows = list(_rows(root, folder)) if folder else []
    if not rows:
        raise UserError(
            f"{root} has neither train.jsonl nor images in train/, in a folder for each class. "
            f"{what_is_there(root)}"
        )
    return rows


def _rows(root: Path, folder: Path) -> Iterator[dict]:
    """Yields rows of the images of one split, in the order of their names."""
    endings = image_files.endings()
    for label in sorted(path for path in folder.iterdir() if path.is_dir()):
        if label.name.startswith("."):
            continue
        for path in sorted(label.rglob("*")):
            name = path.relative_to(root)
            hidden = any(part.startswith(".") for part in name.parts)
            if path.suffix.lower() in endings and not hidden and path.is_file():
                check_utf8(path)
                yield {"file_name": str(name), "label": label.name}
