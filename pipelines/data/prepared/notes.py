"""What is known of a file of prepared examples: written after it, and the sign that it is whole."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipelines.commands.disk.files import replacing
from pipelines.data.prepared.records import Kind

WORDS, STARTS = "/words", "/starts"  # Beside the names of arrays, none of which has a slash.


@dataclass
class Notes:
    """Of one file.

    Attributes:
        kinds: The kinds of its arrays, by their names.
        starts: For each row the number of its first record.
        left_out: For each row that was left out its place and the reason.
        records: How many there are.
        size: Of the file, in bytes.
        sha256: Of the file.
    """

    PATTERN: ClassVar[str] = "*-of-*.npz"

    kinds: dict[str, Kind] = field(default_factory=dict)
    starts: Any = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    records: int = 0
    size: int = 0
    sha256: str = ""
    _columns: Any = field(default_factory=dict)

    def begin_row(self) -> None:
        """The next record is the first of a row."""
        self.starts.append(self.records)

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes note of a record."""
        for name, array in arrays.items():
            kind = Kind.of(array)
            known = self.kinds.get(name)
            self.kinds[name] = known.joined(kind) if known else kind
            column = self._columns.setdefault(name, [])
            column += [0] * (self.records - len(column))  # Of records without this array.
            column.append(len(array) if array.ndim else array.item())
        self.records += 1

    def column(self, name: str, kind: Kind) -> np.ndarray:
        """The number that each record has under a name, see `PreparedRows.column`."""
        found = np.asarray(self._columns.get(name, []), kind.column_type)
        return np.pad(found, (0, self.records - len(found)))

    def save(self, path: Path) -> None:
        """Writes all this beside the file, whose digest is taken."""
        self.size = path.stat().st_size
        self.sha256 = _digest(path)
        kinds = {name: [kind.dtype, list(kind.shape)] for name, kind in self.kinds.items()}
        words = [kinds, self.left_out, self.records, self.size, self.sha256]
        columns = {name: self.column(name, kind) for name, kind in self.kinds.items()}
        columns |= {WORDS: json.dumps(words), STARTS: np.array(self.starts, "int64")}
        with replacing(path.with_suffix(".npz")) as temporary:
            np.savez(temporary, **columns)

    @classmethod
    def load(cls, path: Path) -> "Notes":
        """Reads what `save` wrote.

        Raises:
            OSError: It is not there.
            ValueError: It is damaged.
        """
        try:
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as found:
                columns = dict(found)
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(str(error)) from error
        kinds, left_out, *counts = json.loads(str(columns.pop(WORDS)))
        kinds = {name: Kind.load(kind) for name, kind in kinds.items()}
        return cls(kinds, columns.pop(STARTS), left_out, *counts, columns)


def is_whole(path: Path) -> bool:
    """Whether a file is there as it was written."""
    try:
        notes = Notes.load(path)
        return path.stat().st_size == notes.size and _digest(path) == notes.sha256
    except (OSError, ValueError, KeyError):
        return False


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
