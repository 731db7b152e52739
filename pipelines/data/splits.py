"""The splits of a data set: which are read, and what is cut from `train`."""

import hashlib
import itertools
import json
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.data.fingerprints import fingerprint, fingerprints, groups
from pipelines.data.rows import Joined, Rows
from pipelines.data.split_names import SPLITS

HELD_OUT = 0.1
SEED = 0
SHOWN = 8
HEAD = 4096  # bytes of a file that mostly tell it from others of its size

Splits = Mapping[str, Sequence[dict]]
Identity = Callable[[Sequence[dict]], Iterable]


def read_wanted(
    readers: Mapping[str, Callable[[], Sequence[dict]]],
    wanted: Sequence[str],
    name: str | Path,
    *,
    identity: Identity,
    label: str | None = None,
    content: str = "file_name",
    sift: Callable[[Sequence[dict]], Sequence[dict]] | None = None,
) -> Splits:
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
    splits: Splits,
    name: str | Path,
    *,
    identity: Identity,
    label: str | None = None,
    content: str = "file_name",
) -> Splits:
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
    train = Rows(splits["train"])
    missing = [split for split in SPLITS if split not in splits]
    equal = _Groups(train, fingerprints(identity(train)), content, missing)
    count = max(1, round(HELD_OUT * len(equal)))
    rows, cut = dict(splits), []
    taken = np.full(len(train), -1, "int8")
    for number, split in enumerate(missing):
        left = equal.ranked(split)
        spare = left if label is None else _spare(left, equal, train, label)
        held_out = list(itertools.islice(spare, count))
        if not held_out or len(held_out) == len(left):
            raise UserError(f"{name}: too few lines in train to cut a {split} split from it")
        taken[equal.take(held_out)] = number
        rows[split] = train.select(taken == number)
        cut.append(f"{split} ({len(rows[split]):,} lines)")
    rows["train"] = train.select(taken < 0)
    if cut:
        console.print(f"{' and '.join(cut)} cut from train by a fixed seed")
    return {split: rows[split] for split in SPLITS}


