"""Pictures sorted into a folder per class, as rows of the open layout."""

from pathlib import Path

from pipelines.commands.errors import UserError, check_utf8
from pipelines.images import image_files

# Other names that data sets come with.
SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}


def read_splits(folder: str | Path) -> dict[str, list[dict]]:
    """Lists the pictures of `SPLIT/CLASS/`, or where there is no `train/`, of `CLASS/`, as train.

    Pictures are what has the ending of one, in the class's folder or deeper. A class without any
    is none, and hidden files and folders are left out.

    Args:
        folder: The data set.

    Returns:
        For each split that is there, rows with `file_name` relative to the folder, and `label`.

    Raises:
        UserError: There are no pictures in folders, or the name of one is not in UTF-8.
    """
    folder = Path(folder)
    there = {
        split: next((folder / name for name in names if (folder / name).is_dir()), None)
        for split, names in SPLIT_FOLDERS.items()
    }
    if not any(there.values()):
        there["train"] = folder
    splits = {split: _rows(folder, path) for split, path in there.items() if path}
    splits = {split: rows for split, rows in splits.items() if rows}
    if "train" not in splits:
        raise UserError(
            f"{folder} has neither train.jsonl nor pictures in train/, in a folder for each class"
        )
    return splits


def _rows(root: Path, folder: Path) -> list[dict]:
    """Rows of the pictures of one split, in the order of their names."""
    endings = image_files.endings()
    rows = []
    for label in sorted(path for path in folder.iterdir() if path.is_dir()):
        if label.name.startswith("."):
            continue
        for path in sorted(label.rglob("*")):
            name = path.relative_to(root)
            hidden = any(part.startswith(".") for part in name.parts)
            if path.suffix.lower() in endings and not hidden and path.is_file():
                check_utf8(path)
                rows.append({"file_name": str(name), "label": label.name})
    return rows
