"""An append-only array on disk, so that costly rows are computed once."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.commands.errors import UserError, if_interrupted
from pipelines.commands.terminal import console, progress_bar
from pipelines.data.caches import room

DIGEST_BYTES = 16
RECORD_BYTES = 2 * DIGEST_BYTES  # The digest of a row's key, and that of the row.
KEPT = "what was computed is kept, and the same command goes on from there"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)

Compute = Callable[[list[int]], Iterator[tuple[list[int], np.ndarray]]]


def gather(array: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Copies rows out of a memory map, or from the disk, into memory.

    Args:
        array: `(M, ...)`; what is no array of NumPy reads the rows that are asked of it.
        rows: `(B,)` row numbers, none negative.

    Returns:
        A plain `(B, ...)` array.
    """
    return np.asarray(array)[rows] if isinstance(array, np.ndarray) else array[rows]


def digest(content: str | bytes | np.ndarray) -> bytes:
    """Returns what tells a text, bytes or an array from any other."""
    content = os.fsencode(content) if isinstance(content, str) else content
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns a full disk, or a folder that cannot be written, into a `UserError`."""
    hint = "set ATTENTION_SUITE_CACHE to a folder on another disk"
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise UserError(f"no space left on the disk of {folder}: {hint}") from error
        if error.errno in NO_FOLDER:
            raise UserError(f"cannot write to {folder}: {hint}") from error
        raise


class RowCache:
    """Rows of one shape and type, computed once for each key and kept on disk.

    Two files only ever grow: the rows, and for each row the digests of its key and of itself. These
    are written after the row is on the disk, so whatever a crash leaves behind the last of them is
    overwritten. A row that is no longer what was written is computed again. One process at a time
    may write; others wait for it and then find its rows.

    Args:
        folder: Where the two files lie; one folder may hold several shapes and types. It is kept as
            long as this process lives, and goes as a whole when `room` needs its place.
        shape: Shape of one row.
        dtype: Type of one row.
        is_whole: Tells of a row whether what it stands for is there; that it does by default.
    """

    def __init__(
        self,
        folder: str | Path,
        shape: Sequence[int],
        dtype: str,
        is_whole: Callable[[np.ndarray], bool] | None = None,
    ):
        self.folder = Path(folder)
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.is_whole = is_whole
        name = "x".join(map(str, self.shape)) + f"-{self.dtype.name}"
        self.rows_path = self.folder / f"{name}.data"
        self.keys_path = self.folder / f"{name}.index"
        self.row_bytes = self.dtype.itemsize * int(np.prod(self.shape))

    def rows(
        self, keys: Sequence[str | None], compute: Compute, description: str = "computing"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns all rows and which of them belong to the keys; computes what is missing.

        Args:
            keys: A key for each example; None stands for an example that has no row.
            compute: Takes positions in `keys` and yields, a batch at a time, positions and their
                rows `(b, *shape)`. Positions it leaves out have no row.
            description: What the progress bar says; without a word there is none.

        Returns:
            A read-only memory map `(M, *shape)` and row numbers `(len(keys),)`, int64, -1 where
            there is no row.

        Raises:
            UserError: The disk is full or may not be written to.
        """
        digests = [None if key is None else digest(key) for key in keys]
        room.hold(self.folder)
        index, count = self._whole(set(digests))
        if any(each and each not in index for each in digests):
            with disk_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                room.hold(self.folder)
                with self._lock(), if_interrupted(f"{description}: {KEPT}"):
                    index, count = self._whole(set(digests), index)
                    count = self._append(digests, index, count, compute, description)
        rows = np.array([index.get(each, -1) for each in digests], np.int64)
        return self._map(count), rows

    def _append(self, digests, index, count, compute: Compute, description: str) -> int:
        """Computes the rows that `index` lacks, adds them to the files and to it; counts all."""
        missing = {d: i for i, d in enumerate(digests) if d and d not in index}
        if not missing:
            return count
        needed = len(missing) * self.row_bytes
        room.make_room(needed, self.folder, description)
        if needed > (free := shutil.disk_usage(self.folder).free):
            raise UserError(
                f"{description} needs {needed / 1e9:.1f} GB in {self.folder}, which has "
                f"{free / 1e9:.1f} GB left: set ATTENTION_SUITE_CACHE to a folder on another disk"
            )
        with (
            _open_at(self.rows_path, count * self.row_bytes) as rows_file,
            _open_at(self.keys_path, count * RECORD_BYTES) as keys_file,
            progress_bar() as progress,
        ):
            progress.disable = not description
            task = progress.add_task(description, total=len(missing))
            for positions, values in compute(list(missing.values())):
                values = np.ascontiguousarray(values, self.dtype)
                if values.shape != (len(positions), *self.shape):
                    raise ValueError(
                        f"Expected rows of shape {(len(positions), *self.shape)}, "
                        f"received {values.shape}."
                    )
                rows_file.write(values)
                rows_file.flush()
                os.fsync(rows_file.fileno())
                pairs = zip(positions, values, strict=True)
                keys_file.write(b"".join(digests[i] + digest(value) for i, value in pairs))
                keys_file.flush()
                for position in positions:
                    index[digests[position]] = count
                    count += 1
                progress.advance(task, len(positions))
            progress.update(task, completed=len(missing))
        return count

    def _whole(self, wanted: set, known: dict[bytes, int] | None = None):
        """Returns the row of each wanted digest whose row is as it was written, and counts all.

        Args:
            wanted: Digests of keys.
            known: What an earlier call returned: these rows were looked at.
        """
        known, found, damaged = known or {}, {}, 0
        records = self._records()
        values = self._map(len(records))
        # Of a key with several rows the last counts: those before it were damaged.
        last = {record[:DIGEST_BYTES]: number for number, record in enumerate(records)}
        for key in wanted & last.keys():
            number = last[key]
            expected = records[number][DIGEST_BYTES:]
            if known.get(key) == number or self._is_row(values[number], expected):
                found[key] = number
            else:
                damaged += 1
        if damaged:
            console.print(f"{damaged:,} damaged rows of {self.folder}: computed again")
        return found, len(records)

    def _is_row(self, value: np.ndarray, expected: bytes) -> bool:
        if digest(np.ascontiguousarray(value)) != expected:
            return False
        return self.is_whole is None or self.is_whole(value)

    def _records(self) -> list[bytes]:
        """Returns the digests of each row that is there, and of its key before it."""
        try:
            raw = self.keys_path.read_bytes()
            count = min(len(raw) // RECORD_BYTES, self.rows_path.stat().st_size // self.row_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [raw[i : i + RECORD_BYTES] for i in range(0, count * RECORD_BYTES, RECORD_BYTES)]

    def _map(self, count: int) -> np.ndarray:
        if not count:  # An empty file cannot be mapped.
            return np.empty((0, *self.shape), self.dtype)
        return np.memmap(self.rows_path, self.dtype, mode="r", shape=(count, *self.shape))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with open(self.folder / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                console.print(f"waiting for another run that fills {self.folder}")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextlib.contextmanager
def _open_at(path: Path, length: int):
    """Opens a file cut to `length`, to go on writing at its end."""
    with open(path, "ab") as file:
        file.truncate(length)
        yield file
