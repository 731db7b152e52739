"""Which columns of a file hold the tokens and their tags: found, as no two formats agree."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipelines.data.annotations import schemes
from pipelines.data.rows import Mapped

Rows = Sequence[Sequence[str]]

TOKENS = ("token", "tokens", "word", "words", "form", "text", "wort", "surface")
TAGS = ("ner_tag", "ner_tags", "ner", "nertag", "ne", "entity", "entity_tag", "named_entity")
TAGS += ("bio", "iob", "bio_tag", "iob_tag", "tag", "tags", "label", "labels", "name")
SENTENCES = ("sentence #", "sentence_id", "sent_id", "sentence_idx", "sentence id", "sentence_no")
SENTENCES += ("sentence#", "sent#", "sentence_number", "sentence number", "sent", "sentence")
CHUNKS = frozenset(("NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST"))
CHUNKS |= {"UCP", "NC", "VC", "PC"}
NUMBER = re.compile(r"\d+(?:[-.]\d+)?")
SENTENCE = re.compile(r"(?i)(?:(?:sentence|sent|s)?[ :#_-]*\d+(?:\.0)?)?")
ENOUGH = 0.8  # of the cells of a column are tags
PLAIN = 0.3  # of the cells of a column of types alone are outside of entities


class Columns(NamedTuple):
    """Where things stand in a line, columns counted from 0.

    Attributes:
        width: How many columns most lines have.
        token: The column of the tokens.
        tag: That of the tags.
        key: Of tags that stand as `key=tag` between others, as in CoNLL-U: their key.
        numbers: Columns of numbers, those of tokens or of sentences.
        sentence: The column that names the sentence of a token, if any.
        others: Columns with tags of entities that are not read.
        are_numbers: Whether the tags are numbers.
    """

    width: int
    token: int
    tag: int
    key: str | None = None
    numbers: tuple[int, ...] = ()
    sentence: int | None = None
    others: tuple[int, ...] = ()
    are_numbers: bool = False

    def tag_of(self, cells: Sequence[str]) -> str | None:
        """Returns the tag in a line, None if it has no such column."""
        # A line of a file parted by blanks can be longer or shorter, its tag being the last.
        place = len(cells) - 1 if self.tag == self.width - 1 else self.tag
        if not self.token < len(cells) > place or place == self.token:
            return None
        return keys(cells[place]).get(self.key, "O") if self.key else cells[place]


def keys(cell: str) -> dict[str, str]:
    """Returns the keys of a cell such as `NER=B-PER|SpaceAfter=No`."""
    return dict(part.split("=", 1) for part in cell.split("|") if "=" in part)


def header(cells: Sequence[str]) -> list[str] | None:
    """Returns the names of columns if a line holds them: one of tokens and one of tags."""
    names = [cell.strip().casefold() for cell in cells]
    if _by_name(names, TAGS) and _by_name(names, TOKENS):
        return names
    return None


def find(sentences: Sequence[Rows], names: Sequence[str] = ()) -> Columns | None:
    """Finds the columns of a file.

    The tags are in the last column that looks like it. Of neighbours it is the first, as the others
    are nested entities, if they share their types or most tokens are outside of both; phrases
    (`B-NP`) count only where there is nothing else. The tokens are in the first of the other
    columns that holds no numbers.

    Args:
        sentences: The cells of each line of each sentence.
        names: The names of the columns, in lower case, where a header has them.

    Returns:
        None if there are none of tags or of tokens.
    """
    widths, by_width = Counter(), {}
    for rows in sentences:
        for width, same in itertools.groupby(rows, len):
            columns = list(zip(*same, strict=True))
            widths[width] += len(columns[0]) if columns else 1
            for count, cells in zip(
                by_width.setdefault(width, _counters(width)), columns, strict=True
            ):
                count.update(cells)
    if not widths:
        return None
    width = widths.most_common(1)[0][0]
    usual = Mapped(sentences, lambda rows: [row for row in rows if len(row) == width])
    counts = by_width[width]
    numbers = tuple(n for n, count in enumerate(counts) if _is_numbers(count))
    sentence = _sentence(counts, numbers, names)
    words = [n for n in range(width) if n not in numbers and n != sentence]
    token = next(iter(_by_name(names, TOKENS)), None)
    named = _by_name(names, TAGS)
    plain = {*named, *words[-1:]}
    tags = _tag_columns(counts, [n for n in words if n != token], plain, len(words) <= 2)
    key = None
    if tags:
        tag = next((n for n in named if n in tags), None)
        tag = _outermost(tags, counts) if tag is None else tag
    else:
        tag, key = _keyed(counts, words)
    if token is None:
        ids = _constant(usual, words) if len(words) > 2 else ()
        left = [n for n in words if n != tag and n not in ids]
        token = next((n for n in left if n not in tags), next(iter(left), None))
    if tag is None and (width, numbers) == (2, (1,)):
        return Columns(width, 0, 1, are_numbers=True)
    if tag is None or token is None:
        return None
    others = tuple(n for n in tags if n > tag)
    return Columns(width, token, tag, key, numbers, sentence, others)


def sentence_starts(rows: Rows, found: Columns) -> Iterator[list[int]]:
    """Yields where sentences start behind the first, by each column that may tell.

    It names the sentence, on each of its lines or on the first, or numbers it, or its tokens.
    """
    for place in (found.sentence, *found.numbers):
        if place is None or (place >= found.token and place != found.sentence):
            continue
        values = [row[place] if place < len(row) else "" for row in rows]
        for n in range(1, len(values)):
            values[n] = values[n] or values[n - 1]
        pairs = list(itertools.pairwise(values))
        if place in found.numbers:
            steps = [float(b) - float(a) for a, b in pairs]
            if 2 * sum(step == 1 for step in steps) > len(steps):
                pairs = [(step > 0, True) for step in steps]
        starts = [n for n, (before, value) in enumerate(pairs, 1) if before != value]
        if starts and 2 * len(starts) < len(rows):
            yield starts


def _counters(count: int) -> list[Counter]:
    return [Counter() for _ in range(count)]


def _by_name(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Columns with one of some names, the best name first."""
    return [names.index(name) for name in wanted if name in names]


