"""A preparation small enough to be looked through: the squares of numbers, in records of two."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from pipelines.commands import options
from pipelines.data.fields import Field
from pipelines.data.prepared import making
from pipelines.data.prepared.folder import open_splits
from pipelines.data.prepared.preparation import Preparation

COUNTS = {"train": 23, "validation": 5, "test": 3}
LEFT_OUT = (7, 11)


@dataclass(frozen=True, kw_only=True)
class Config(options.Data):
    APPLICATION: ClassVar = "squares"
    PREPARED: ClassVar = "power backbone"
    PATHS: ClassVar = "backbone"

    dataset: str = "numbers"
    power: int = 2
    backbone: str | None = None


class Squares(Preparation):
    """Of row n: n copies of its square, and its name in bytes; two rows are left out."""

    CONFIG = Config
    calls: ClassVar = []

    @classmethod
    def read(cls, config, folder):
        cls.calls.append("read")
        rows = {
            split: [{"name": f"{split} {number}", "number": number} for number in range(count)]
            for split, count in COUNTS.items()
        }
        return config, rows, {"of": "numbers"}

    def examples(self, split, rows):
        for place, row in enumerate(rows):
            self.calls.append(row["name"])
            number = row["number"]
            if split == "train" and number in LEFT_OUT:
                yield place, "unlucky"
                continue
            copies = np.full(number, number**self.config.power, "int32")
            name = np.frombuffer(row["name"].encode(), "uint8")
            yield (
                place,
                [{"copies": copies, "number": np.array(number, "int32")}, {"letters": name}],
            )

    def finish(self, splits):
        (self.folder / "sum.txt").write_text(str(sum(splits["train"].column("number"))))


def arguments(output, **others):
    usual = {"shard_size": 0.0005, "runner": None, "beam_options": None}
    return SimpleNamespace(output=str(output), **{**usual, **others})


def prepare(output, config=None, **others):
    return making.prepare(Squares, config or Config(), arguments(output, **others))


def opened(folder, wanted=tuple(COUNTS)):
    return open_splits(str(folder), "squares", {"name": Field(("name",))}, wanted)
