"""Sequences of numbers of any lengths, on disk: encoded texts, of which memory holds a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.data.caches.spool import Spool


class Ragged(Sequence):
    """Arrays of numbers of one type and of any lengths, each `(n,)`.

    Args:
        arrays: The first of them, arrays or lists.
        dtype: Their type.

    Raises:
        UserError: The disk is full.
    """

    def __init__(self, arrays: Iterable[Sequence] = (), dtype: str | np.dtype = "int32"):
        self._spool, self.dtype = Spool(), np.dtype(dtype)
        self.extend(list(arrays))

    def __len__(self):
        return len(self._spool)

    def __getitem__(self, place: int) -> np.ndarray:
        return self.take([range(len(self))[place]])[0]

    def extend(self, arrays: Sequence[Sequence]) -> None:
        """Adds arrays, best many at once."""
        if arrays:
            parts = [np.asarray(each, self.dtype) for each in arrays]
            sizes = np.array([each.size for each in parts]) * self.dtype.itemsize
            self._spool.append(np.concatenate(parts), sizes)

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        """Returns the arrays at some places."""
        return [np.frombuffer(each, self.dtype) for each in self._spool.read(places)]

    @property
    def lengths(self) -> np.ndarray:
        """The length of each, `(len(self),)`, int64."""
        return self._spool.sizes() // self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Padded:
    """Arrays of a `Ragged` as one array `(n, length)`, of which only the rows asked for are read.

    Attributes:
        arrays: The `Ragged`, or a list of arrays.
        places: `(n,)`, which of them.
        length: That to which the shorter ones are filled up.
        fill: With what.
    """

    arrays: Sequence[np.ndarray]
    places: np.ndarray
    length: int
    fill: float

    ndim = 2

    @property
    def shape(self):
        return len(self.places), self.length

    @property
    def dtype(self):
        return getattr(self.arrays, "dtype", None) or self.arrays[0].dtype

    def __len__(self):
        return len(self.places)

    def __getitem__(self, rows) -> np.ndarray:
        """Returns rows, `(B, length)`, given by a slice or an array of their numbers."""
        arrays = take(self.arrays, self.places[rows])
        padded = np.full((len(arrays), self.length), self.fill, self.dtype)
        if arrays:
            sizes = np.fromiter(map(len, arrays), "int64")
            padded[np.arange(self.length) < sizes[:, None]] = np.concatenate(arrays)
        return padded

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(dtype or self.dtype, copy=False)


def take(arrays: Sequence, places: Sequence[int]) -> list[np.ndarray]:
    """Returns arrays at some places, those of a `Ragged` all at once."""
    if isinstance(arrays, Ragged):
        return arrays.take(places)
    return [arrays[place] for place in places]
