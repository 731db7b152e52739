"""Text files as lines: packed or not, in any of the encodings that files announce."""

import codecs
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands.disk import bounded
from pipelines.commands.errors import UserError

# What a byte-order mark announces; Excel's "Unicode text" is UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
NOT_UTF8 = "not in UTF-8; if it is Latin-1, iconv -f latin1 -t utf-8 converts it"
BEGINNING = 1 << 16  # bytes by which the ends of lines are known


def lines(path: str | Path, most: float = math.inf) -> Iterator[str]:
    r"""Yields the lines of a text file, blank ones too, without their ends.

    Only "\n" and "\r\n" end a line: corpora hold other characters that `str.splitlines` splits at.
    A file without a single "\n" may end its lines with "\r", as old spreadsheets do.

    Args:
        path: In UTF-8, or what its byte-order mark says, and packed where the name ends in ".gz".
        most: Bytes that there may be unpacked, for who keeps them all.

    Yields:
        Lines, in which bytes of another encoding are surrogates: see `is_utf8`.

    Raises:
        UserError: It cannot be read.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a text file")
    if not path.is_file():
        is_there = path.exists() or path.is_symlink()
        raise UserError(f"{path} is no file" if is_there else f"there is no file {path}")
    longest = bounded.longest_line()
    try:
        with bounded.unpacked(path, most) as raw, io.BufferedReader(raw, BEGINNING) as file:
            start = file.peek(BEGINNING)
            mark, encoding = next((m for m in MARKS if start.startswith(m[0])), (b"", "utf-8"))
            file.read(len(mark))
            end = "\r" if b"\r" in start and b"\n" not in start else "\n"
            errors = "surrogateescape" if encoding == "utf-8" else "replace"
            with io.TextIOWrapper(file, encoding, errors, newline=end) as text:
                while line := text.readline(longest + 1):
                    if len(line) > longest:
                        size = bounded.size_name(longest)
                        raise UserError(f"{path}: a line of more than {size}")
                    yield line.removesuffix(end).removesuffix("\r")
    except (OSError, EOFError, zlib.error) as error:
        raise bounded.unreadable(path, error) from error


def is_utf8(line: str) -> bool:
    """Whether a line of `lines` has no bytes of another encoding."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_lines(path: str | Path) -> list[str]:
    """Reads the lines of a text file that has to be in UTF-8 throughout, and fit into memory.

    Args:
        path: As for `lines`.

    Raises:
        UserError: It cannot be read, or a line of it is in another encoding.
    """
    found = list(lines(path, bounded.memory() // 4))
    if not is_utf8("".join(found)):
        number = next(number for number, line in enumerate(found, 1) if not is_utf8(line))
        raise UserError(f"{Path(path).expanduser()}:{number}: {NOT_UTF8}")
    return found


def stem(path: str | Path) -> str:
    """Returns the name of a file without its ending, packed or not."""
    return Path(_unpacked(path)).stem


def ending(path: str | Path) -> str:
    """Returns the ending of a file, in lower case, whether it is packed or not."""
    return Path(_unpacked(path)).suffix.lower()


def _unpacked(path: str | Path) -> str:
    name = Path(path).name
    return name[:-3] if name.lower().endswith(".gz") else name
