"""The built-in image classification data set: scikit-learn's scans of handwritten digits."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.commands.disk.files import write_json_lines

VERSION = "1"  # to be raised with every change of the images, the split or the layout
SHARES = {"test": 0.2, "validation": 0.1}


def write(folder: Path) -> None:
    """Writes the 1,797 scans as grey images of 8 x 8 pixels.

    They are the test set of the UCI database *Optical Recognition of Handwritten Digits* (Alpaydin
    and Kaynak, 1998), from 13 writers. Of each digit a fifth is for testing and a tenth for
    validation, chosen by a hash of the pixels, so that equal scans are never in two splits.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl`, `test.jsonl`, a line with `file_name` and
            `label` for each scan, and `images/*.png`.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    scans = np.rint(digits.images * (255 / 16)).astype("uint8")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = {"train": [], "validation": [], "test": []}
    for digit in range(10):
        numbers = np.flatnonzero(digits.target == digit).tolist()
        for number, split in zip(numbers, _splits(scans[numbers]), strict=True):
            name = f"images/{number:04d}.png"
            Image.fromarray(scans[number]).save(folder / name)
            lines[split].append({"file_name": name, "label": str(digit)})
    for split, rows in lines.items():
        rows.sort(key=lambda row: row["file_name"])
        write_json_lines(folder / f"{split}.jsonl", rows)


def _splits(scans: np.ndarray) -> list[str]:
    """Returns the split of each scan of one digit, `(M, 8, 8)`."""
    hashes = [hashlib.sha256(scan.tobytes()).hexdigest() for scan in scans]
    ranks = {key: rank for rank, key in enumerate(sorted(set(hashes)))}
    first = SHARES["test"] * len(ranks)
    second = first + SHARES["validation"] * len(ranks)
    return [
        "test" if ranks[key] < first else "validation" if ranks[key] < second else "train"
        for key in hashes
    ]
