"""Byte strings on disk, for what a data set holds and memory need not."""

import contextlib
import os
import struct
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import cache_root
from pipelines.commands.errors import UserError
from pipelines.data.caches.row_cache import disk_errors

PLACE = np.dtype("int64")
PAIR = struct.Struct("=qq")
DENSE = 8  # places among which one is wanted, up to which all are read at once
BLOCK = 1 << 24  # bytes that are read at once


class Spool:
    """Byte strings of any lengths, kept in the order in which they were added.

    They lie in files without a name, in the cache folder or, where that cannot be written to, in
    the one for temporary files; and they are gone with the process, however it ends. They are read
    by `pread`, from any thread: pages of a memory map would count as memory of the process.

    Raises:
        UserError: There is no folder that can be written to.
    """

    def __init__(self):
        self.folder, files = _open(2)
        self._data, self._places = files
        self._count = self._size = 0
        weakref.finalize(self, _close, files)
        self._write(self._places, np.zeros(1, PLACE))

    def __len__(self):
        return self._count

    def append(self, joined: bytes | np.ndarray, sizes: Sequence[int]) -> None:
        """Adds byte strings.

        Args:
            joined: All of them, one behind the other.
            sizes: The bytes of each.

        Raises:
            UserError: The disk is full.
        """
        ends = self._size + np.cumsum(sizes, dtype=PLACE)
        self._write(self._data, joined)
        self._write(self._places, ends)
        self._count += len(ends)
        self._size = int(ends[-1]) if len(ends) else self._size

    def read(self, places: Sequence[int]) -> list[bytes]:
        """Returns the byte strings at some places, in the order of the places."""
        if not len(places):
            return []
        places = np.asarray(places)
        first, last = int(places.min()), int(places.max())
        if last - first < DENSE * len(places):
            bounds = self._bounds(first, last + 1)
            start, size = int(bounds[0]), int(bounds[-1] - bounds[0])
            if size <= BLOCK:
                block = os.pread(self._data.fileno(), size, start)
                begins, ends = (bounds[places - first + i] - start for i in (0, 1))
                pairs = zip(begins.tolist(), ends.tolist(), strict=True)
                return [block[begin:end] for begin, end in pairs]
        return [self._read_one(place) for place in places.tolist()]

    def sizes(self) -> np.ndarray:
        """Returns the bytes of each, `(len(self),)`."""
        return np.diff(self._bounds(0, len(self)))

    def _read_one(self, place: int) -> bytes:
        begin, end = PAIR.unpack(os.pread(self._places.fileno(), PAIR.size, place * PLACE.itemsize))
        return os.pread(self._data.fileno(), end - begin, begin)

    def _bounds(self, first: int, last: int) -> np.ndarray:
        """Where those from `first` on begin, and the one before `last` ends."""
        count = last - first + 1
        found = os.pread(self._places.fileno(), count * PLACE.itemsize, first * PLACE.itemsize)
        return np.frombuffer(found, PLACE)

    def _write(self, file, content) -> None:
        left = memoryview(content).cast("B") if len(content) else b""
        with disk_errors(self.folder):
            while left:
                left = left[file.write(left) :]


def _folders() -> Iterator[Path]:
    with contextlib.suppress(UserError):
        yield cache_root()
    yield Path("/var/tmp")  # Unlike `/tmp` it is never in memory.
    yield Path(tempfile.gettempdir())


def _open(count: int):
    """The first folder that can be written to, and so many files in it."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            return folder, [tempfile.TemporaryFile(buffering=0, dir=folder) for _ in range(count)]
    raise UserError("no folder for temporary files can be written to: set ATTENTION_SUITE_CACHE")


def _close(files) -> None:
    for file in files:
        file.close()