class _Groups:
    """Rows that are equal, by what they are cut by: a few numbers of each row and no more.

    Args:
        rows: The rows.
        known: `(n,)`, the number that only equal rows share.
        content: As for `cut_missing`.
        missing: The splits that are to be cut.
    """

    def __init__(self, rows: Rows, known: np.ndarray, content: str, missing: Sequence[str]):
        self._group = groups(known)
        counts = np.bincount(self._group)
        several, least = counts > 1, {}
        ranks = {split: np.zeros(len(counts), "uint64") for split in missing}
        keys = np.zeros(len(counts), "uint64")
        for group, row in zip(self._group.tolist(), rows, strict=True):
            key = _content_key(row, content)
            if several[group]:
                if group in least and least[group] <= key:
                    continue
                least[group] = key
            keys[group] = fingerprint(f"{key}")
            for split, own in ranks.items():
                own[group] = fingerprint(f"{SEED}/{split}/{key}")
        self._ranks = ranks
        # Of groups with one key the last counts; the others stay in `train`.
        firsts = np.unique(keys[::-1], return_index=True)[1]
        self._is_left = np.zeros(len(counts), bool)
        self._is_left[len(keys) - 1 - firsts] = True

    def __len__(self):
        return int(self._is_left.sum())

    @property
    def are_left(self) -> np.ndarray:
        """Which rows are of a group that may be taken, `(n,)`, booleans."""
        return self._is_left[self._group]

    def ranked(self, split: str) -> np.ndarray:
        """Returns the groups that may be taken, in the order in which they are for a split."""
        left = np.flatnonzero(self._is_left)
        return left[np.argsort(self._ranks[split][left], kind="stable")]

    def take(self, groups: Sequence[int]) -> np.ndarray:
        """Takes groups away; returns which rows are theirs, booleans."""
        chosen = np.zeros(len(self._is_left), bool)
        chosen[groups] = True
        self._is_left &= ~chosen
        return chosen[self._group]

    def places(self, order: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yields groups, and the places of their rows."""
        by_group = np.argsort(self._group, kind="stable")
        ends = np.cumsum(np.bincount(self._group))
        for group in order:
            begin = ends[group - 1] if group else 0
            yield group, by_group[begin : ends[group]]


def separate(rows: Splits, name: str | Path, identity: Identity) -> Splits:
    """Leaves out of `train` what validation or test hold, and of validation what test holds.

    Args:
        rows: The rows of some splits.
        name: What messages call the data set.
        identity: Takes rows, and gives for each what only equal examples have in common: a text, a
            number, or a tuple of such.

    Returns:
        The rows. A split of which nothing would remain stays as it is, and a line warns.
    """
    order = [split for split in SPLITS if split in rows]
    if len(order) < 2:
        return rows
    found = fingerprints(identity(Joined(rows[split] for split in order)))
    ends = np.cumsum([len(rows[split]) for split in order])
    known = dict(zip(order, np.split(found, ends[:-1]), strict=True))
    kept = dict(rows)
    for place, split in enumerate(order[:-1]):
        later = np.concatenate([known[other] for other in order[place + 1 :]])
        fresh = ~np.isin(known[split], later)
        names = " or ".join(order[place + 1 :])
        count = len(fresh) - int(fresh.sum())
        if count and not fresh.any():
            console.print(
                f"{name}: all of {split} stands in {names} as well: what is measured there says "
                "nothing of new examples"
            )
        elif count:
            console.print(f"{name}: {count:,} of {split} left out, equal to some of {names}")
            kept[split] = Rows(rows[split]).select(fresh)
    return kept


def by_text(*fields: str) -> Identity:
    """Returns what tells equal examples by texts or lists of texts, whatever their white space."""

    def plain(value) -> str:
        text = value if isinstance(value, str) else " ".join(map(str, value))
        return " ".join(unicodedata.normalize("NFC", text).split())

    return lambda rows: (tuple(plain(row[field]) for field in fields) for row in rows)


def by_bytes(rows: Sequence[dict]) -> list[int]:
    """Tells equal examples by what the files at their `path` hold, of which little is read.

    Files of different sizes are different, and so are those that begin with different bytes.
    """
    named = fingerprints(os.fspath(row["path"]) for row in rows)
    _, firsts, inverse = np.unique(named, return_index=True, return_inverse=True)
    own = np.zeros(len(firsts), "uint64")
    sought = np.arange(len(firsts))
    for tell in (_size, _head, _whole):
        for place in sought:
            path = rows[int(firsts[place])]["path"]
            own[place] = fingerprint(f"{own[place]} {tell(path)}")
        _, inside, counts = np.unique(own, return_inverse=True, return_counts=True)
        sought = np.flatnonzero(counts[inside] > 1)
    return own[inverse].tolist()


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


def _head(path) -> str:
    """A digest of the first bytes of a file."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read(HEAD)).hexdigest()
    except (OSError, ValueError):
        return str(path)


def _whole(path) -> str:
    """A digest of all of a file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return str(path)


def _spare(order: np.ndarray, equal: _Groups, rows: Rows, label: str) -> Iterator[int]:
    """Yields the groups that can all be taken away, in their order, and no label with them."""
    there = rows.select(equal.are_left)
    left = Counter(value for row in there for value in _labels(row[label]))
    for group, places in equal.places(order):
        counts = Counter(value for row in rows.select(places) for value in _labels(row[label]))
        if all(left[value] > count for value, count in counts.items()):
            left.subtract(counts)
            yield group


def _labels(value) -> Sequence[str]:
    return value if isinstance(value, list) else (value,)


def _content_key(row: dict, field: str) -> str:
    return row.get(field) or json.dumps(
        {key: value for key, value in row.items() if key != "path"}, sort_keys=True, default=str
    )
