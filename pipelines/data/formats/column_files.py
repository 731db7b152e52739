"""The lines of files in columns: split into cells, and gathered into sentences."""

import csv
import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.commands.errors import UserError
from pipelines.data.formats import text_files
from pipelines.data.rows import Mapped, Rows
from pipelines.data.tags import is_invisible

DELIMITERS = ",;\t|"
SAMPLE = 100  # lines by which a delimiter is chosen
LONGEST = 1 << 30  # characters of a cell; Python's own limit is less than a book
ENDLESS = 4_000_000  # lines of a sentence, which memory holds
MOSTLY = 0.8  # of the lines hold a whole sentence


class Line(NamedTuple):
    """The cells of a line."""

    number: int
    cells: list[str]


def read(path: str | Path) -> Sequence[list[Line]]:
    """Reads the lines of each sentence, which a blank line or `-DOCSTART-` ends, onto the disk.

    A `.csv` is parted by commas, semicolons, tabs or bars, and its cells may be quoted. In any
    other file the cells are parted by tabs, or blanks, or else as in a `.csv`; or it has a sentence
    a line, `token|POS|tag token|POS|tag`.

    Raises:
        UserError: The file cannot be read, or a sentence of it has no end.
    """
    lines = functools.partial(_utf8_lines, path)
    shares = {} if is_csv(path) else _shares(lines())
    if is_csv(path):
        found = _of_table(path, lines)
    elif shares["tabs"] >= 0.5:
        found = _evened(lambda: ([cell.strip() for cell in line.split("\t")] for line in lines()))
    elif shares["sentences"] >= MOSTLY:
        found = itertools.chain.from_iterable(map(_of_sentence, itertools.count(1), lines()))
    elif shares["blanks"] >= 0.5 or shares["delimiters"] < 0.5:
        # A blank before all others stands where a token has no visible character.
        found = _evened(lambda: (re.split(r"[ \t]+", line.rstrip(" \t\r")) for line in lines()))
    else:
        found = _of_table(path, lines)
    groups = itertools.groupby(found, _ends)
    sentences = Rows(_whole(rows, path) for is_end, rows in groups if not is_end)
    return Mapped(sentences, lambda rows: [Line(*row) for row in rows])


def is_csv(path: str | Path) -> bool:
    """Returns whether a file is named as one."""
    return ".csv" in [suffix.casefold() for suffix in Path(path).suffixes[-2:]]


def _shares(lines: Iterable[str]) -> dict[str, float]:
    """What share of the lines has what may part cells, or a whole sentence."""
    counts, total = dict.fromkeys(("tabs", "sentences", "blanks", "delimiters"), 0), 0
    for line in lines:
        if is_invisible(line) or line.startswith("#"):
            continue
        total += 1
        counts["tabs"] += "\t" in line
        counts["sentences"] += "|" in line and _is_sentence(line)
        counts["blanks"] += " " in line.strip()
        counts["delimiters"] += any(sign in line for sign in DELIMITERS)
    # Of nothing anything may be said.
    return {name: count / total if total else 1.0 for name, count in counts.items()}


def _whole(rows: Iterable[Line], path: str | Path) -> list[Line]:
    """The lines of a sentence."""
    found = list(itertools.islice(rows, ENDLESS))
    if len(found) == ENDLESS:
        raise UserError(f"{path}: no blank line ends a sentence within {ENDLESS:,} lines")
    return found


def _utf8_lines(path: str | Path) -> Iterator[str]:
    for number, line in enumerate(text_files.lines(path), 1):
        if not text_files.is_utf8(line):
            raise UserError(f"{Path(path).expanduser()}:{number}: {text_files.NOT_UTF8}")
        yield line


def _ends(line: Line) -> bool:
    """Whether a line is none of a sentence."""
    return all(map(is_invisible, line.cells)) or any(
        cell.startswith("-DOCSTART-") for cell in line.cells[:2]
    )


def _evened(read: Callable[[], Iterable[list[str]]]) -> Iterator[Line]:
    """Numbered lines, without empty cells before and behind those that lines have."""
    counts = Counter(len(cells) for cells in read() if len(cells) > 1)
    width = counts.most_common(1)[0][0] if counts else 1
    for number, cells in enumerate(read(), 1):
        while len(cells) > width and not cells[-1]:
            cells = cells[:-1]
        if len(cells) > width and not cells[0]:
            cells = cells[1:]
        yield Line(number, cells)


def _is_sentence(line: str) -> bool:
    pieces = line.split()
    return len(pieces) > 1 and all("|" in piece for piece in pieces)


def _of_sentence(number: int, line: str) -> list[Line]:
    """A line a token, of a sentence as `token|POS|tag token|POS|tag`, and one that ends it."""
    pieces = line.split()
    bars = min((piece.count("|") for piece in pieces), default=0)  # Tokens may have more.
    return [*(Line(number, piece.rsplit("|", bars)) for piece in pieces), Line(number, [])]


def _of_table(path: str | Path, lines: Callable[[], Iterator[str]]) -> Iterator[Line]:
    """The records of a table, parted by what gives most of its first lines the same columns."""

    def fit(delimiter):
        widths = Counter(map(len, csv.reader(sample, delimiter=delimiter)))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        return (width > 1) * count, width

    csv.field_size_limit(LONGEST)
    sample = [line for line in itertools.islice(lines(), SAMPLE) if not is_invisible(line)]
    number = 0
    try:
        records = csv.reader((f"{line}\n" for line in lines()), delimiter=max(DELIMITERS, key=fit))
        for cells in records:
            number = records.line_num
            yield Line(number, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise UserError(f"{path}:{number + 1}: {error}") from error
