"""The names of splits, as data sets have them."""

import functools
import re

SPLITS = ("train", "validation", "test")
# The words of a name that tell a split; "restval" of the COCO captions is trained on as well.
NAMES = {
    "train": ("train", "training", "trn", "restval", "trainval", "trainset"),
    "validation": (
        *("validation", "valid", "val", "dev", "devel", "development", "eval", "evaluation"),
        *("validationset", "valset", "devset"),
    ),
    "test": ("test", "testing", "tst", "testset"),
}


@functools.lru_cache(1 << 12)
def split_of(name: str) -> str | None:
    """Returns the split that a name tells, if it tells one: `seg_train`, `Testing`, `val2017`.

    Args:
        name: Of a file without its ending, of a folder, or a value of a column.
    """
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    told = [split for split, names in NAMES.items() if not words.isdisjoint(names)]
    return told[0] if len(told) == 1 else None
