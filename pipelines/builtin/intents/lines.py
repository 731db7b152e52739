"""Writes the splits of a generated data set as JSON lines, without duplicates."""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pipelines.commands.disk.files import write_json_lines


def write_splits(
    folder: Path,
    generate: Callable[[str, random.Random], Iterable[dict]],
    sizes: Mapping[str, int],
    key: Sequence[str],
    seed: int,
) -> None:
    """Writes a file of lines for each split, no two of all alike.

    Args:
        folder: Gets `train.jsonl`, `validation.jsonl` and `test.jsonl`.
        generate: Yields the rows of a split without end, drawn from the generator that it gets.
        sizes: The number of rows of each split.
        key: The fields by which rows are alike.
        seed: Random seed; each split has a generator of its own.
    """
    seen = set()
    for split, size in sizes.items():
        rows = []
        for row in generate(split, random.Random(f"{seed}/{split}")):
            if len(rows) == size:
                break
            mark = json.dumps([row[field] for field in key]).casefold()
            if mark not in seen:
                seen.add(mark)
                rows.append(row)
        write_json_lines(Path(folder) / f"{split}.jsonl", rows)
