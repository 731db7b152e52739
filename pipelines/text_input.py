"""The texts that a prediction is asked for: an argument, a file, or standard input."""

import json
import os
import sys
from pathlib import Path

from pipelines.console import UserError


def read(argument, by_line=True):
    """Reads the texts that an argument means.

    Args:
        argument: "-" for standard input, the path of a file, or a text itself. What looks like a
            path, but is none, is an error: a name without spaces and with a slash or an ending.
        by_line: Whether each line is a text, blank ones among them, or the whole is one.

    Returns:
        A list of texts; of a `.jsonl` file, the field `document` or `source` of each line.

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
    if path.suffix == ".jsonl" and argument != "-":
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
    named = os.sep in argument or Path(argument).suffix in (".txt", ".jsonl", ".gz", ".csv", ".tsv")
    return named and not any(character.isspace() for character in argument)


def _read_file(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _documents(text, name):
    texts = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            field = next(row[field] for field in ("document", "source", "text") if field in row)
        except (ValueError, TypeError, StopIteration, RecursionError):
            field = None
        if not isinstance(field, str):
            raise UserError(f"{name}:{number}: expected an object with a text in 'document'")
        texts.append(field)
    return texts
