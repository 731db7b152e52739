"""The splits of a data set: which are read, and how a missing one is cut from `train`."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console

SPLITS = ("train", "validation", "test")
HELD_OUT = 0.1
SEED = 0
SHOWN = 8


def read_wanted(
    readers: Mapping[str, Callable[[], list[dict]]],
    wanted: Sequence[str],
    name: str | Path,
    label: str | None = None,
    content: str = "file_name",
    sift: Callable[[list[dict]], list[dict]] | None = None,
) -> dict[str, list[dict]]:
    """Reads the splits that are wanted, and no other unless one has to be cut from `train`.

    Args:
        readers: For "train", and for each other split that there is, what reads its rows.
        wanted: Some of "train", "validation" and "test".
        name: What messages call the data set.
        label: As for `cut_missing`.
        content: As for `cut_missing`.
        sift: Takes the rows of `train` before any is cut, and returns those that are of use.

    Returns:
        The rows of the splits that are wanted.

    Raises:
        UserError: There are too few lines to cut a split from, or what `readers` raise.
    """
    missing = [split for split in SPLITS if split not in readers]
    # Whatever is wanted, `train` gives up the same lines to what is missing.
    if not missing or set(wanted).isdisjoint(["train", *missing]):
        return {split: readers[split]() for split in wanted}
    rows = {split: readers[split]() for split in SPLITS if split in readers}
    if sift is not None:
        rows["train"] = sift(rows["train"])
    rows = cut_missing(rows, name, label, content)
    return {split: rows[split] for split in wanted}


def cut_missing(
    splits: Mapping[str, list[dict]],
    name: str | Path,
    label: str | None = None,
    content: str = "file_name",
) -> dict[str, list[dict]]:
    """Cuts the splits that are missing from `train`, and a line says so.

    A tenth of `train` is cut for each, chosen by a hash of the `file_name` (of the whole line where
    there is none): the same whatever the order of the lines, and no file in two splits.

    Args:
        splits: The rows of "train" and of any other split.
        name: What messages call the data set.
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
            raise UserError(f"{name}: too few lines in train to cut a {split} split from it")
        rows[split] = [row for row in rows["train"] if _content_key(row, content) in held_out]
        rows["train"] = [row for row in rows["train"] if _content_key(row, content) not in held_out]
        train = {key: value for key, value in train.items() if key not in held_out}
        cut.append(f"{split} ({len(rows[split]):,} lines)")
    if cut:
        console.print(f"{' and '.join(cut)} cut from train by a fixed seed")
    return {split: rows[split] for split in SPLITS}


def what_is_there(folder: str | Path) -> str:
    """Tells what a folder holds instead of a data set, as the end of a message."""
    folder = Path(folder)
    names = sorted(
        f"{path.name}/" if path.is_dir() else path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if not path.name.startswith(".")
    )
    shown = [*names[:SHOWN], "…"] if len(names) > SHOWN else names or ["nothing"]
    return f"Found: {', '.join(shown)}. See README, 'Your own data'."


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


def _content_key(row: dict, field: str) -> str:
    return row.get(field) or json.dumps(row, sort_keys=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
