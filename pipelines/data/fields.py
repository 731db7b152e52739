"""The fields of examples, found in records under whatever names data sets give them."""

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.commands.text_input import is_unicode
from pipelines.data.annotations import literals

INNER = ("raw", "text", "caption", "sentence")
"""Keys of the text in an object that stands in the place of a text."""
PATHS = ("path", "file_name", "filename")
"""Keys of the name in an object that stands in the place of a file."""


@dataclass(frozen=True, eq=False)  # By identity: a million records ask for the same ones.
class Field:
    """What one field of an example holds, and where it is found.

    Attributes:
        names: Columns or keys that may hold it, the first that is there counts, in any case; a path
            such as "captions/text" goes into an object.
        kind: `str` for a text, `list` for a list of texts, `(str, list)` for either.
        is_file: Whether it names a file of the data set.
        is_label: Whether it is a label, which may be a number.
        optional: Whether an example may lack it.
    """

    names: tuple[str, ...]
    kind: type | tuple[type, ...] = str
    is_file: bool = False
    is_label: bool = False
    optional: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is neither a file nor a label."""
        return not (self.is_file or self.is_label)


Fields = Mapping[str, Field]


def find(names: Iterable[str], fields: Fields) -> dict[str, str]:
    """Returns for each field the column that holds it, as far as there is one."""
    return dict(_find(tuple(names), tuple(fields.items())))


def missing(names: Iterable[str], fields: Fields) -> list[str]:
    """Returns the fields that no column holds and that no example may lack."""
    found = find(names, fields)
    return [name for name, field in fields.items() if not field.optional and name not in found]


def row(record: Mapping, fields: Fields) -> dict:
    """Makes a row of a record: its fields, and what else it holds under other names.

    Args:
        record: A line of a file.
        fields: Those of the row.

    Raises:
        ValueError: Why the record is no example, in a few words that fit others as well.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"expected an object, found {kind(record)}")
    found, values = find(record, fields), {}
    for name, field in fields.items():
        if name not in found:
            if field.optional:
                continue
            raise ValueError(f"field '{name}' is missing")
        values[name] = _value(name, field, _get(record, found[name]))
    used = {column.partition("/")[0] for name, column in found.items() if column != name}
    return {**{key: value for key, value in record.items() if key not in used}, **values}


def as_list(value) -> list:
    """Returns a list, also one that a table holds as a text: `["a", "b"]` or `['a' 'b']`."""
    if isinstance(value, str) and value.strip()[:1] == "[" and value.strip()[-1:] == "]":
        parsed = literals.parse_or_text(value.strip())
        return parsed if isinstance(parsed, list) else [value]
    return list(value) if isinstance(value, list | tuple) else [value]


def kind(value) -> str:
    """Says what a JSON value is."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {dict: "an object", list: "a list", str: "a text"}
    return kinds.get(type(value), "a number")


def _value(name: str, field: Field, value):
    if field.is_label:
        return _labels(name, field, value)
    if field.is_file:
        return _file(name, value)
    if field.kind is str:
        return _text(name, value)
    texts = [_inner(each) for each in as_list(value)]
    if field.kind is not list and isinstance(value, str) and texts == [value]:
        return _text(name, value)
    texts = [_text(name, text) for text in texts if not _is_empty(text)]
    if not texts:
        raise ValueError(f"field '{name}' is empty")
    return texts


def _file(name: str, value) -> str:
    if isinstance(value, Mapping):  # As the `datasets` library writes media.
        value = _first(value, PATHS)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return _text(name, str(value) if is_number else value)


def _labels(name: str, field: Field, value) -> str | list[str]:
    """A label, or a list of them, which may be empty."""
    if field.kind is str:
        return _label(name, value)
    values = as_list(value)
    is_list = isinstance(value, list | tuple) or values != [value]
    return [_label(name, each) for each in values] if is_list else _label(name, value)


def _label(name: str, value) -> str:
    """A label; a whole number is the text of it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int):
        value = str(value).lower()
    if isinstance(value, float) and value == value:
        raise ValueError(f"field '{name}' is a number between classes")
    return unicodedata.normalize("NFC", _text(name, value).strip())


def _text(name: str, value) -> str:
    if _is_empty(value):
        raise ValueError(f"field '{name}' is empty")
    if not isinstance(value, str):
        raise ValueError(f"field '{name}' must be a text, not {kind(value)}")
    if not is_unicode(value):
        raise ValueError(f"field '{name}' has an unpaired surrogate")
    return value


def _inner(value):
    has_one = isinstance(value, Mapping) and not value.keys().isdisjoint(INNER)
    return _first(value, INNER) if has_one else value


def _first(value: Mapping, keys: Iterable[str]):
    return next((value[key] for key in keys if value.get(key)), None)


def _is_empty(value) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value  # NaN is what tables hold for nothing.


def _get(record: Mapping, column: str):
    if column in record:
        return record[column]
    value = record
    for key in column.split("/"):
        if isinstance(value, list | tuple):  # A list of objects, each with the key.
            value = [each.get(key) if isinstance(each, Mapping) else None for each in value]
        else:
            value = value.get(key) if isinstance(value, Mapping) else None
    return value


@functools.lru_cache(256)
def _find(names: tuple[str, ...], fields: tuple[tuple[str, Field], ...]) -> tuple:
    known = {_plain(name): name for name in reversed(names)}
    found = []
    for name, field in fields:
        for wanted in field.names:
            first, slash, rest = wanted.partition("/")
            column = known.get(_plain(wanted)) or known.get(_plain(first))
            if column is not None:
                is_whole = _plain(column) == _plain(wanted)
                found.append((name, column if is_whole else column + slash + rest))
                break
    return tuple(found)


def _plain(name) -> str:
    return re.sub(r"[-\s]+", "_", str(name).strip().strip("\"'").casefold())
