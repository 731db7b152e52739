"""Tables without a header: which column holds what, as far as their values tell."""

import re
from collections.abc import Callable, Sequence

Sample = Sequence[Sequence[str]]
Columns = tuple[dict[str, Sequence[int]], int]
"""For each field its columns, and how many of the first records are none."""

SHORT = 30  # characters of a label
JOINED = 3  # columns up to which all texts are one: class, title, description
LANGUAGES = (
    "arabic bengali chinese czech danish dutch english finnish french german greek hebrew hindi "
    "hungarian indonesian italian japanese korean norwegian persian polish portuguese romanian "
    "russian spanish swahili swedish thai turkish ukrainian urdu vietnamese"
)
CODE = re.compile(r"[a-z]{2,3}")


def labelled_texts(sample: Sample) -> Columns | None:
    """Knows classes, as numbers or short words, and texts: AG News, Sentiment140, CoLA, SMS.

    The label is the column with the fewest values, of numbers if there is one; of up to three
    columns all others are the text, of more the longest.
    """
    columns = _columns(sample)
    bodies = [column[1:] or column for column in columns]
    numbers = [place for place, cells in enumerate(bodies) if all(map(_is_number, cells))]
    labels = [place for place in numbers if _is_repeated(bodies[place])] or [
        place
        for place, cells in enumerate(bodies)
        if max(map(len, cells)) <= SHORT and _is_repeated(cells) and len(set(cells)) < len(cells)
    ]
    if not labels:
        return None
    label = min(labels, key=lambda place: len(set(bodies[place])))
    texts = [place for place, cells in enumerate(bodies) if place != label and _is_prose(cells)]
    if len(columns) > JOINED:
        texts = sorted(texts, key=lambda place: -_size(bodies[place]))[:1]
    return ({"text": texts, "label": [label]}, int(_is_heading(columns[label]))) if texts else None


def pairs(sample: Sample) -> Columns | None:
    """Knows a text and its translation, as of Anki and Tatoeba, whose sentences have numbers."""
    columns = _columns(sample)
    bodies = [column[1:] or column for column in columns]
    texts = [place for place, cells in enumerate(bodies) if not all(map(_is_number, cells))]
    if len(texts) < 2:
        return None
    source, target = texts[:2]
    heads = (columns[source][0], columns[target][0])
    is_header = all(map(_is_language, heads)) and len(columns[source]) > 1
    return {"source": [source], "target": [target]}, int(is_header)


def files(field: str, endings: Callable[[], Sequence[str]]) -> Callable[[Sample], Columns | None]:
    """Returns what knows names of files, the first column, and what the last says of them.

    Args:
        field: The field of the last column.
        endings: Of the files. Names without any, as of LJSpeech, are names where no cell of the
            column has white space and some of the last column have.
    """

    def find(sample: Sample) -> Columns | None:
        columns = _columns(sample)
        if len(columns) < 2 or any(re.search(r"[\s|;]", cell.strip()) for cell in columns[0]):
            return None
        named = columns[0][0].strip().lower().endswith(tuple(endings()))
        if named or (field == "text" and any(" " in cell.strip() for cell in columns[-1])):
            return {"file_name": [0], field: [len(columns) - 1]}, 0
        return None

    return find


def _columns(sample: Sample) -> list[list[str]]:
    """The columns of the records that have as many cells as most; none of prose."""
    widths = [len(cells) for cells in sample]
    width = max(set(widths), key=widths.count, default=0)
    even = [cells for cells in sample if len(cells) == width]
    if width < 2 or len(even) < 0.9 * len(sample):
        return []
    return [list(cells) for cells in zip(*even, strict=True)]


def _is_number(cell: str) -> bool:
    return cell.strip().removeprefix("-").isdecimal()


def _is_prose(column: Sequence[str]) -> bool:
    """Whether some cells have several words, and few are numbers."""
    are_numbers = 2 * sum(map(_is_number, column)) > len(column)
    return any(" " in cell.strip() for cell in column) and not are_numbers


def _is_repeated(column: Sequence[str]) -> bool:
    """Whether values come more than once, as labels do, and none is empty."""
    values = {cell.strip() for cell in column}
    return "" not in values and len(values) <= max(2, len(column) // 2)


def _is_heading(labels: Sequence[str]) -> bool:
    """Whether the first label is none: all others come again, or are numbers."""
    first, rest = labels[0], labels[1:]
    if first in rest or len(rest) < 2:
        return False
    if all(map(_is_number, rest)):
        return not _is_number(first)
    return all(rest.count(label) > 1 for label in set(rest))


def _is_language(cell: str) -> bool:
    """Whether a heading names a language: `English`, `de`, `en_sentence`."""
    word, *rest = re.split(r"[\s_-]", cell.strip().lower(), maxsplit=1)
    return word in LANGUAGES.split() or bool(CODE.fullmatch(word) and (len(word) == 2 or not rest))


def _size(column: Sequence[str]) -> int:
    return sum(map(len, column))
