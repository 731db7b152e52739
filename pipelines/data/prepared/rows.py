"""The rows of a prepared split, and the arrays that were made of them, read when asked for."""

import copy
import dataclasses
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.commands.disk import prepared_data
from pipelines.commands.errors import UserError, reading
from pipelines.data.fields import Fields
from pipelines.data.prepared.records import ROW, Kind, decode
from pipelines.data.prepared.shards import Shards
from pipelines.data.ragged import Ragged

MEDIA = "media"  # The files of held-out examples, which are drawn beside what is found.


class PreparedRows(Sequence):
    """Rows of a prepared split, or some of them. Nothing of an example stays in memory.

    An index gives a new dict, a slice other `PreparedRows`. What a row was made into are one or
    several records, of which the first holds the row itself.

    Attributes:
        folder: The folder of the prepared examples.
        split: The name of the split.
        starts: The number of the first record of each row, `(N,)`.
        facts: What else the application has to know of the folder.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        records: Shards,
        kinds: Mapping[str, Kind],
        columns: Mapping[str, np.ndarray],
        starts: np.ndarray,
        facts: Mapping[str, Any],
    ):
        self.folder, self.split, self.starts, self.facts = folder, split, starts, facts
        self._ends = np.append(starts[1:], len(records))
        self._records, self._kinds, self._columns = records, kinds, columns
        self._fields: dict[str, type | tuple[type, ...]] = {}

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return self.select(place)
        return self._row(int(self.starts[operator.index(place)]))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._row, map(int, self.starts))

    def select(self, places: slice | np.ndarray) -> "PreparedRows":
        """Returns the rows at some places."""
        chosen = copy.copy(self)
        chosen.starts, chosen._ends = self.starts[places], self._ends[places]
        return chosen

    @property
    def bounds(self) -> Iterator[tuple[int, int]]:
        """The first record of each row, and the one after its last."""
        return zip(self.starts, self._ends, strict=True)

    def check_fields(self, fields: Fields) -> None:
        """Has every row that is read from here on looked at: whether it has these fields.

        Raises:
            UserError: The first has not.
        """
        self._fields = {name: each.kind for name, each in fields.items()}
        needed = [name for name, each in fields.items() if not each.optional]
        missing = [name for name in needed if name not in self[0]]
        if missing:
            raise UserError(
                f"{self.folder} was prepared for another task: its examples for {self.split} have "
                f"no '{missing[0]}'"
            )

    def fact(self, name: str, kind: Callable) -> Any:
        """Returns one of the facts.

        Args:
            name: Its name.
            kind: Takes what is there and returns it, or raises for what is none.

        Raises:
            UserError: It is not there, or is none.
        """
        with reading(self.folder / prepared_data.FILE, "a description of prepared examples"):
            return kind(self.facts[name])

    def serves(self, config: Any, names: Sequence[str]) -> bool:
        """Whether the arrays were made as a configuration has it.

        Args:
            config: The configuration.
            names: The options that decide about these arrays.

        Returns:
            Whether they can be used. Else there are the files of the rows, of a held-out split.

        Raises:
            UserError: They cannot, and it is the training split.
        """
        if prepared_data.agrees(config, self.folder, names):
            return True
        if self.split == "train":
            prepared_data.check(dataclasses.replace(config, dataset=str(self.folder)))
        return False

    def array(self, name: str) -> "PreparedArray":
        """Returns what the records of the whole split have under a name.

        Raises:
            UserError: They have nothing.
        """
        if name not in self._kinds:
            raise UserError(f"{self.folder} holds no '{name}' of {self.split}")
        return PreparedArray(self._records, name, self._kinds[name])

    def ragged(self, name: str) -> "PreparedRagged":
        """Returns the same as numbers of any length, with their lengths."""
        return PreparedRagged(self.array(name), self.column(name))

    def column(self, name: str) -> np.ndarray:
        """Returns the number that each record of the split has under a name, `(M,)`.

        Of an array it is the first size, 0 where a record has none.
        """
        if name not in self._columns:
            raise UserError(f"{self.folder} holds no '{name}' of {self.split}")
        return self._columns[name]

    def _row(self, record: int) -> dict[str, Any]:
        row = json.loads(_read(self._records, record, ROW))
        for field, kind in self._fields.items():
            if field in row and not isinstance(row[field], kind):
                raise UserError(f"{self.folder}: '{field}' of a row is {str(row[field])[:40]!r}")
        if field := self.facts.get("media"):
            path = self._path(row.get(field))
            row[field] = path if field == "path" else str(path)
        return row

    def _path(self, name) -> Path:
        """The path of a file that lies in the folder; of training examples none does."""
        if not isinstance(name, str) or "/" in name or "\0" in name or name in ("", ".", ".."):
            raise UserError(
                f"{self.folder}: '{str(name)[:80]}' names no file of a prepared example"
            )
        return self.folder / MEDIA / self.split / name


class PreparedArray:
    """Arrays of records, read by the numbers of these.

    Attributes:
        shape: `(M, ...)`; the size after the first is `None` where it differs between records.
        dtype: Their type.
    """

    def __init__(self, records: Shards, name: str, kind: Kind):
        self._records, self._name, self._kind = records, name, kind
        self.shape, self.dtype = (len(records), *kind.shape), np.dtype(kind.dtype)

    def __len__(self):
        return len(self._records)

    def __getitem__(self, numbers) -> np.ndarray | list[np.ndarray]:
        """Returns the array of one record; or of several, a list of them where sizes differ."""
        if np.ndim(numbers) == 0:
            return self._read(int(numbers))
        found = [self._read(int(number)) for number in numbers]
        return found if None in self._kind.shape else np.stack(found)

    def _read(self, number: int) -> np.ndarray:
        try:
            return self._kind.parse(_read(self._records, number, self._name))
        except ValueError as error:
            raise UserError(f"record {number} of prepared examples is damaged: {error}") from error


class PreparedRagged(Ragged):
    """Numbers of any length, as a `Ragged` has them.

    Args:
        arrays: What the records of a split have under a name.
        lengths: The length of each, `(M,)`.
    """

    def __init__(self, arrays: PreparedArray, lengths: np.ndarray):
        self._arrays, self._lengths, self.dtype = arrays, lengths, arrays.dtype

    def __len__(self):
        return len(self._arrays)

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        """Returns the arrays at some places."""
        return [self._arrays[place] for place in places]

    @property
    def lengths(self) -> np.ndarray:
        """The length of each, `(M,)`, int64."""
        return self._lengths.astype("int64")


def _read(records: Shards, number: int, name: str) -> bytes:
    try:
        return decode(records[number], name)
    except UserError:
        raise
    except Exception as error:  # Of protocol buffers, which have exceptions of their own.
        raise UserError(f"record {number} of prepared examples is damaged: {error}") from error
