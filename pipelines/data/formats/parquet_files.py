"""Parquet files, as Hugging Face keeps its data sets."""

import hashlib
import json
from pathlib import Path

from pipelines.commands.disk.files import replacing
from pipelines.commands.errors import UserError, first_line
from pipelines.data import fields as of_rows
from pipelines.data import inside
from pipelines.data.caches import room
from pipelines.data.caches.row_cache import disk_errors
from pipelines.data.fields import Fields
from pipelines.data.formats import tables
from pipelines.data.formats.json_lines import Records

# What the bytes of a file begin with.
SIGNS = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tiff",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff\xfb": ".mp3",
    b"\xff\xf3": ".mp3",
}
AT_ONCE = 512  # records


def records(path: Path, fields: Fields) -> Records:
    """Yields the records of a Parquet file, its numbers of classes as their names.

    Of a record only the columns that may hold the fields are read, and what tells its split.

    Raises:
        UserError: It cannot be read, or lacks a column.
    """
    file = _open(path)
    names = file.schema_arrow.names
    if of_rows.missing(names, fields):
        raise UserError(tables.complaint(path, names, fields))
    used = dict.fromkeys(
        column.partition("/")[0] for column in of_rows.find(names, fields).values()
    )
    others = [name for name in names if name not in used and _is_small(file, name)]
    media = {
        column.partition("/")[0]
        for field, column in of_rows.find(names, fields).items()
        if fields[field].is_file
    }
    classes, number = _classes(file.schema_arrow.metadata), 0
    try:
        for batch in file.iter_batches(AT_ONCE, columns=[*used, *others]):
            for record in batch.to_pylist():
                number += 1
                for column, known in classes.items():
                    if column in record:
                        record[column] = _class_of(record[column], known)
                for column in media:
                    record[column] = _kept(record[column])
                yield f"{path}: {number}", record
    except (OSError, ValueError) as error:  # Arrow's own are of these.
        raise UserError(f"cannot read {path}: {first_line(error)}") from error


def header(path: Path) -> list[str]:
    """Returns the names of the columns of a file.

    Raises:
        UserError: It cannot be read.
    """
    return list(_open(path).schema_arrow.names)


def keep(value: bytes) -> str:
    """Writes the bytes of an image or audio file into the cache; returns the path."""
    ending = next((end for sign, end in SIGNS.items() if value.startswith(sign)), ".bin")
    if value[:4] == b"RIFF":
        ending = ".webp" if value[8:12] == b"WEBP" else ".wav"
    digest = hashlib.sha256(value).hexdigest()
    path = inside.extracted() / digest[:2] / f"{digest}{ending}"
    room.hold(inside.extracted())
    if not path.is_file() or path.stat().st_size != len(value):
        with disk_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(value)
    return str(path)


def _kept(value):
    """The path of a file that a cell holds, as bytes or in an object; what else it holds."""
    if isinstance(value, dict) and value.get("bytes"):
        value = value["bytes"]
    return keep(value) if isinstance(value, bytes) else value


def _open(path: Path):
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError(f"{path}: Parquet files need pyarrow: pip install pyarrow") from None
    try:
        return parquet.ParquetFile(path)
    except Exception as error:  # Arrow has an error of its own for each way to be damaged.
        raise UserError(f"{path} is no Parquet file: {first_line(error)}") from error


def _is_small(file, name: str) -> bool:
    """Whether a column holds texts or numbers, rather than media or vectors."""
    kind = str(file.schema_arrow.field(name).type)
    return kind in ("string", "large_string", "bool") or kind.startswith(("int", "uint"))


def _classes(metadata) -> dict[str, list[str]]:
    """The names of the classes of columns, as the `datasets` library writes them."""
    try:
        found = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    known = {}
    for column, feature in found.items() if isinstance(found, dict) else ():
        for _ in range(2):  # Of one, of a list as a feature of a feature, or of a list of one.
            if isinstance(feature, list) and feature:
                feature = feature[0]
            elif isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
                feature = feature["feature"]
        if isinstance(feature, dict) and isinstance(feature.get("names"), list):
            known[column] = [str(name) for name in feature["names"]]
    return known


def _class_of(value, names: list[str]):
    if isinstance(value, list):
        return [_class_of(each, names) for each in value]
    is_class = isinstance(value, int) and 0 <= value < len(names)
    if isinstance(value, int) and not is_class:
        return None  # -1 is what a test split without labels has.
    return names[value] if is_class else value
