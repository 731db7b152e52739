"""Tables in text files, with a header or without."""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.data import fields as of_rows
from pipelines.data.fields import Fields
from pipelines.data.formats import text_files
from pipelines.data.formats.json_lines import Records

LONGEST = 1 << 24  # characters of a cell; Python's own limit is less than a book
SAMPLE = 200  # records by which a table without a header is known
DELIMITERS = ",;\t|"

Cells = Iterator[tuple[int, list[str]]]
Headerless = Callable[[Sequence[Sequence[str]]], tuple[dict[str, Sequence[int]], int] | None]


def records(path: Path, fields: Fields, headerless: Headerless | None = None) -> Records:
    """Yields the records of a table.

    A `.tsv` is parted by tabs and quotes nothing; another file by commas, semicolons, tabs or bars,
    whichever gives the header most of the fields, and where it is commas or semicolons a cell may
    be quoted and go over several lines. `sep=;`, which Excel writes first, is heeded.

    Args:
        path: As for `text_files.lines`.
        fields: Those of a row, whose names the header should have.
        headerless: Takes the first records of a table whose first line is no header that is known,
            and says for each field which columns hold it, and how many of the first records are a
            header; `None` if it does not know such a table.

    Yields:
        The place of a record, and its cells by their headings; a `ValueError` in its stead.

    Raises:
        UserError: It cannot be read, is empty, or has neither a header with the fields nor columns
            that `headerless` knows.
    """
    heads = _heads(path)
    if not any(heads.values()):
        raise UserError(f"{path} is empty")
    delimiter = _best(heads, fields)
    if not of_rows.missing(heads[delimiter], fields):
        yield from _named(path, _cells(path, delimiter), fields, delimiter)
        return
    # Texts have commas and quotes, but no tabs.
    order = sorted(heads, key="\t".__ne__)
    samples = {each: [cells for _, cells in _first(path, each, SAMPLE)] for each in order}
    for delimiter in sorted(samples, key=lambda each: _evenness(samples[each]), reverse=True):
        if headerless and (found := headerless(samples[delimiter])):
            columns, skipped = found
            yield from _unnamed(
                path, itertools.islice(_cells(path, delimiter), skipped, None), columns
            )
            return
    raise UserError(complaint(path, header(path, fields), fields))


def complaint(path: Path, names: Iterable[str], fields: Fields) -> str:
    """Says which field a table has no column for, and what it has."""
    field = of_rows.missing(names, fields)[0]
    looked = ", ".join(fields[field].names)
    names = [str(name).strip() for name in names]
    shown = ", ".join(name[:40] + "…" * (len(name) > 40) for name in names[:20])
    shown += ", …" if len(names) > 20 else ""
    return f"{path} has no column for '{field}' (looked for {looked}): its columns are {shown}"


def header(path: Path, fields: Fields) -> list[str]:
    """Returns the headings of a table, or its first record where it has none.

    Raises:
        UserError: It cannot be read.
    """
    heads = _heads(path)
    few = {each: head for each, head in heads.items() if len(head) > 1} or heads
    return few[_best(few, fields)]


def _heads(path: Path) -> dict[str, list[str]]:
    """The first record, by each delimiter that the file may have."""
    delimiters = "\t" if text_files.ending(path) == ".tsv" else DELIMITERS
    first = next(text_files.lines(path), "").strip()
    if first.lower().startswith("sep=") and len(first) < 6:
        delimiters = first[4:] or delimiters
    return {each: next(_first(path, each, 1), (0, []))[1] for each in delimiters}


def _best(heads: dict[str, list[str]], fields: Fields) -> str:
    """The delimiter whose header has most of the fields, and then most columns."""
    return min(
        heads, key=lambda each: (len(of_rows.missing(heads[each], fields)), -len(heads[each]))
    )


