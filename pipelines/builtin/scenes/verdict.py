"""Judges a caption against the objects that an image really shows."""

import dataclasses
import itertools

from .parsing import Mention, NotInGrammar, Statement, parse
from .relations import between, placed, related

STRICT = ("colour", "shape", "count", "relation")
FIELDS = {"colour": "color", "shape": "shape", "size": "size", "texture": "texture"}


@dataclasses.dataclass(frozen=True)
class Claim:
    """One thing that a caption says; `kind` is one of `STRICT`, "size" or "texture"."""

    kind: str
    text: str
    ok: bool


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a caption.

    Attributes:
        parsed: whether it is a sentence of the grammar.
        claims: all that it says, true or not.
        mentions: `(word_index, [object indices])` for each noun that tells which objects it means;
            "three objects" means all and is left out. `word_index` counts `caption.split()`. No
            indices: there is no object left that could be meant.
    """

    parsed: bool
    claims: list[Claim]
    mentions: list[tuple[int, list[int]]]

    @property
    def right(self) -> bool:
        """Whether every colour, shape, count and relation that the caption names holds."""
        return self.parsed and all(claim.ok for claim in self.claims if claim.kind in STRICT)


def judge(caption: str, objects: list[dict]) -> Verdict:
    """Judges a caption.

    Each mention is read as that object or group, out of those that share its colour or shape, with
    which most claims of the whole caption hold; where two readings tie, as the one that fits the
    sizes and textures. Two mentions are never read as the same object.

    Args:
        caption: any string. What is not in the grammar is not parsed, and not right.
        objects: the truth, with the keys "shape", "color", "size", "texture", and "box" in pixels.

    Returns:
        The verdict.
    """
    try:
        mentions, statements = parse(caption)
    except NotInGrammar:
        return Verdict(False, [], [])
    readings = (
        (_claims(mentions, statements, reading, objects), reading)
        for reading in _readings(mentions, objects)
    )
    claims, reading = max(readings, key=lambda pair: _agreement(pair[0]))
    meant = [
        (mention.position, list(members))
        for mention, members in zip(mentions, reading, strict=True)
        if mention.attributes
    ]
    return Verdict(True, claims, meant)


def _agreement(claims: list[Claim]) -> tuple[int, int]:
    held = [claim for claim in claims if claim.ok]
    return len(held), sum(claim.kind not in STRICT for claim in held)


def _options(mention: Mention, objects: list[dict]) -> list[tuple[int, ...]]:
    """What a mention can mean: objects of its colour or shape, or (empty) nothing that exists."""
    named = [(FIELDS[kind], value) for kind, _, value in mention.attributes if kind in STRICT]
    similar = [
        index
        for index, thing in enumerate(objects)
        if not named or any(thing[field] == value for field, value in named)
    ]
    return [*itertools.combinations(similar, mention.number), ()]


def _readings(mentions: list[Mention], objects, taken: frozenset[int] = frozenset()):
    """Yields every way to read the mentions as objects, none of which two mentions share."""
    if not mentions:
        yield ()
        return
    first, *rest = mentions
    for members in _options(first, objects):
        if first.attributes and not taken.isdisjoint(members):
            continue
        now_taken = taken.union(members) if first.attributes else taken
        for others in _readings(rest, objects, now_taken):
            yield (members, *others)


def _claims(mentions, statements: list[Statement], reading, objects) -> list[Claim]:
    claims = []
    for mention, members in zip(mentions, reading, strict=True):
        held = {}
        for kind, word, value in mention.attributes:
            ok = bool(members) and all(objects[one][FIELDS[kind]] == value for one in members)
            if ok:
                held[FIELDS[kind]] = value
            claims.append(Claim(kind, word, ok))
        if mention.counted:
            # Counted is what the objects really look like: a wrong colour is not a wrong count too.
            alike = [thing for thing in objects if held.items() <= thing.items()]
            ok = bool(members) and len(alike) == mention.number
            claims.append(Claim("count", f"{mention.number} {mention.text}", ok))
    for statement in statements:
        ok = _holds(statement, reading, objects)
        claims.append(Claim("relation", statement.text, ok))
    return claims


def _holds(statement: Statement, reading, objects) -> bool:
    groups = [
        [objects[index]["box"] for index in reading[mention]]
        for mention in (statement.subject, *statement.others)
    ]
    if not all(groups):
        return False
    if not statement.others:
        return all(placed(statement.name, box) for box in groups[0])
    if statement.name == "between":
        return all(between(*boxes) for boxes in itertools.product(*groups))
    return all(related(statement.name, *boxes) for boxes in itertools.product(*groups))
