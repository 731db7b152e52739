"""Files of JSON objects, one a line: read, and checked line by line."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.commands.text_input import is_unicode

KINDS = {str: "a text", list: "a list of texts", (str, list): "a text or a list of texts"}
# No other way leads one half of a pair into a text: UTF-8 has none.
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Fields = Mapping[str, type | tuple[type, ...]]


def read(
    path: Path,
    fields: Fields,
    complaint: Callable[[dict], str | None] | None = None,
    may_be_blank: str | None = None,
) -> list[dict]:
    """Reads and checks a file of objects, one a line.

    Args:
        path: A `.jsonl` or `.jsonl.gz`.
        fields: The fields each line must have: `str` for a text, `list` for a list of texts,
            `(str, list)` for either, none of them empty. Other fields are kept as they are.
        complaint: Returns what else is wrong with an object that has the fields, or None.
        may_be_blank: One of the fields. Lines that have an empty text there are left out.

    Raises:
        UserError: The file is empty, or a line of it is wrong.
    """
    rows, blank = [], []
    for number, line in _lines(path):
        try:
            row = json.loads(line.decode())
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: not in UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: not JSON: {error}") from None
        if _is_blank(row, may_be_blank):
            blank.append(number)
            continue
        wrong = _complaint(row, fields)
        if not wrong and SURROGATE.search(line):
            wrong = _unpaired(row)
        if wrong := wrong or (complaint and complaint(row)):
            raise UserError(f"{path}:{number}: {wrong}")
        rows.append(row)
    if not rows:
        raise UserError(f"{path} is empty" if not blank else f"{path} has no '{may_be_blank}'")
    if blank:
        console.print(
            f"{len(blank)} of {len(blank) + len(rows)} lines have an empty '{may_be_blank}', the "
            f"first is {path}:{blank[0]}: skipped"
        )
    return rows


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the numbered lines that are not blank, without byte-order mark and line ends."""
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            for number, line in enumerate(file, 1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line := line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}") from error


def _is_blank(row, field: str | None) -> bool:
    text = row.get(field) if field and isinstance(row, dict) else None
    return isinstance(text, str) and not text.strip()


def _complaint(row, fields: Fields) -> str | None:
    """Returns what is wrong with a line's object, or None."""
    if not isinstance(row, dict):
        return f"expected an object, found {_kind(row)}"
    for field, kind in fields.items():
        if field not in row:
            return f"field '{field}' is missing"
        value = row[field]
        if not isinstance(value, kind):
            return f"field '{field}' must be {KINDS[kind]}, not {_kind(value)}"
        texts = value if isinstance(value, list) else [value]
        if not texts:
            return f"field '{field}' is an empty list"
        for text in texts:
            if not isinstance(text, str):
                return f"field '{field}' must hold texts, not {_kind(text)}"
            if not text.strip():
                return f"field '{field}' has an empty text"
    return None


def _unpaired(row: dict) -> str | None:
    """Returns which field cannot be written in UTF-8, or None."""
    for field, value in row.items():
        if not is_unicode(json.dumps([field, value], ensure_ascii=False)):
            return f"field '{field}' has an unpaired surrogate"
    return None


def _kind(value) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {dict: "an object", list: "a list", str: "a text"}
    return kinds.get(type(value), "a number")
