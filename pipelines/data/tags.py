"""Tags of tokens: from any scheme to BIO, and which tag may follow which."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console
from pipelines.data.annotations import schemes

INVISIBLE = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs"))


def missing_names(path: str | Path) -> str:
    """Returns what to tell where tags are numbers without names."""
    return (
        f"{path}: the tags are numbers, and nothing says what they stand for: list their names in "
        "a labels.txt beside it, one a line, the name of 0 first (O, B-PER, I-PER …)"
    )


def has_numbers(rows: Iterable[dict]) -> bool:
    """Returns whether tags of some rows are numbers."""
    return any(isinstance(tag, int) for row in rows for tag in row["tags"])


def named(rows: Sequence[dict], names: Sequence[str]) -> Iterator[dict]:
    """Puts names in place of the numbers of tags.

    Args:
        rows: With `tags`; texts among them stay.
        names: That of 0 first, or that of 1 if no tag is 0 and one is `len(names)`. A number
            without a name becomes its digits, which `to_bio` minds.
    """
    numbers = {tag for row in rows for tag in row["tags"] if isinstance(tag, int)}
    first = 1 if numbers and min(numbers) > 0 and max(numbers) == len(names) else 0
    known = dict(enumerate(names, first))
    for row in rows:
        new = [known.get(tag, str(tag)) if isinstance(tag, int) else tag for tag in row["tags"]]
        yield {**row, "tags": new}


def to_bio(
    rows: Sequence[dict],
    path: str | Path,
    tally: Tally | None = None,
    place: Callable[[int, int], str] | None = None,
) -> Iterator[dict]:
    """Turns the tags of all sentences to BIO: every entity has a B-, and goes on with I-.

    They may be in IOB1, BIOES, BILOU, BMES or BMEWO, with the letter before or behind the type, in
    lower case, or alone; or be types alone. A line says which scheme was found where it is not BIO,
    and how many tags went on with no entity of their type, and so begin one, as in IOB1.

    Args:
        rows: Sentences with `tags`; gone through more than once.
        path: What the line calls the file.
        tally: Is told of each sentence with a tag outside of the scheme, which is left out.
        place: Returns what to call a word, of the numbers of its row and its own.

    Yields:
        The rows with their new `tags`.

    Raises:
        UserError: The tags are numbers; or one is wrong, and there is no tally.
    """
    if has_numbers(rows):
        raise UserError(missing_names(path))
    scheme = schemes.find(Counter(tag for row in rows for tag in row["tags"])) or schemes.Scheme()
    read, begun, dropped = scheme.reader(), 0, 0
    for number, row in enumerate(rows):
        parsed = [read(tag) for tag in row["tags"]]
        blank = [is_invisible(token) for token in row.get("tokens", ())]
        if wrong := _complaint(row["tags"], parsed, blank):
            word, reason = wrong
            where = place(number, word) if place else f"{path}: row {number + 1}"
            if tally is None:
                raise UserError(f"{where}: {reason}")
            tally.add(reason, where)
            continue
        new, count = _converted(parsed)
        begun, dropped = begun + count, dropped + sum(blank)
        new_row = {**row, "tags": new}
        if any(blank):
            for field in ("tokens", "tags"):
                kept = zip(new_row[field], blank, strict=True)
                new_row[field] = [value for value, is_blank in kept if not is_blank]
        yield new_row
    counts = {
        f"I- tag{'s'[: begun > 1]} with no B- before read as B-": 0 if scheme.is_plain else begun,
        f"token{'s'[: dropped > 1]} without a visible character left out": dropped,
    }
    said = [f"{count:,} {what}" for what, count in counts.items() if count]
    if said := [*filter(None, [scheme.description]), *said]:
        console.print(f"{path}: {'; '.join(said)}")


def allowed_transitions(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns which paths through the tags are BIO: I- goes on with an entity of its own type.

    Args:
        names: The tags in the order of their numbers, K of them.

    Returns:
        Boolean: `(K, K)`, whether the tag of the column may follow that of the row, and `(K,)`,
        whether a sentence may start with the tag.
    """
    types = np.array([name[2:] for name in names])
    begins = np.array([not name.startswith("I-") for name in names], "bool")
    within = np.array([name != "O" for name in names], "bool")
    return begins[None] | ((types[:, None] == types[None]) & within[:, None]), begins


def is_invisible(token: str) -> bool:
    """Returns whether a token is empty, or all of it white space or without a width."""
    if token[:1].isalnum():  # As nearly all do.
        return False
    return all(unicodedata.category(character) in INVISIBLE for character in token)


def _complaint(found, parsed, blank) -> tuple[int, str] | None:
    """Returns which word of a sentence is wrong, and why."""
    if None in parsed:
        word = parsed.index(None)
        return word, f"the tag {found[word]!r} is none of O, B-TYPE and I-TYPE"
    if blank and all(blank):
        return 0, "no token has a visible character"
    for word, (is_blank, (role, _)) in enumerate(zip(blank, parsed, strict=False)):
        if is_blank and role != "O":
            return word, "a token without a visible character is tagged"
    return None


def _converted(parsed: Sequence[tuple[str, str]]) -> tuple[list[str], int]:
    """Returns tags in BIO, and how many entities began without a B-."""
    new, begun, current = [], 0, None
    for role, kind in parsed:
        if role == "O":
            new.append("O")
        elif role in "BS" or kind != current:
            new.append(f"B-{kind}")
            begun += role not in "BS"
        else:
            new.append(f"I-{kind}")
        current = kind if role in "BI" else None
    return new, begun
