"""The texts that a prediction is asked for: an argument, a file, or standard input."""

import gzip
import json
import re
import sys
import zlib
from pathlib import Path

from pipelines.commands.errors import UserError

FIELDS = ("document", "source", "text")


def read(argument, by_line=True):
    """Reads the texts that an argument means.

    Args:
        argument: "-" for standard input, the path of a file, or a text itself. What looks like a
            path, but is none, is an error: a name without spaces and with an ending, or with a
            slash other than those of a date in digits.
        by_line: Whether each line is a text, blank ones among them, or the whole is one.

    Returns:
        A list of texts; of a `.jsonl` file, the field `document`, `source` or `text` of each line,
        an empty text of a blank one. Files may be packed, their names ending in ".gz".

    Raises:
        UserError: There is no such file, it is not in UTF-8, or it holds nothing.
    """
    if not argument.strip():
        raise UserError("--input is empty: a text, a file of texts, or - for standard input")
    path = Path(argument)
    if argument == "-":
        raw, name = sys.stdin.buffer.read(), "standard input"
    elif is_file(path):
        raw, name = _read_file(path), argument
    elif looks_like_path(argument):
        raise UserError(f"there is no file {argument}")
    else:
        return argument.split("\n") if by_line else [argument]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{name}:{line}: not in UTF-8") from None
    if not text.strip():
        raise UserError(f"{name} is empty")
    if ".jsonl" in path.suffixes and argument != "-":
        return _documents(text, name)
    if not by_line:
        return [text]
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def is_file(path):
    """Whether there is such a file; a long text is no name at all."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def looks_like_path(argument):
    """Whether a user who writes this means a file."""
    if any(character.isspace() for character in argument):
        return False
    endings = (".txt", ".jsonl", ".gz", ".csv", ".tsv")
    return argument.endswith(endings) or bool(re.search(r"(?<!\d)/|/(?!\d)", argument))


def _read_file(path):
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}") from error


def _documents(text, name):
    texts = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if not line.strip():
            texts.append("")
            continue
        try:
            row = json.loads(line)
            field = next(row[field] for field in FIELDS if field in row)
        except (ValueError, TypeError, StopIteration, RecursionError):
            field = None
        if not isinstance(field, str):
            names = ", ".join(f"'{field}'" for field in FIELDS)
            raise UserError(f"{name}:{number}: expected an object with a text in one of {names}")
        if not is_unicode(field):
            raise UserError(f"{name}:{number}: an unpaired surrogate")
        texts.append(field)
    return texts


def is_unicode(text):
    """Whether a text has no unpaired surrogate, which JSON can write and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
