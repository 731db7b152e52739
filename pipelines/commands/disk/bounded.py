"""Files of strangers, read within bounds: no pipe that hangs, nothing that memory cannot hold."""

import contextlib
import gzip
import io
import itertools
import json
import os
import resource
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipelines.commands.errors import MachineError, UserError, first_line, lack, reading

LARGEST_JSON = 1 << 26
UNKNOWN_MEMORY = 4 << 30  # Where nothing tells how much there is.
_BUFFER = 1 << 20
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def memory() -> int:
    """Returns how many bytes of memory this process may still take."""
    found = [_available(), _left_of_group(), _left_of_limit()]
    known = [each for each in found if each is not None]
    return max(min(known), 0) if known else UNKNOWN_MEMORY


def check_kind(path: str | os.PathLike) -> None:
    """Raises a `UserError` for a pipe or a device, which might never end.

    What is not there passes.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise UserError(f"{path} is {name}, not a file")


def open_file(path: str | os.PathLike) -> BinaryIO:
    """Opens a file to read its bytes.

    Raises:
        UserError: It is a pipe or a device.
        OSError: It cannot be opened.
    """
    check_kind(path)
    return open(path, "rb")


def read(path: str | os.PathLike, most: float | None = None) -> bytes:
    """Reads a file, unpacked where its name ends in ".gz".

    Args:
        path: The file.
        most: As for `unpacked`.

    Raises:
        UserError: It cannot be read, or is too large.
    """
    try:
        with unpacked(path, most) as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


@contextlib.contextmanager
def unpacked(path: str | os.PathLike, most: float | None = None) -> Iterator[io.RawIOBase]:
    """Opens a file to read what is in it, unpacked where its name ends in ".gz".

    Args:
        path: The file.
        most: Bytes that there may be; by default what a quarter of the memory holds.

    Raises:
        UserError: It is a pipe or a device; or there is more, when that is read.
        OSError: It cannot be read.
    """
    most = memory() // 4 if most is None else most
    with open_file(path) as raw:
        is_packed = os.fspath(path).lower().endswith(".gz")
        content = gzip.GzipFile(fileobj=raw) if is_packed else raw
        what = f"{size_name(most)}{' unpacked' if is_packed else ''}"
        yield _Bounded(content, most, f"cannot read {path}: more than {what}")


class _Bounded(io.RawIOBase):
    """A stream of which no more than so much can be read."""

    def __init__(self, content: BinaryIO, most: float, message: str):
        self._content, self._left, self._message = content, most, message

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        block = self._content.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise UserError(self._message)
        buffer[: len(block)] = block
        return len(block)


def unreadable(path: str | os.PathLike, error: Exception) -> UserError:
    """Returns the error that says why a file cannot be read."""
    reason = getattr(error, "strerror", None) or first_line(error)
    kind = MachineError if lack(error) else UserError
    return kind(f"cannot read {path}: {reason}")


def longest_line() -> int:
    """Returns how many bytes or characters a line may have: what a part of the memory holds."""
    return memory() // 16


def read_stream(stream: BinaryIO, name: str) -> bytes:
    """Reads a stream to its end.

    Raises:
        UserError: It holds more than a quarter of the memory does.
    """
    most = memory() // 4
    content = stream.read(most + 1)
    if len(content) > most:
        raise UserError(f"{name} holds more than {size_name(most)}")
    return content


def lines(path: str | os.PathLike, most: float | None = None) -> Iterator[tuple[int, bytes]]:
    """Yields the lines of a file with their numbers, from 1 on, and with their ends.

    Args:
        path: As for `read`.
        most: As for `unpacked`.

    Raises:
        UserError: As `read`; or a line is longer than `longest_line`.
    """
    longest = longest_line()
    try:
        with unpacked(path, most) as raw, io.BufferedReader(raw, _BUFFER) as file:
            for number in itertools.count(1):
                line = file.readline(longest + 1)
                if not line:
                    return
                if len(line) > longest:
                    raise UserError(f"{path}:{number}: a line of more than {size_name(longest)}")
                yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def read_json(path: str | os.PathLike, what: str = "JSON", most: int = LARGEST_JSON) -> Any:
    """Reads a JSON file of a run.

    Args:
        path: The file.
        what: What it is to be, such as "a tokenizer".
        most: Bytes that it may have.

    Raises:
        UserError: It cannot be read, is too large, or is no JSON.
    """
    with reading(path, what), open_file(path) as file:
        content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"it has more than {size_name(most)}")
        return json.loads(content.decode())


def size_name(size: float) -> str:
    """Returns a number of bytes as people write it: "67 MB"."""
    if size == float("inf"):
        return "any size"
    power = min((len(str(int(size))) - 1) // 3, 4)
    return f"{size / 1000**power:.0f} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def _available() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = dict(line.split(":") for line in file)
        return int(found["MemAvailable"].split()[0]) << 10
    except (OSError, ValueError, KeyError):
        return None


def _left_of_group() -> int | None:
    """What a container leaves, which has a limit of its own."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / f"memory.{each}").read_text() for each in ("max", "current"))
        return None if most.strip() == "max" else int(most) - int(used)
    except (OSError, ValueError):
        return None


def _left_of_limit() -> int | None:
    """What `ulimit -v` leaves."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return most
    return most - pages * resource.getpagesize()