def _is_numbers(count) -> bool:
    """Whether a column holds numbers, but for what may be its heading."""
    others = Counter({cell: n for cell, n in count.items() if not NUMBER.fullmatch(cell)})
    return others.total() <= (count.total() > 2)


def _sentence(counts, numbers, names) -> int | None:
    for named in _by_name(names, SENTENCES):
        return named
    marked = (
        n
        for n, count in enumerate(counts)
        if n not in numbers and any(count.keys() - {""}) and all(map(SENTENCE.fullmatch, count))
    )
    return next(marked, None)


def _tag_columns(counts, places, plain, is_pair: bool) -> dict[int, frozenset[str]]:
    """The columns that look like tags of entities, each with the types of its entities.

    Types alone may be in the columns `plain`; `is_pair` says that there are no others but tokens.
    """
    found = {}
    for place in places:
        scheme = schemes.find(counts[place])
        if scheme is None or (
            scheme.is_plain and not (place in plain and _is_outside(counts[place], scheme, is_pair))
        ):
            continue
        read = scheme.reader()
        parsed = {tag: read(tag) for tag in counts[place]}
        known = sum(count for tag, count in counts[place].items() if parsed[tag])
        if known >= ENOUGH * counts[place].total():
            types = frozenset(kind for _, kind in filter(None, parsed.values()) if kind)
            found[place] = scheme.is_plain, types
    if any(not is_plain for is_plain, _ in found.values()):
        found = {place: each for place, each in found.items() if not each[0]}
    types = {place: kinds for place, (_, kinds) in found.items()}
    entities = {place: kinds for place, kinds in types.items() if not kinds or kinds - CHUNKS}
    return entities or types


def _is_outside(count, scheme, is_pair: bool) -> bool:
    """Whether a column of types alone has enough that is outside of entities."""
    if is_pair and scheme.outside & schemes.OUTSIDE:
        return True
    outside = sum(count[tag] for tag in scheme.outside)
    return outside >= PLAIN * count.total() and (is_pair or scheme.outside <= schemes.OUTSIDE)


def _outermost(tags, counts) -> int:
    """The first of the tag columns that stand side by side up to the last."""
    *before, place = sorted(tags)
    for left in reversed(before):
        is_sparse = 2 * sum(counts[left][tag] for tag in schemes.OUTSIDE) >= counts[left].total()
        is_same = is_sparse or not tags[place] or tags[place] & tags[left]
        if left != place - 1 or not is_same:
            break
        place = left
    return place


def _keyed(counts, places) -> tuple[int | None, str | None]:
    """The column and the key of tags that stand as `key=tag`."""
    for place in places:
        values: dict[str, Counter] = {}
        for cell, count in counts[place].items():
            for key, tag in keys(cell).items():
                values.setdefault(key, Counter())[tag] += count
        for key, tags in values.items():
            tags["O"] += counts[place].total() - tags.total()
            scheme = schemes.find(tags)
            if scheme and (not scheme.is_plain or key.casefold() in TAGS):
                return place, key
    return None, None


def _constant(sentences: Sequence[Rows], places) -> frozenset[int]:
    """Columns that are the same on every line of a sentence, as the name of a document is."""
    kept, are_several = set(places), False
    for rows in sentences:
        if len(rows) > 1:
            are_several = True
            kept = {n for n in kept if len({row[n] for row in rows}) == 1}
    return frozenset(kept if are_several else ())
