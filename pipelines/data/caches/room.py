"""The room that caches take on disk: what is in use stays, the least recently used goes first.

A part of the cache is a folder that goes as a whole: a made data set, or rows that belong together.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipelines.commands.disk.files import SIZE_VARIABLE, cache_root
from pipelines.commands.errors import UserError
from pipelines.commands.options import CACHE_SIZE
from pipelines.commands.terminal import console

MARK = ".used"  # A file in each part; its time is that of the last use.
LEFTOVER = 10  # Seconds after which what nobody holds is what a killed process left.
MOST_HELD = 64

_held: OrderedDict[Path, int] = OrderedDict()


@dataclass(frozen=True)
class Part:
    """A part of the cache.

    Attributes:
        path: Its folder.
        size: In bytes.
        used: When it was last used, in seconds.
    """

    path: Path
    size: int
    used: float


def hold(folder: Path) -> None:
    """Keeps a part, if it is there, as long as this process lives, and marks it as used."""
    with suppress(OSError):  # Of a cache that may only be read, nobody can take anything away.
        if folder not in _held:
            _held[folder] = _lock(folder, fcntl.LOCK_SH)
            if len(_held) > MOST_HELD:
                os.close(_held.popitem(last=False)[1])
        elif not os.path.samestat(os.fstat(_held[folder]), os.stat(folder)):
            os.close(_held.pop(folder))  # It was made anew.
            return hold(folder)
        _held.move_to_end(folder)
        (folder / MARK).touch()


def let_go(folder: Path) -> None:
    """Lets others take away what `hold` kept."""
    if folder in _held:
        os.close(_held.pop(folder))


def most() -> float:
    """Returns how many bytes the cache may take."""
    return float(os.environ.get(SIZE_VARIABLE) or CACHE_SIZE) * 1e9


def make_room(needed: int, folder: Path, description: str) -> None:
    """Removes what was used least recently until so much more fits into the cache.

    Args:
        needed: Bytes.
        folder: The part that is to grow. One outside of the cache folder is left to its owner.
        description: What they are needed for.

    Raises:
        UserError: It does not fit, even alone.
    """
    root = cache_root()
    if not folder.is_relative_to(root):
        return
    there = parts(root)
    total = sum(part.size for part in there)
    for part in sorted(there, key=lambda part: part.used):
        if total + needed <= most():
            return
        if part.path != folder and remove(part.path):
            total -= part.size
            console.print(f"removed {part.path} ({part.size / 1e9:.1f} GB): --cache-size is full")
    if total + needed > most():
        raise UserError(
            f"{description} needs {needed / 1e9:.1f} GB, and what is in use of {root} takes "
            f"{total / 1e9:.1f} GB: --cache-size {(total + needed) / 1e9 + 1:.0f} allows as many GB"
        )


def parts(root: Path) -> list[Part]:
    """Returns the parts of a cache, in the order of their paths."""
    return [_part(mark.parent) for mark in sorted(root.rglob(MARK))]


def remove(folder: Path) -> bool:
    """Removes a part, unless somebody holds it; returns whether it is gone."""
    with suppress(OSError):
        lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            # Under another name first: what is half gone is never found.
            going = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
            folder.rename(going)
            shutil.rmtree(going, ignore_errors=True)
        finally:
            os.close(lock)
    return not folder.exists()


def sweep(folder: Path) -> None:
    """Removes what killed processes left unfinished in a folder."""
    for path in folder.glob(".*-*"):
        with suppress(OSError):
            if path.is_dir() and time.time() - path.stat().st_mtime > LEFTOVER:
                remove(path)


def _lock(folder: Path, kind: int) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def size_of(path: Path) -> int:
    """Returns how many bytes a file, or all of a folder, takes."""
    return sum(_sizes(path))


def _sizes(path: Path) -> Iterator[int]:
    if path.is_dir() and not path.is_symlink():
        for base, _, names in os.walk(path):
            for name in names:
                with suppress(OSError):
                    yield os.lstat(os.path.join(base, name)).st_size
    else:
        with suppress(OSError):
            yield path.lstat().st_size


def _part(folder: Path) -> Part:
    used = 0.0
    with suppress(OSError):
        used = (folder / MARK).stat().st_mtime
    return Part(folder, size_of(folder), used)
