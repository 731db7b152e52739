"""Keys of files by their content, so that what is made of one file is never taken for another."""

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import cache_root
from pipelines.commands.errors import MachineError, lack
from pipelines.data.caches.row_cache import DIGEST_BYTES, RowCache

SETTLED = 2 * 10**9  # Nanoseconds after which a file that changes has another time.
AT_ONCE = 256
MANY = 5_000


def file_keys(files: Sequence[str | Path], cache_dir: str | Path | None = None) -> list[str | None]:
    """Returns a key of the content of each file.

    What a file holds is read once, and again after any change to it: the time at which the system
    last touched it tells of all, also of those that keep its size and date.

    Args:
        files: Their paths.
        cache_dir: The cache folder; by default `cache_root()`.

    Returns:
        Texts; `None` for what is not there, or is no file.

    Raises:
        MachineError: One may not be read.
    """
    stamps = [_stamp(file) for file in files]

    def compute(positions: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(positions), AT_ONCE):
                some = positions[start : start + AT_ONCE]
                digests = list(pool.map(lambda i: _digest(files[i]), some))
                there = [(i, found) for i, found in zip(some, digests, strict=True) if found]
                if there:
                    numbers, found = zip(*there, strict=True)
                    rows = np.frombuffer(b"".join(found), "uint8").reshape(-1, DIGEST_BYTES)
                    yield list(numbers), rows

    known = RowCache(Path(cache_dir or cache_root()) / "digests", (DIGEST_BYTES,), "uint8")
    settled = [stamp if stamp and is_settled else None for stamp, is_settled in stamps]
    description = "reading files" if len(files) > MANY else ""
    digests, rows = known.rows(settled, compute, description)
    found = [digests[row].tobytes() if row >= 0 else None for row in rows]
    for place, (stamp, is_settled) in enumerate(stamps):
        if stamp and not is_settled:
            found[place] = _digest(files[place])
    return [each and each.hex() for each in found]


def _stamp(file: str | Path) -> tuple[str | None, bool]:
    """What changes with a file, and whether it has not just been changed."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None, False
    if not stat.S_ISREG(status.st_mode):
        return None, False
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    stamp = "|".join(map(str, (os.path.abspath(file), *numbers)))
    return stamp, time.time_ns() - status.st_ctime_ns > SETTLED


def _digest(file: str | Path) -> bytes | None:
    try:
        with open(file, "rb") as content:
            whole = hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES))
            return whole.digest()
    except OSError as error:
        if lack(error):
            raise MachineError(f"cannot read {file}: {error.strerror}") from error
        return None
