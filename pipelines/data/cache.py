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

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console, progress_bar

DIGEST_BYTES = 16
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)

Compute = Callable[[list[int]], Iterator[tuple[list[int], np.ndarray]]]


def root() -> Path:
    """Returns the cache folder: `$ATTENTION_SUITE_CACHE`, else `~/.cache/attention-suite`."""
    folder = os.environ.get("ATTENTION_SUITE_CACHE")
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "attention-suite"


def file_key(path: str | Path) -> str | None:
    """Returns a key that changes with the file (path, size, time), or None if there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return f"{os.path.abspath(path)}|{status.st_size}|{status.st_mtime_ns}"


def gather(array: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Copies rows out of a memory map into memory.

    Args:
        array: `(M, ...)`.
        rows: `(B,)` row numbers, none negative.

    Returns:
        A plain `(B, ...)` array.
    """
    return np.asarray(array)[rows]


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

    Two files only ever grow: the rows, and a digest of each row's key. A digest is written after
    its row is on the disk, so whatever a crash leaves behind the last digest is overwritten. One
    process at a time may write; others wait for it and then find its rows.

    Args:
        folder: Where the two files lie; one folder may hold several shapes and types.
        shape: Shape of one row.
        dtype: Type of one row.
    """

    def __init__(self, folder: str | Path, shape: Sequence[int], dtype: str):
        self.folder = Path(folder)
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        name = "x".join(map(str, self.shape)) + f"-{self.dtype.name}"
        self.rows_path = self.folder / f"{name}.rows"
        self.keys_path = self.folder / f"{name}.keys"
        self.row_bytes = self.dtype.itemsize * int(np.prod(self.shape))

    def rows(
        self, keys: Sequence[str | None], compute: Compute, description: str = "computing"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns all rows and which of them belong to the keys; computes what is missing.

        Args:
            keys: A key for each example; None stands for an example that has no row.
            compute: Takes positions in `keys` and yields, a batch at a time, positions and their
                rows `(b, *shape)`. Positions it leaves out have no row.
            description: What the progress bar says.

        Returns:
            A read-only memory map `(M, *shape)` and row numbers `(len(keys),)`, int64, -1 where
            there is no row.

        Raises:
            UserError: The disk is full or may not be written to.
        """
        digests = [None if key is None else _digest(key) for key in keys]
        index = self._index()
        if any(digest and digest not in index for digest in digests):
            with disk_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                with self._lock():
                    index = self._index()
                    self._append(digests, index, compute, description)
        rows = np.array([index.get(digest, -1) for digest in digests], np.int64)
        return self._map(len(index)), rows

    def _append(self, digests, index: dict[bytes, int], compute: Compute, description: str):
        """Computes the rows that `index` lacks, and adds them to the files and to it."""
        missing = {d: i for i, d in enumerate(digests) if d and d not in index}
        if not missing:
            return
        needed, free = len(missing) * self.row_bytes, shutil.disk_usage(self.folder).free
        if needed > free:
            raise UserError(
                f"{description} needs {needed / 1e9:.1f} GB in {self.folder}, which has "
                f"{free / 1e9:.1f} GB left: set ATTENTION_SUITE_CACHE to a folder on another disk"
            )
        with (
            _open_at(self.rows_path, len(index) * self.row_bytes) as rows_file,
            _open_at(self.keys_path, len(index) * DIGEST_BYTES) as keys_file,
            progress_bar() as progress,
        ):
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
                keys_file.write(b"".join(digests[i] for i in positions))
                keys_file.flush()
                for position in positions:
                    index[digests[position]] = len(index)
                progress.advance(task, len(positions))
            progress.update(task, completed=len(missing))

    def _index(self) -> dict[bytes, int]:
        """Returns the row of each digest whose row is whole."""
        try:
            digests = self.keys_path.read_bytes()
            count = min(
                len(digests) // DIGEST_BYTES, self.rows_path.stat().st_size // self.row_bytes
            )
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES]: i for i in range(count)}

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


def _digest(key: str) -> bytes:
    return hashlib.blake2b(os.fsencode(key), digest_size=DIGEST_BYTES).digest()


@contextlib.contextmanager
def _open_at(path: Path, length: int):
    """Opens a file cut to `length`, to go on writing at its end."""
    with open(path, "ab") as file:
        file.truncate(length)
        yield file
