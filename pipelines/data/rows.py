"""The rows of a data set, on disk: as a sequence of dicts of which memory holds a few."""

import copy
import itertools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.data.caches.spool import Spool

AT_ONCE = 512  # rows that are written or read together

_encode = json.JSONEncoder(check_circular=False, default=str).encode
_decode = json.JSONDecoder().raw_decode  # `json.loads` looks for an encoding first.


class Rows(Sequence):
    """Rows on disk, or a choice of them in any order.

    An index gives a new dict, a slice other `Rows` of the same on disk. They equal any sequence of
    equal rows.

    Args:
        rows: What JSON can hold, mostly dicts; taken one by one. Another `Rows` is no copy.
        have_paths: Whether each has a `path` that is a `pathlib.Path`.

    Attributes:
        have_paths: The same.

    Raises:
        UserError: The disk is full.
    """

    def __init__(self, rows: Iterable = (), have_paths: bool = False):
        if isinstance(rows, Rows):
            self.__dict__ |= rows.__dict__
            return
        self._spool, self.have_paths = Spool(), have_paths
        for some in chunks(rows, AT_ONCE):
            texts = list(map(_encode, some))
            self._spool.append("".join(texts).encode("ascii"), list(map(len, texts)))
        self._places = range(len(self._spool))

    def __len__(self):
        return len(self._places)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return self._view(self._places[place])
        (row,) = self._read([self._places[operator.index(place)]])
        return row

    def __iter__(self):
        for start in range(0, len(self), AT_ONCE):
            yield from self._read(self._places[start : start + AT_ONCE])

    def __eq__(self, other):
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    def __repr__(self):
        shown = [*map(repr, self[:3]), *(["…"] if len(self) > 3 else [])]
        return f"Rows([{', '.join(shown)}])"

    def select(self, places: Sequence[int] | np.ndarray) -> "Rows":
        """Returns the rows at some places, or where an array of booleans is true."""
        places = np.asarray(places)
        if places.dtype == bool:
            places = np.flatnonzero(places)
        # Of each row no more than four bytes are kept in memory.
        kind = "int32" if len(self._spool) < 1 << 31 else "int64"
        return self._view(np.asarray(self._places, kind)[places.astype(kind)])

    def _view(self, places) -> "Rows":
        view = copy.copy(self)
        view._places = places
        return view

    def _read(self, places) -> Iterator:
        for text in self._spool.read(places):
            row, _ = _decode(text.decode("ascii"))
            if self.have_paths:
                row["path"] = Path(row["path"])
            yield row


class Joined(Sequence):
    """Sequences one behind the other, without a copy of any.

    Args:
        parts: The sequences.
    """

    def __init__(self, parts: Iterable[Sequence]):
        self._parts = list(parts)

    def __len__(self):
        return sum(map(len, self._parts))

    def __getitem__(self, place):
        for part in self._parts:
            if place < len(part):
                return part[place]
            place -= len(part)
        raise IndexError(place)

    def __iter__(self):
        return itertools.chain.from_iterable(self._parts)


class Mapped(Sequence):
    """What a function makes of each of some values, made when it is asked for.

    Args:
        values: A sequence.
        function: Takes one of them.
    """

    def __init__(self, values: Sequence, function: Callable):
        self._values, self._function = values, function

    def __len__(self):
        return len(self._values)

    def __getitem__(self, place):
        found = self._values[place]
        return Mapped(found, self._function) if isinstance(place, slice) else self._function(found)

    def __iter__(self):
        return map(self._function, self._values)


def column(rows: Sequence, name: str) -> Mapped:
    """Returns one field of all rows, read when it is asked for."""
    return Mapped(rows, operator.itemgetter(name))


def select(rows: Sequence, places: Sequence[int] | np.ndarray) -> Sequence:
    """Returns the rows at some places: of `Rows` others on disk, of a list a list."""
    if isinstance(rows, Rows):
        return rows.select(places)
    return [rows[place] for place in places]


def chunks(values: Iterable, size: int) -> Iterator[list]:
    """Yields values in lists of a size, of which the last may be shorter."""
    values = iter(values)
    while some := list(itertools.islice(values, size)):
        yield some
