"""What is to be prepared: written before the first file, so that any process can go on with it."""

import dataclasses
import functools
import json
import math
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.commands.disk import prepared_data
from pipelines.commands.disk.bounded import read_json, size_name
from pipelines.commands.disk.files import make_folder, write_json
from pipelines.commands.disk.prepared_data import VERSION
from pipelines.commands.errors import UserError, reading
from pipelines.data.prepared import shards
from pipelines.data.prepared.preparation import Preparation
from pipelines.data.prepared.records import encode
from pipelines.data.split_names import SPLITS

FILE = "unfinished.json"
FREE = ("max_skipped", "allow_outside")
SAMPLE = 16  # rows whose examples tell how large all will be
LARGEST = 1 << 20


@dataclasses.dataclass(frozen=True)
class Plan:
    """The files of a preparation.

    Attributes:
        folder: Where they go.
        asked: The configuration that was asked for.
        config: The same with what suits the data.
        facts: What else the application has to know.
        rows: How many rows each split has.
        files: How many files each split is to have.
    """

    folder: Path
    asked: Mapping[str, Any]
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    rows: Mapping[str, int]
    files: Mapping[str, int]

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Reads what `make` wrote."""
        path = folder / FILE
        found = read_json(path, "the plan of a preparation", LARGEST)
        with reading(path, "the plan of a preparation"):
            if found.pop("version") != VERSION:
                raise ValueError("it is of another version of this program")
            return cls(folder, **found)

    @classmethod
    def make(cls, kind: type[Preparation], config: Any, folder: Path, file_bytes: float) -> "Plan":
        """Reads the rows, and decides how many files they make.

        Args:
            kind: What the application does.
            config: Its configuration.
            folder: A folder without a plan.
            file_bytes: Size of a file, at most.
        """
        make_folder(folder)
        asked, (config, rows, facts) = dataclasses.asdict(config), kind.read(config, folder)
        facts |= {"media": kind.MEDIA}
        preparation, files, total = kind(config, folder, facts), {}, 0.0
        for split in SPLITS:
            with shards.writing(rows_file(folder, split)) as file:
                for row in rows[split]:
                    file.write(json.dumps(row, default=str).encode())
            some = rows[split][:: -(-len(rows[split]) // SAMPLE)]
            sizes = [
                sum(len(zlib.compress(encode(arrays, some[place]), 1)) for arrays in made)
                for place, made in preparation.examples(split, list(some))
                if not isinstance(made, str)
            ]
            expected = len(rows[split]) * sum(sizes) / max(len(sizes), 1)
            files[split] = max(min(math.ceil(expected / file_bytes), len(rows[split])), 1)
            total += expected
        if total > (free := shutil.disk_usage(folder).free):
            raise UserError(
                f"the examples take about {size_name(total)}, and the disk of {folder} has "
                f"{size_name(free)} left"
            )
        counts = {split: len(rows[split]) for split in SPLITS}
        plan = cls(folder, asked, dataclasses.asdict(config), facts, counts, files)
        values = {name: value for name, value in vars(plan).items() if name != "folder"}
        write_json(folder / FILE, {"version": VERSION, **values})
        return plan

    def check(self, config: Any) -> None:
        """Raises a `UserError` if something else is asked for than what was begun."""
        self.compare(self.folder, self.deciding, config)

    @property
    def deciding(self) -> dict[str, Any]:
        """The options that were asked for, those that decide what is written."""
        others = {*prepared_data.Preparation.__dataclass_fields__, *FREE}
        return {name: value for name, value in self.asked.items() if name not in others}

    @staticmethod
    def compare(folder: Path, asked: Mapping[str, Any], config: Any) -> None:
        """Raises a `UserError` if a folder was begun with other options than these."""
        for name, value in asked.items():
            if value != (own := getattr(config, name, None)):
                raise UserError(
                    f"{folder} was begun with {name} {value!r}, not {own!r}: give the same "
                    "options, or another --output"
                )

    def path(self, split: str, number: int) -> Path:
        """The path of a file."""
        return self.folder / shards.name_of(split, number, self.files[split])

    def bounds(self, split: str, number: int) -> range:
        """The places of the rows that a file is made of."""
        rows, files = self.rows[split], self.files[split]
        return range(rows * number // files, rows * (number + 1) // files)

    def read(self, split: str, number: int) -> list[dict]:
        """The rows that a file is made of."""
        source = _rows(self.folder, split, self.rows[split])
        return [json.loads(source[place]) for place in self.bounds(split, number)]

    @property
    def pairs(self) -> Sequence[tuple[str, int]]:
        """Split and number of each file."""
        return [(split, number) for split in SPLITS for number in range(self.files[split])]


@functools.lru_cache(1)
def _rows(folder: Path, split: str, count: int) -> shards.Shards:
    return shards.Shards([rows_file(folder, split)], [count])


def rows_file(folder: Path, split: str) -> Path:
    """The file with the rows of a split, while they are prepared."""
    return folder / f".{split}-rows.array_record"
