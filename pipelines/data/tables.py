"""Tables in text files: CSV and TSV with a header."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.data.parallel_text import read_lines

LONGEST = 1 << 30  # characters of a field; Python's own limit is less than a book


def read(path: str | Path, columns: Mapping[str, Sequence[str]]) -> list[dict]:
    """Reads some columns of a table.

    A `.tsv` is parted by tabs and quotes nothing; a `.csv` by commas, semicolons or tabs, whichever
    gives the header its columns, and a field may be quoted and go over several lines.

    Args:
        path: As for `parallel_text.read_lines`; may be packed.
        columns: For each field, the headings that may be its column's, in any case, the first that
            is there counts: `{"label": ("label", "class")}`. Other columns are left out.

    Returns:
        Rows with these fields, texts without the blanks around them.

    Raises:
        UserError: The file cannot be read or is empty, lacks a column, or a line of it is wrong.
    """
    lines = [f"{line}\n" for line in read_lines(path)]
    if not any(line.strip() for line in lines):
        raise UserError(f"{path} is empty")
    is_tsv = ".tsv" in Path(path).suffixes[-2:]
    quoting = csv.QUOTE_NONE if is_tsv else csv.QUOTE_MINIMAL

    def missing(names):
        return [field for field, some in columns.items() if set(some).isdisjoint(names)]

    headers = {}
    for delimiter in "\t" if is_tsv else ",;\t":
        header = _records(path, lines, delimiter=delimiter, quoting=quoting)
        names = next(header, (0, []))[1]
        headers[delimiter] = [name.strip().casefold() for name in names]
    delimiter = min(headers, key=lambda key: (len(missing(headers[key])), -len(headers[key])))
    names = headers[delimiter]
    for field in missing(names):
        raise UserError(
            f"{path} has no column for '{field}' (looked for {', '.join(columns[field])}): "
            f"its columns are {', '.join(names)}"
        )
    records = _records(path, lines, delimiter=delimiter, quoting=quoting, strict=True)
    next(records)
    places = {
        field: names.index(next(name for name in some if name in names))
        for field, some in columns.items()
    }
    rows = []
    for number, record in records:
        if len(record) != len(names):
            raise UserError(
                f"{path}:{number}: {len(record)} columns, where the header has {len(names)}"
            )
        row = {field: record[place].strip() for field, place in places.items()}
        if empty := next((field for field, value in row.items() if not value), None):
            raise UserError(f"{path}:{number}: column '{names[places[empty]]}' is empty")
        rows.append(row)
    if not rows:
        raise UserError(f"{path} has a header alone")
    return rows


def _records(path: str | Path, lines: Sequence[str], **options) -> Iterator[tuple[int, list[str]]]:
    """Yields the records that are not blank, each with the number of its last line."""
    csv.field_size_limit(LONGEST)
    records = csv.reader(lines, **options)
    try:
        for record in records:
            if record and (len(record) > 1 or record[0].strip()):
                yield records.line_num, record
    except csv.Error as error:
        raise UserError(f"{path}:{records.line_num}: {error}") from error
