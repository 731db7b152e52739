"""Records of tokens and their tags, in the layouts of Hugging Face and of annotation tools."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.commands.left_out import Tally
from pipelines.commands.text_input import is_unicode
from pipelines.data import tags
from pipelines.data.annotations import class_names, entity_spans, literals
from pipelines.data.rows import Rows, column

Words = Callable[[str], list[tuple[int, int]]]

# The fields of a record in lower case, the best first.
TEXTS = ("text", "sentence", "content", "document", "data")
TOKENS = ("tokens", "words", "tokenized_text", "token", "word", *TEXTS)
TAGS = ("ner_tags", "ner", "tags", "labels", "label", "ner_tag", "ner_labels", "tag", "entities")
SPANS = ("entities", "spans", "label", "labels", "annotations", "annotation", "ents", "ner")
SIGNS = re.compile(r"\w+|[^\w\s]")


def read(
    records: Iterable[tuple[str, object]],
    path: str | Path,
    tally: Tally,
    words: Words | None = None,
    folder: str | Path | None = None,
) -> Iterator[dict]:
    """Makes rows of the records of a file.

    Args:
        records: The place and the value of each, or a `ValueError` in its stead.
        path: What lines call the file.
        tally: Is told of each record that is wrong.
        words: As for `row_of`.
        folder: Where the names of numbers are looked for, by default that of the file.

    Yields:
        Rows with `tokens` and `tags`, in BIO: see `tags.to_bio`.

    Raises:
        UserError: The tags are numbers without names.
    """

    def found() -> Iterator[dict]:
        for where, record in records:
            try:
                if isinstance(record, ValueError):
                    raise record
                row = row_of(record, words=words)
            except ValueError as error:
                tally.add(str(error), where)
            else:
                yield {"where": where, "row": row}

    kept = Rows(found())
    rows = named(column(kept, "row"), folder or Path(path).parent)
    yield from tags.to_bio(rows, path, tally, lambda row, _: kept[row]["where"])


def named(rows: Sequence[dict], folder: str | Path) -> Sequence[dict]:
    """Returns rows with names in place of numbers, where a folder says them."""
    if not tags.has_numbers(rows):
        return rows
    names = class_names.find(folder, *TAGS)
    return rows if names is None else Rows(tags.named(rows, names))


def row_of(record: object, names: Sequence[str] | None = None, words: Words | None = None) -> dict:
    """Turns one record into a row.

    Args:
        record: With `tokens` (or `words`), a list of texts or a text split by blanks, and as many
            `ner_tags` (or `tags`, `labels`), texts or numbers. Or with a `text` and its entities,
            as doccano, spaCy, Prodigy, Label Studio and others export them: see
            `entity_spans.read`; or with `tokens` and entities that count these. Lists may stand in
            a text, as in a CSV.
        names: What the numbers of tags stand for, that of 0 first. Without them they stay numbers:
            see `tags.named`.
        words: Returns where the words of a text stand, `(start, end)`; without it, words and signs.

    Returns:
        `tokens` and `tags`, those in the record's own scheme: see `tags.to_bio`.

    Raises:
        ValueError: It has no tokens with a tag each.
    """
    if isinstance(record, Sequence) and not isinstance(record, str) and len(record) == 2:
        text, entities = record  # As spaCy 2 was trained with.
        record = {"text": text, **(entities if isinstance(entities, Mapping) else {})}
    if not isinstance(record, Mapping):
        raise ValueError("it is no object")
    record = _read(record)
    tokens = _first(record, TOKENS)
    found = next((record[name] for name in TAGS if _is_tags(record.get(name))), None)
    found = found.split() if isinstance(found, str) else found
    split = tokens.split() if isinstance(tokens, str) else tokens
    if found is None or not isinstance(split, list) or len(split) != len(found):
        spans = [record[name] for name in SPANS if _is_spans(record.get(name))]
        if not spans and not isinstance(tokens, list):
            spans = [record[name] for name in SPANS if record.get(name) == []]
        if spans:
            split, found = _of_spans(record, spans[0], words or _signs)
    _check(split, found)
    found = _numbers(found)
    if names is not None:
        found = [_name(tag, names) for tag in found]
    return {"tokens": split, "tags": found}


def _check(tokens, found) -> None:
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("it has no 'tokens' that are a list of texts")
    if not isinstance(found, list) or not all(map(_is_tag, found)):
        raise ValueError("it has no 'tags' that are a list of texts or numbers")
    if not tokens:
        raise ValueError("'tokens' is empty")
    if len(tokens) != len(found):
        raise ValueError("not as many tags as tokens")
    if not all(is_unicode(text) for text in [*tokens, *found] if isinstance(text, str)):
        raise ValueError("an unpaired surrogate")


def _read(record: Mapping) -> dict:
    """A record with its fields in lower case, and lists in place of texts that show one."""
    new = {}
    for key, value in record.items():
        key = str(key).strip().casefold()
        value = value.tolist() if hasattr(value, "tolist") else value
        begins = ("['", '["') if key in TEXTS else ("[", "{", "(", "array(")
        if isinstance(value, str) and value.strip().startswith(begins):
            value = literals.parse_or_text(value)
        new[key] = value
    return new


def _of_spans(record: Mapping, spans, words: Words) -> tuple[list[str], list[str]]:
    """The tokens and the tags of a record with entities."""
    text, tokens = _first(record, TEXTS), _first(record, TOKENS)
    if isinstance(text, Mapping):  # Label Studio keeps it within `data`.
        text = _first(_read(text), TEXTS)
    if isinstance(spans, list) and spans and isinstance(spans[0], Mapping):
        spans = spans[0].get("result", spans)  # Of Label Studio's annotators the first.
    if isinstance(text, str):
        places = words(text)
        entities = entity_spans.read(spans)
        return [text[a:b] for a, b in places], entity_spans.to_tags(entities, places)
    if not isinstance(tokens, list):
        raise ValueError("it has entities, but no 'text' that is a text")
    entities = entity_spans.read(spans, is_inclusive="tokenized_text" in record)
    return tokens, entity_spans.to_tags(entities, [(n, n + 1) for n in range(len(tokens))])


def _is_tags(value) -> bool:
    """Whether a field may hold a tag for each token."""
    return (isinstance(value, str) and bool(value.strip())) or (
        isinstance(value, list) and bool(value) and all(map(_is_tag, value))
    )


def _is_tag(value) -> bool:
    is_number = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, str) or (is_number and not isinstance(value, bool))


def _is_spans(value) -> bool:
    """Whether a field holds entities."""
    if isinstance(value, list):
        return bool(value) and not isinstance(value[0], str) and not _is_tag(value[0])
    return isinstance(value, Mapping)


def _first(record: Mapping, names: Sequence[str]):
    return next((record[name] for name in names if record.get(name) is not None), None)


def _signs(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in SIGNS.finditer(text)]


def _numbers(found: list) -> list:
    """Tags, as numbers where all of them are."""
    if all(not isinstance(tag, str) or (tag.isascii() and tag.isdecimal()) for tag in found):
        return [int(tag) for tag in found]
    return [tag if isinstance(tag, str) else str(int(tag)) for tag in found]


def _name(tag: str | int, names: Sequence[str]) -> str:
    if isinstance(tag, str):
        return tag
    if not 0 <= tag < len(names):
        raise ValueError(f"the tag number {tag} has no name")
    return names[tag]
