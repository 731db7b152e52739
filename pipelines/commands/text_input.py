"""The texts that a prediction is asked for: an argument, a file, or standard input."""

import json
import os
import sys
import unicodedata
from pathlib import Path

from pipelines.commands.disk import bounded
from pipelines.commands.errors import UserError

FIELDS = ("document", "source", "text")
ENDINGS = (".txt", ".jsonl", ".gz", ".csv", ".tsv")  # Of files that hold texts.


def read(argument, by_line=True, tokens=False):
    """Reads the texts that an argument means.

    Args:
        argument: "-" for standard input, the path of a file, or a text itself, which may have
            slashes. What can only be a path, but is none, is an error: see `looks_like_path`.
        by_line: Whether each line is a text, blank ones among them, or the whole is one.
        tokens: Whether a line of a `.jsonl` file may have `tokens`, a list, in place of a text.

    Returns:
        A list of texts; of a `.jsonl` file, the field `document`, `source` or `text` of each line,
        or its tokens, and an empty text of a blank one. Files may be packed, their names ending in
        ".gz".

    Raises:
        UserError: There is no such file, it is not in UTF-8, or it holds nothing; or standard input
            is closed.
    """
    if not argument.strip():
        raise UserError("--input is empty: a text, a file of texts, or - for standard input")
    path = Path(os.path.expanduser(argument))
    if argument == "-":
        raw, name = _read_standard_input(), "standard input"
    elif is_file(path):
        raw, name = bounded.read(path), argument
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
        return _documents(text, name, tokens)
    if not by_line:
        return [text]
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def is_file(path):
    """Whether there is such a file; a word that is also the name of a folder here is a text."""
    try:
        return path.exists() and not (path.is_dir() and len(path.parts) == 1)
    except (OSError, ValueError):  # A long text is no name at all.
        return False


def looks_like_path(argument):
    """Whether who writes this means a file: "./notes", "notes.txt", but not "N/A" or a URL."""
    if "://" in argument or any(character.isspace() for character in argument):
        return False
    return argument.endswith(ENDINGS) or argument.startswith(("./", "../", "~/"))


def _read_standard_input():
    if sys.stdin is None:
        raise UserError("standard input is closed: give a text, or a file of texts, as --input")
    if sys.stdin.buffer.isatty():
        print("reading from the terminal, up to Ctrl-D", file=sys.stderr)
    return bounded.read_stream(sys.stdin.buffer, "standard input")


def is_tokens(value):
    """Whether this is the words of a text: a list of texts, none of them blank."""
    texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return texts and bool(value) and all(map(str.strip, value))


def _documents(text, name, tokens):
    texts, fields = [], ("tokens", *FIELDS) if tokens else FIELDS
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if not line.strip():
            texts.append("")
            continue
        try:
            row = json.loads(line)
            field = next(field for field in fields if field in row)
            found = row[field]
        except (ValueError, TypeError, StopIteration, RecursionError):
            field = found = None
        if not (is_tokens(found) if field == "tokens" else isinstance(found, str)):
            names = ", ".join(f"'{field}'" for field in FIELDS)
            words = ", or a list of texts in 'tokens'" if tokens else ""
            raise UserError(
                f"{name}:{number}: expected an object with a text in one of {names}{words}"
            )
        if not all(map(is_unicode, found if field == "tokens" else [found])):
            raise UserError(f"{name}:{number}: an unpaired surrogate")
        texts.append(found)
    return texts


def is_unicode(text):
    """Whether a text has no unpaired surrogate, which JSON can write and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def nfc(text):
    """A text with its accents composed, as names that look equal are to be equal."""
    return unicodedata.normalize("NFC", text)
