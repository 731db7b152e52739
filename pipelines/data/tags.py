"""BIO tags of tokens: from other schemes to BIO, and which tag may follow which."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.commands.terminal import console

# Beside BIO and IOB1: BIOES and BILOU, where E and L end what B began, and S and U stand alone.
TAG = re.compile(r"O|([BSUIEL])-(.+)", re.DOTALL)
BEGINNING, GOING_ON = frozenset("BSU"), frozenset("BI")


def complaint(tags: Sequence[str]) -> str | None:
    """Returns what is wrong with the tags of a sentence, or None."""
    for tag in tags:
        if not TAG.fullmatch(tag):
            return f"the tag '{tag}' is none of O, B-TYPE and I-TYPE"
    return None


def to_bio(rows: Sequence[dict], path: str | Path) -> list[dict]:
    """Turns the tags of all sentences to BIO: every entity has a B-, and goes on with I-.

    A tag that goes on with no entity of its type begins one, as in IOB1, and a line says how often.

    Args:
        rows: Sentences with `tags`, none of which `complaint` minds.
        path: What the line calls the file.

    Returns:
        The rows with their new `tags`.
    """
    converted = [_converted(row["tags"]) for row in rows]
    if begun := sum(begun for _, begun in converted):
        console.print(f"{path}: {begun:,} I- tag{'s'[: begun > 1]} with no B- before read as B-")
    return [{**row, "tags": tags} for row, (tags, _) in zip(rows, converted, strict=True)]


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


def _converted(tags: Sequence[str]) -> tuple[list[str], int]:
    """Returns tags in BIO, and how many entities began without a B-."""
    new, begun, current = [], 0, None
    for tag in tags:
        prefix, kind = TAG.fullmatch(tag).groups()
        if kind is None:
            new.append("O")
        elif prefix in BEGINNING or kind != current:
            new.append(f"B-{kind}")
            begun += prefix not in BEGINNING
        else:
            new.append(f"I-{kind}")
        current = kind if prefix in GOING_ON else None
    return new, begun
