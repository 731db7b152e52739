"""Entities as annotation tools export them, spans of a text, turned to tags of its words."""

from collections.abc import Iterator, Mapping, Sequence

Spans = list[tuple[int, int]]
STARTS = ("start", "start_offset", "begin", "start_char", "startoffset", "offset_start")
ENDS = ("end", "end_offset", "stop", "end_char", "endoffset", "offset_end")
TYPES = ("label", "type", "entity", "tag", "labels", "entity_group", "entity_type", "category")


def read(value, is_inclusive: bool = False) -> list[tuple[int, int, str]]:
    """Reads a list of spans.

    Args:
        value: Of lists `[start, end, type]` as of doccano and spaCy; of objects with a start, an
            end and a type by any of their usual names, also those of Label Studio and of
            Dataturks; or, as in CLUENER, an object `{type: {text: [[start, end]]}}`.
        is_inclusive: Whether the end is the last place of a span, in lists.

    Returns:
        `(start, end, type)`, the end exclusive.

    Raises:
        ValueError: There is something else.
    """
    if isinstance(value, Mapping):
        return [
            (start, end + 1, kind)
            for kind, texts in value.items()
            for places in (texts.values() if isinstance(texts, Mapping) else [texts])
            for start, end in map(_pair, places)
        ]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("the entities are no list")
    return [span for entity in value for span in _spans(entity, int(is_inclusive))]


def to_tags(spans: Sequence[tuple[int, int, str]], words: Spans) -> list[str]:
    """Returns the tag of each word in BIO.

    A word belongs to an entity if a part of it does. Of entities that share a word the longest
    counts.

    Args:
        spans: `(start, end, type)`, where words have theirs.
        words: `(start, end)` of each word, in their order.

    Raises:
        ValueError: An entity is empty or ends behind the text.
    """
    tags, last = ["O"] * len(words), max((end for _, end in words), default=0)
    for start, end, kind in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if not 0 <= start < end:
            raise ValueError("an entity ends before it starts")
        inside = [n for n, word in enumerate(words) if word[0] < end and word[1] > start]
        if start >= last or not inside:
            raise ValueError("an entity stands outside of the words")
        if all(tags[n] == "O" for n in inside):
            for n in inside:
                tags[n] = f"{'B' if n == inside[0] else 'I'}-{kind}"
    return tags


def _spans(entity, one: int) -> Iterator[tuple[int, int, str]]:
    if isinstance(entity, Mapping):
        entity = {key.casefold(): value for key, value in entity.items()}
        if "from_id" in entity:  # A relation, in Label Studio.
            return
        if isinstance(entity.get("value"), Mapping):
            entity = entity["value"]
        points = entity.get("points")  # Dataturks: the end is the last character.
        places = [(entity, 0)] if points is None else [(point, 1) for point in points]
        for place, one_more in places:
            start, end = (_first(place, names) for names in (STARTS, ENDS))
            kind = _first(entity, TYPES)
            for each in kind if isinstance(kind, list) else [kind]:
                yield _number(start), _number(end) + one_more, _kind(each)
    elif isinstance(entity, Sequence) and not isinstance(entity, str) and len(entity) == 3:
        start, end, kind = entity
        yield _number(start), _number(end) + one, _kind(kind)
    else:
        raise ValueError("an entity is neither [start, end, type] nor an object with these")


def _first(holder, names):
    return next((holder[name] for name in names if holder.get(name) is not None), None)


def _pair(value):
    try:
        start, end = value
    except (TypeError, ValueError):
        raise ValueError("an entity is not [start, end]") from None
    return _number(start), _number(end)


def _number(value) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("an entity has no start and end that are numbers")
    return value


def _kind(value) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("an entity has no type")
    return value.strip()
