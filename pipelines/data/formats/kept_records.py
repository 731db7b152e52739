"""Records of a file that holds all splits: read once, kept on disk, given split by split."""

import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pipelines.data.formats.json_lines import Records
from pipelines.data.rows import Rows


def by_split(records: Iterable[tuple[str, str, object]]) -> dict[str, Callable[[], Records]]:
    """Parts records by their splits, which come in the order in which they come up.

    Args:
        records: The split, the place and the value of each, or a `ValueError` in its stead.

    Returns:
        For each split what gives its records.
    """
    numbers, told = {}, bytearray()

    def values() -> Iterator[list]:
        for split, where, record in records:
            told.append(numbers.setdefault(split, len(numbers)))
            is_wrong = isinstance(record, ValueError)
            yield [where, is_wrong, str(record) if is_wrong else record]

    kept = Rows(values())
    places = np.frombuffer(told, "uint8")
    return {
        split: functools.partial(_records, kept.select(places == number))
        for split, number in numbers.items()
    }


def _records(kept: Rows) -> Records:
    for where, is_wrong, value in kept:
        yield where, ValueError(value) if is_wrong else value
