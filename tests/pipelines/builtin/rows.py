"""The rows of a data set as it was written, all splits of it."""

import json

SPLITS = ("train", "validation", "test")


def read_split(folder, split):
    """The rows of a split."""
    text = (folder / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def read(folder):
    """The rows of all splits."""
    return {split: read_split(folder, split) for split in SPLITS}
