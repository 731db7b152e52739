"""The splits of a data set: their names, which are read, and what is cut from `train`."""

import functools
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console

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
HELD_OUT = 0.1
SEED = 0
SHOWN = 8
HEAD = 4096  # bytes of a file that mostly tell it from others of its size

Rows = dict[str, list[dict]]
Identity = Callable[[Sequence[dict]], list[Hashable]]


@functools.lru_cache(1 << 12)
def split_of(name: str) -> str | None:
    """Returns the split that a name tells, if it tells one: `seg_train`, `Testing`, `val2017`.

    Args:
        name: Of a file without its ending, of a folder, or a value of a column.
    """
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    told = [split for split, names in NAMES.items() if not words.isdisjoint(names)]
    return told[0] if len(told) == 1 else None


def read_wanted(
    readers: Mapping[str, Callable[[], list[dict]]],
    wanted: Sequence[str],
    name: str | Path,
    *,
    identity: Identity,
    label: str | None = None,
    content: str = "file_name",
    sift: Callable[[list[dict]], list[dict]] | None = None,
) -> Rows:
    """Reads the splits that are wanted, and no other unless what they hold depends on it.

    Nothing that a later split holds stays in one before. Then a missing split is cut from `train`.

    Args:
        readers: For "train", and for each other split that there is, what reads its rows.
        wanted: Some of "train", "validation" and "test".
        name: What messages call the data set.
        identity: As for `separate`.
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
    if missing and not set(wanted).isdisjoint(["train", *missing]):
        needed = SPLITS
    else:  # What is wanted, and all that it must not hold.
        needed = SPLITS[min(SPLITS.index(split) for split in wanted) :]
    rows = {split: readers[split]() for split in needed if split in readers}
    cuts = missing and "train" in rows
    if cuts and sift is not None:
        rows["train"] = sift(rows["train"])
    rows = separate(rows, name, identity)
    if cuts:
        rows = cut_missing(rows, name, identity=identity, label=label, content=content)
    return {split: rows[split] for split in wanted}


def cut_missing(
    splits: Mapping[str, list[dict]],
    name: str | Path,
    *,
    identity: Identity,
    label: str | None = None,
    content: str = "file_name",
) -> Rows:
    """Cuts the splits that are missing from `train`, and a line says so.

    A tenth of `train` is cut for each, chosen by a hash of the `file_name` (of the whole line where
    there is none): the same whatever the order of the lines, and equal examples stay together.

    Args:
        splits: The rows of "train" and of any other split.
        name: What messages call the data set.
        identity: As for `separate`.
        label: A field, a text or a list of texts, of which no value may leave `train` altogether.
        content: A field whose hash counts in place of that of the `file_name`.

    Returns:
        The rows of "train", "validation" and "test".

    Raises:
        UserError: There are too few lines to cut a split from.
    """
    equal = {}
    for row, own in zip(splits["train"], identity(splits["train"]), strict=True):
        equal.setdefault(own, []).append(row)
    train = {min(_content_key(row, content) for row in rows): rows for rows in equal.values()}
    count = max(1, round(HELD_OUT * len(train)))
    rows, cut = dict(splits), []
    for split in SPLITS[1:]:
        if split in rows:
            continue
        ranked = sorted(train, key=lambda key, split=split: _hash(f"{SEED}/{split}/{key}"))
        held_out = set(_spare(ranked, train, label)[:count])
        if not held_out or len(held_out) == len(train):
            raise UserError(f"{name}: too few lines in train to cut a {split} split from it")
        chosen = {id(row) for key in held_out for row in train[key]}
        rows[split] = [row for row in rows["train"] if id(row) in chosen]
        rows["train"] = [row for row in rows["train"] if id(row) not in chosen]
        train = {key: value for key, value in train.items() if key not in held_out}
        cut.append(f"{split} ({len(rows[split]):,} lines)")
    if cut:
        console.print(f"{' and '.join(cut)} cut from train by a fixed seed")
    return {split: rows[split] for split in SPLITS}


def separate(rows: Rows, name: str | Path, identity: Identity) -> Rows:
    """Leaves out of `train` what validation or test hold, and of validation what test holds.

    Args:
        rows: The rows of some splits.
        name: What messages call the data set.
        identity: Takes rows, and returns for each what only equal examples have in common.

    Returns:
        The rows. A split of which nothing would remain stays as it is, and a line warns.
    """
    order = [split for split in SPLITS if split in rows]
    if len(order) < 2:
        return rows
    every = [row for split in order for row in rows[split]]
    found = iter(identity(every))
    known = {split: [next(found) for _ in rows[split]] for split in order}
    kept = dict(rows)
    for place, split in enumerate(order[:-1]):
        later = set(chain.from_iterable(known[other] for other in order[place + 1 :]))
        fresh = [
            row for row, own in zip(rows[split], known[split], strict=True) if own not in later
        ]
        names = " or ".join(order[place + 1 :])
        count = len(rows[split]) - len(fresh)
        if count and not fresh:
            console.print(
                f"{name}: all of {split} stands in {names} as well: what is measured there says "
                "nothing of new examples"
            )
        elif count:
            console.print(f"{name}: {count:,} of {split} left out, equal to some of {names}")
            kept[split] = fresh
    return kept


def by_text(*fields: str) -> Identity:
    """Returns what tells equal examples by texts or lists of texts, whatever their white space."""

    def plain(value) -> str:
        text = value if isinstance(value, str) else " ".join(map(str, value))
        return " ".join(unicodedata.normalize("NFC", text).split())

    return lambda rows: [tuple(plain(row[field]) for field in fields) for row in rows]


def by_bytes(rows: Sequence[dict]) -> list[Hashable]:
    """Tells equal examples by what the files at their `path` hold, of which little is read.

    Files of different sizes are different, and so are those that begin with different bytes.
    """
    paths = list(dict.fromkeys(row["path"] for row in rows))
    own: dict = {path: _size(path) for path in paths}
    for most in (HEAD, None):
        common = Counter(own.values())
        for path in paths:
            if common[own[path]] > 1 and isinstance(own[path], int | tuple):
                own[path] = (own[path], _digest(path, most))
    return [own[row["path"]] for row in rows]


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


def _size(path) -> int | str:
    """The size of a file; of what is none, the path."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return str(path)
    return status.st_size if stat.S_ISREG(status.st_mode) else str(path)


def _digest(path, most: int | None) -> str:
    """A digest of the first bytes of a file, or of all."""
    try:
        with open(path, "rb") as file:
            if most is None:
                return hashlib.file_digest(file, "sha256").hexdigest()
            return hashlib.sha256(file.read(most)).hexdigest()
    except OSError:
        return str(path)


def _spare(keys: Sequence[str], rows: Mapping[str, list[dict]], label: str | None) -> list[str]:
    """Returns the keys that can all be taken away, in their order, and no label with them."""
    if label is None:
        return list(keys)
    labels = {key: [each for row in rows[key] for each in _labels(row[label])] for key in keys}
    left = Counter(chain.from_iterable(labels.values()))
    spare = []
    for key in keys:
        counts = Counter(labels[key]) if len(labels[key]) > 1 else dict.fromkeys(labels[key], 1)
        if all(left[value] > count for value, count in counts.items()):
            for value, count in counts.items():
                left[value] -= count
            spare.append(key)
    return spare


def _labels(value) -> Sequence[str]:
    return value if isinstance(value, list) else (value,)


def _content_key(row: dict, field: str) -> str:
    return row.get(field) or json.dumps(
        {key: value for key, value in row.items() if key != "path"}, sort_keys=True, default=str
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