def _evenness(sample: Sequence[Sequence[str]]) -> tuple[bool, bool, int]:
    """How well a delimiter parts records: into several cells, as many in each, into many."""
    widths = {len(cells) for cells in sample}
    return max(widths, default=0) > 1, len(widths) == 1, min(widths, default=0)


def _first(path: Path, delimiter: str, count: int) -> Cells:
    return itertools.islice(_cells(path, delimiter), count)


def _cells(path: Path, delimiter: str) -> Cells:
    """Yields the records that are not blank, each with the number of its first line.

    A quote that is never closed, or stands within a text, spoils the line that it is on alone.
    """
    csv.field_size_limit(LONGEST)
    plain = delimiter == "|" or (delimiter == "\t" and text_files.ending(path) == ".tsv")
    quoting = csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
    spaced = any(f'{delimiter} "' in line for line in itertools.islice(text_files.lines(path), 20))
    skips = spaced and not plain
    options = {"delimiter": delimiter, "quoting": quoting, "skipinitialspace": skips}
    taken: list[str] = []

    def feed() -> Iterator[str]:
        for number, line in enumerate(text_files.lines(path), 1):
            if number == 1 and line.strip().lower() == f"sep={delimiter}".strip():
                line = ""
            taken.append(line)
            yield f"{line}\n"

    reader, number = csv.reader(feed(), strict=True, **options), 1
    while True:
        taken.clear()
        try:
            found = [(number, next(reader))]
        except StopIteration:
            return
        except csv.Error:
            found = [(number + i, _alone(line, options)) for i, line in enumerate(taken)]
        number += len(taken)
        for each in found:
            if len(each[1]) > 1 or (each[1] and each[1][0].strip()):
                yield each


def _alone(line: str, options: dict) -> list[str]:
    """The cells of a line that goes over no other, whatever its quotes."""
    if options["delimiter"] == "\t":
        options = {**options, "quoting": csv.QUOTE_NONE}
    if '\\"' in line:
        options = {**options, "escapechar": "\\"}
    try:
        return next(csv.reader([line], **options), [])
    except csv.Error:
        return [line[:LONGEST]]


def _named(path: Path, cells: Cells, fields: Fields, delimiter: str) -> Records:
    """Yields records with names; a text that comes last may hold the delimiter, unquoted."""
    _, head = next(cells)
    names = _distinct(name.strip() for name in head)
    while names and not names[-1]:  # What a spreadsheet leaves behind.
        del names[-1]
    texts = {
        column for field, column in of_rows.find(names, fields).items() if fields[field].is_text
    }
    goes_on = names[-1] in texts
    for number, record in cells:
        if len(record) > len(names):
            last = len(names) - 1
            if not any(map(str.strip, record[last + 1 :])):
                record = record[: last + 1]
            elif goes_on:
                record = [*record[:last], delimiter.join(record[last:])]
        if len(record) != len(names):
            yield f"{path}:{number}", ValueError(f"not as many columns as the header, {len(names)}")
        else:
            yield (
                f"{path}:{number}",
                _checked(dict(zip(names, map(str.strip, record), strict=True))),
            )


def _unnamed(path: Path, cells: Cells, columns: dict[str, Sequence[int]]) -> Records:
    most = max(place for places in columns.values() for place in places)
    for number, record in cells:
        if len(record) <= most:
            yield f"{path}:{number}", ValueError(f"fewer than {most + 1} columns")
            continue
        values = {
            field: " ".join(part for place in places if (part := record[place].strip()))
            for field, places in columns.items()
        }
        yield f"{path}:{number}", _checked(values)


def _distinct(names: Iterable[str]) -> list[str]:
    """Headings, of which a second one with the same name does not count."""
    found: list[str] = []
    for name in names:
        found.append(f"{name}.{len(found)}" if name and name in found else name)
    return found


def _checked(values: dict[str, str]) -> dict[str, str] | ValueError:
    """The values, unless bytes of another encoding were among them."""
    if not text_files.is_utf8("".join(values.values())):
        return ValueError(text_files.NOT_UTF8)
    return values
