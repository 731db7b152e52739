"""Files of columns as in the CoNLL shared tasks: a token and its tag a line."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console
from pipelines.data import tags
from pipelines.data.annotations import schemes, tagged_records
from pipelines.data.formats import column_files, columns
from pipelines.data.formats.column_files import Line
from pipelines.data.rows import Mapped, Rows, column

LONG = 200  # tokens of a mean sentence from which there are none
SAMPLE = 100  # records that tell whether they hold sentences
SHOWN = 12  # columns that a refusal names
ENDINGS = [[sign] for sign in ".!?…。！？।॥؟۔"]
PARTS = re.compile(r"\d+[-.]\d+")

Sentence = list[Line]
ReadTag = Callable[[Sequence[str]], tuple[str, str] | None]


def read(path: str | Path, tally: Tally) -> Iterator[dict]:
    """Reads the sentences of a file in columns.

    Which columns hold the tokens and their tags is found: see `columns.find`; how the lines are
    parted: see `column_files.read`. Where no blank line ends a sentence, a column does that numbers
    sentences or their tokens, or else ".", "!" and "?". `-DOCSTART-`, a header, the comments before
    a sentence ("# id ..."), and in CoNLL-U words of several tokens (1-2) and empty ones (1.1) are
    left out. A table may also hold a sentence a line, its words and its tags.

    Args:
        path: As for `text_files.lines`; may be packed.
        tally: Is told of each sentence in which a token has no tag, or none that is known.

    Yields:
        Rows with `tokens` and `tags`, in BIO: see `tags.to_bio`.

    Raises:
        UserError: The file cannot be read or is empty, or no column looks like tags.
    """
    sentences = column_files.read(path)
    if not sentences:
        raise UserError(f"{path} is empty")
    head = sentences[0][0].cells
    names = columns.header(head)
    is_new = not names and column_files.is_csv(path)  # Its first line may be a header.
    found = columns.find(_shown(sentences, names or is_new), names or ())
    if found is None:
        yield from _of_records(sentences, path, tally)
        return
    read_tag = _tag_reader(_shown(sentences, names or is_new), found)
    skips_first = names or (is_new and read_tag(head) is None)
    if said := _description(found):
        console.print(f"{path}: {said}")

    def tokens() -> Iterator[Sentence]:
        first = sentences[0][0].number
        for lines in sentences:
            without = lines[1:] if skips_first and lines[0].number == first else lines
            if left := _tokens(without, found, read_tag):
                yield left

    def tagged() -> Iterator[dict]:
        for lines in _parted(tokens, found, read_tag, path):
            untagged = (line for line in lines if not _has_tag(line, found, read_tag))
            if wrong := next(untagged, None):
                tally.add("a token has no tag", f"{path}:{wrong.number}")
                continue
            of_lines = [found.tag_of(line.cells) for line in lines]
            if found.are_numbers:
                of_lines = [int(tag) if tag.isdecimal() else tag for tag in of_lines]
            row = {"tokens": [line.cells[found.token] for line in lines], "tags": of_lines}
            yield {"row": row, "numbers": [line.number for line in lines]}

    kept = Rows(tagged())
    if not kept and not len(tally):
        raise UserError(f"{path} is empty")
    rows = tagged_records.named(column(kept, "row"), Path(path).parent)
    yield from tags.to_bio(
        rows, path, tally, lambda row, word: f"{path}:{kept[row]['numbers'][word]}"
    )


def _shown(sentences: Sequence[Sentence], without_first) -> Sequence[columns.Rows]:
    """The cells by which columns are found, without those of comments."""
    first = sentences[0][0].number

    def cells(lines: Sentence) -> list[list[str]]:
        skips = without_first and lines[0].number == first and lines[1:]
        return [line.cells for line in lines[bool(skips) :] if not line.cells[0].startswith("#")]

    return Mapped(sentences, cells)


def _tag_reader(sentences: Sequence[columns.Rows], found: columns.Columns) -> ReadTag:
    """Returns a function from the cells of a line to its tag, None where it has none."""
    counts = Counter(found.tag_of(cells) for rows in sentences for cells in rows)
    del counts[None]
    scheme = schemes.find(counts) or schemes.Scheme()
    read = scheme.reader()

    def read_tag(cells):
        tag = found.tag_of(cells)
        if tag is None or (scheme.is_plain and tag not in counts):
            return None
        if found.are_numbers:
            return ("I", tag) if tag.isdecimal() else None
        return read(tag)

    return read_tag


def _tokens(lines: Sentence, found: columns.Columns, read_tag: ReadTag) -> Sentence:
    """The lines of tokens: those behind the comments, without parts and sums of tokens."""

    def is_comment(line):
        is_other = len(line.cells) != found.width or read_tag(line.cells) is None
        return line.cells[0].startswith("#") and is_other

    ids = [n for n in found.numbers if n < found.token]
    return [
        line
        for line in itertools.dropwhile(is_comment, lines)
        if not ids or len(line.cells) <= ids[0] or not PARTS.fullmatch(line.cells[ids[0]])
    ]


def _has_tag(line: Line, found: columns.Columns, read_tag: ReadTag) -> bool:
    tag = found.tag_of(line.cells)
    return tag is not None and (bool(tag) or read_tag(line.cells) is not None)


def _parted(
    tokens: Callable[[], Iterator[Sentence]], found: columns.Columns, read_tag: ReadTag, path
) -> Iterator[Sentence]:
    """Sentences, also of a file that has no blank lines between them."""
    count = total = 0
    for lines in tokens():
        count, total = count + 1, total + len(lines)
    if count == 1:
        (lines,) = tokens()
        for ends in columns.sentence_starts([line.cells for line in lines], found):
            yield from (lines[start:stop] for start, stop in itertools.pairwise([0, *ends, total]))
            return
    if total <= LONG * count:
        yield from tokens()
        return
    parts = 0
    for lines in tokens():
        after = [read_tag(line.cells) for line in lines[1:]]
        ends = [
            place
            for place, (line, tag) in enumerate(zip(lines, after, strict=False), 1)
            if line.cells[found.token : found.token + 1] in ENDINGS and (not tag or tag[0] in "OB")
        ]
        parts += len(ends) + 1
        yield from (lines[a:b] for a, b in itertools.pairwise([0, *ends, len(lines)]))
    console.print(
        f"{path}: no blank line ends a sentence: its {total:,} tokens are cut behind ., ! and ? "
        f"into {parts:,} sentences"
    )


def _of_records(sentences: Sequence[Sentence], path: str | Path, tally: Tally) -> Iterator[dict]:
    """Rows of a table with a sentence a line, in whose cells are all its words and tags."""

    def records() -> Iterator[tuple[str, dict]]:
        head, *_ = sentences[0]
        lines = itertools.chain.from_iterable(sentences)
        for number, cells in itertools.islice(lines, 1, None):
            yield f"{path}:{number}", dict(zip(head.cells, cells, strict=False))

    sample = [_is_row(record) for _, record in itertools.islice(records(), SAMPLE)]
    if 2 * sum(sample) <= len(sample):
        raise UserError(_refusal(path, sentences))
    return tagged_records.read(records(), path, tally)


def _is_row(record: dict) -> bool:
    try:
        return bool(tagged_records.row_of(record))
    except ValueError:
        return False


def _description(found: columns.Columns) -> str | None:
    """What is unusual about the columns."""
    if (found.token, found.tag, found.key) == (0, found.width - 1, None):
        return None
    key = f" (as {found.key}=)" if found.key else ""
    said = f"tokens in column {found.token + 1}, tags in column {found.tag + 1}{key}"
    if others := [str(place + 1) for place in found.others]:
        said += f"; the further tags in column {' and '.join(others)} are not read"
    return said


def _refusal(path: str | Path, sentences: Sequence[Sentence]) -> str:
    """What to tell of a file without tags."""
    lines = _shown(sentences, False)
    widths = Counter(len(cells) for rows in lines for cells in rows)
    if not widths:
        return f"{path} is empty"
    width = widths.most_common(1)[0][0]
    shown = []
    for place in range(min(width, SHOWN)):
        cells = (row[place] for rows in lines for row in rows if len(row) == width)
        values = list(dict.fromkeys(cells))[:3]
        shown.append(f"{place + 1} ({', '.join(f'{value[:20]!r}' for value in values)})")
    return (
        f"{path}: no column looks like tags (O, B-PER, I-PER); its columns are {', '.join(shown)}"
        f"{', …' if width > SHOWN else ''}"
    )
