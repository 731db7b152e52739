"""Files of JSON: an object a line, or one list, table or collection of objects."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands.disk import bounded
from pipelines.commands.errors import UserError
from pipelines.data.formats import text_files
from pipelines.data.split_names import split_of

# No other way leads one half of a pair into a text: UTF-8 has none.
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
WRAPPERS = ("data", "rows", "examples", "items", "records")
SPLIT = "split"

Records = Iterator[tuple[str, object]]
"""The place of each record in its file, and the record: an object, or a `ValueError` in its stead
that says what is wrong."""


def records(path: Path) -> Records:
    """Yields what each line of a file holds, of those that are not blank.

    Raises:
        UserError: It cannot be read.
    """
    for number, line in enumerate(text_files.lines(path), 1):
        if line and not line.isspace():
            yield f"{path}:{number}", _parse(line)


def whole(path: Path) -> object:
    """Returns what a JSON file holds, which has to fit into memory.

    Raises:
        UserError: It cannot be read.
        ValueError: It is not one JSON value.
    """
    text = "\n".join(text_files.lines(path, bounded.memory() // 4))
    value = _parse(text)
    if isinstance(value, ValueError):
        raise value
    return value


def records_of_whole(path: Path) -> Records:
    """Yields the objects of a JSON file, whichever way it holds them.

    That is a list of objects, one such list in an object, a list for each split, a dict of columns,
    or, whatever the ending says, an object a line.

    Raises:
        UserError: It cannot be read, or is no JSON.
    """
    try:
        value = whole(path)
    except ValueError as error:
        first = next(records(path), (path, error))[1]
        if isinstance(first, ValueError):
            raise UserError(
                f"{path}: not JSON, neither as a whole ({_brief(error)}) nor line by line"
            ) from None
        yield from records(path)
        return
    for number, each in enumerate(_objects(value), 1):
        yield f"{path}: {number}", each


def _objects(value) -> list:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return [value]
    parts = [(key, part) for key, part in value.items() if split_of(key) and _are_objects(part)]
    if parts:
        return [{SPLIT: key, **each} for key, part in parts for each in part]
    inner = next((value[key] for key in WRAPPERS if _are_objects(value.get(key))), None)
    if inner is not None:
        return inner
    columns = list(value.values())
    if columns and all(isinstance(each, dict) for each in columns):
        if len({tuple(each) for each in columns}) == 1 and not _is_deep(columns[0]):
            keys = columns[0]  # As pandas writes a table: {"text": {"0": ...}}.
            return [{name: column[key] for name, column in value.items()} for key in keys]
        return [{"file_name": key, **each} for key, each in value.items()]
    are_lists = columns and all(isinstance(each, list) for each in columns)
    if are_lists and len({len(each) for each in columns}) == 1:
        return [dict(zip(value, each, strict=True)) for each in zip(*columns, strict=True)]
    return [value]


def _are_objects(value) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _is_deep(value: dict) -> bool:
    """Whether the keys are names of fields rather than numbers of rows."""
    return not all(str(key).isdecimal() for key in value)


def _parse(text: str):
    if not text_files.is_utf8(text):
        return ValueError(text_files.NOT_UTF8)
    try:
        value = json.loads(text)
    except RecursionError:
        return ValueError("not JSON: nested too deep")
    except ValueError as error:
        return ValueError(f"not JSON: {error}")
    if SURROGATE.search(text) and not text_files.is_utf8(json.dumps(value, ensure_ascii=False)):
        return ValueError("an unpaired surrogate")
    return value


def _brief(error: ValueError) -> str:
    return str(error).removeprefix("not JSON: ")
