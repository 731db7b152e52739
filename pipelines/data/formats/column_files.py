"""The lines of files in columns: split into cells, and gathered into sentences."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.commands.errors import UserError
from pipelines.data.formats.text_files import read_lines
from pipelines.data.tags import is_invisible

DELIMITERS = ",;\t|"
SAMPLE = 100  # lines by which a delimiter is chosen
LONGEST = 1 << 30  # characters of a cell; Python's own limit is less than a book
MOSTLY = 0.8  # of the lines hold a whole sentence


class Line(NamedTuple):
    """The cells of a line."""

    number: int
    cells: list[str]


def read(path: str | Path) -> list[list[Line]]:
    """Reads the lines of each sentence, which a blank line or `-DOCSTART-` ends.

    A `.csv` is parted by commas, semicolons, tabs or bars, and its cells may be quoted. In any
    other file the cells are parted by tabs, or blanks, or else as in a `.csv`; or it has a sentence
    a line, `token|POS|tag token|POS|tag`.

    Raises:
        UserError: The file cannot be read.
    """
    lines = read_lines(path)
    shown = [line for line in lines if not is_invisible(line) and not line.startswith("#")]

    def mostly(is_such, least=0.5):
        return sum(bool(is_such(line)) for line in shown) >= least * len(shown)

    if is_csv(path):
        found = _of_table(path, lines)
    elif mostly(lambda line: "\t" in line):
        found = _evened([cell.strip() for cell in line.split("\t")] for line in lines)
    elif mostly(_is_sentence, MOSTLY):
        found = itertools.chain.from_iterable(map(_of_sentence, itertools.count(1), lines))
    elif mostly(lambda line: " " in line.strip()) or not mostly(set(DELIMITERS).intersection):
        # A blank before all others stands where a token has no visible character.
        found = _evened(re.split(r"[ \t]+", line.rstrip(" \t\r")) for line in lines)
    else:
        found = _of_table(path, lines)
    return [list(rows) for is_end, rows in itertools.groupby(found, _ends) if not is_end]


def is_csv(path: str | Path) -> bool:
    """Returns whether a file is named as one."""
    return ".csv" in [suffix.casefold() for suffix in Path(path).suffixes[-2:]]


def _ends(line: Line) -> bool:
    """Whether a line is none of a sentence."""
    return all(map(is_invisible, line.cells)) or any(
        cell.startswith("-DOCSTART-") for cell in line.cells[:2]
    )


def _evened(lines: Iterable[list[str]]) -> list[Line]:
    """Numbered lines, without empty cells before and behind those that lines have."""
    lines = list(lines)
    counts = Counter(len(cells) for cells in lines if len(cells) > 1)
    width = counts.most_common(1)[0][0] if counts else 1
    even = []
    for number, cells in enumerate(lines, 1):
        while len(cells) > width and not cells[-1]:
            cells = cells[:-1]
        if len(cells) > width and not cells[0]:
            cells = cells[1:]
        even.append(Line(number, cells))
    return even


def _is_sentence(line: str) -> bool:
    pieces = line.split()
    return len(pieces) > 1 and all("|" in piece for piece in pieces)


def _of_sentence(number: int, line: str) -> list[Line]:
    """A line a token, of a sentence as `token|POS|tag token|POS|tag`, and one that ends it."""
    pieces = line.split()
    bars = min((piece.count("|") for piece in pieces), default=0)  # Tokens may have more.
    return [*(Line(number, piece.rsplit("|", bars)) for piece in pieces), Line(number, [])]


def _of_table(path: str | Path, lines: Sequence[str]) -> Iterator[Line]:
    """The records of a table, parted by what gives most of its first lines the same columns."""

    def fit(delimiter):
        widths = Counter(map(len, csv.reader(sample, delimiter=delimiter)))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        return (width > 1) * count, width

    csv.field_size_limit(LONGEST)
    sample = [line for line in lines[:SAMPLE] if not is_invisible(line)]
    number = 0
    try:
        records = csv.reader((f"{line}\n" for line in lines), delimiter=max(DELIMITERS, key=fit))
        for cells in records:
            number = records.line_num
            yield Line(number, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise UserError(f"{path}:{number + 1}: {error}") from error
