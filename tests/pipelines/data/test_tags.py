import itertools
import random

import pytest

from pipelines.data import tags

TYPES = ("person", "creative-work", "B-cell")


def random_sentence(rng):
    """The length of a sentence, and its entities `(start, end, type)`."""
    entities, place = [], 0
    while place < 17:
        place += rng.randrange(3)
        length = rng.randint(1, 4)
        entities.append((place, place + length, rng.choice(TYPES)))
        place += length
    return place + rng.randrange(3), entities


def encode(length, entities, single, first, inner, last):
    coded = ["O"] * length
    for start, end, kind in entities:
        prefixes = [first, *[inner] * (end - start - 2), last] if end > start + 1 else [single]
        coded[start:end] = [f"{prefix}-{kind}" for prefix in prefixes]
    return coded


def encode_iob1(length, entities):
    """B- is only for an entity that follows one of its own type at once."""
    coded = ["O"] * length
    ends = {(end, kind) for _, end, kind in entities}
    for start, end, kind in entities:
        first = "B" if (start, kind) in ends else "I"
        coded[start:end] = [f"{first}-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return coded


@pytest.fixture(scope="module")
def sentences():
    rng = random.Random(0)
    return [random_sentence(rng) for _ in range(211)]


@pytest.mark.parametrize("scheme", ["BBII", "SBIE", "UBIL"])
def test_schemes_become_bio(sentences, scheme, capsys):
    rows = [{"tags": encode(*sentence, *scheme)} for sentence in sentences]
    bio = [{"tags": encode(*sentence, *"BBII")} for sentence in sentences]
    assert tags.to_bio(rows, "here") == bio
    assert capsys.readouterr().out == ""


def test_iob1_becomes_bio_and_a_line_counts(sentences, capsys):
    rows = [{"tags": encode_iob1(*sentence)} for sentence in sentences]
    bio = [{"tags": encode(*sentence, *"BBII")} for sentence in sentences]
    begun = sum(
        old != new
        for row, expected in zip(rows, bio, strict=True)
        for old, new in zip(row["tags"], expected["tags"], strict=True)
    )
    assert tags.to_bio(rows, "here") == bio
    said = f"here: {begun:,} I- tags with no B- before read as B-\n"
    assert begun > 300 and capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("given", "expected", "count"),
    [
        ("O I-x I-x O", "O B-x I-x O", 1),
        ("I-x I-y I-y", "B-x B-y I-y", 2),
        ("B-x I-y", "B-x B-y", 1),
        ("B-x O I-x", "B-x O B-x", 1),
        ("B-x E-x I-x", "B-x I-x B-x", 1),
        ("S-x E-x", "B-x B-x", 1),
        ("B-x B-x I-x", "B-x B-x I-x", 0),
    ],
)
def test_a_tag_that_goes_on_with_nothing(given, expected, count, capsys):
    row = {"tokens": given.split(), "tags": given.split()}
    assert tags.to_bio([row], "a.txt") == [{**row, "tags": expected.split()}]
    lines = {0: "", 1: "a.txt: 1 I- tag with no B- before read as B-\n"}
    out = capsys.readouterr().out
    assert out == lines.get(count, f"a.txt: {count} I- tags with no B- before read as B-\n")


@pytest.mark.parametrize("wrong", ["PER", "B", "B-", "-x", "o", "", "X-y", "0"])
def test_what_is_no_tag(wrong):
    assert tags.complaint(["O", wrong, "B-x"]) == (
        f"the tag '{wrong}' is none of O, B-TYPE and I-TYPE"
    )
    assert tags.complaint(["O", "B-x", "I-x", "S-creative-work"]) is None


NAMES = ["O", "B-a", "B-ab", "I-a", "I-ab", "I-c"]


def legal(path):
    """Whether no tag has to be read as another to be BIO."""
    (row,) = tags.to_bio([{"tags": list(path)}], "path")
    return row["tags"] == list(path)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_transitions_that_are_allowed_are_those_of_bio(length):
    transitions, starts = tags.allowed_transitions(NAMES)
    assert (transitions.shape, starts.shape) == ((6, 6), (6,))
    for path in itertools.product(range(6), repeat=length):
        found = starts[path[0]] and all(transitions[pair] for pair in itertools.pairwise(path))
        names = [NAMES[i] for i in path]
        # A type without a B- of its own cannot begin, but can follow itself.
        assert bool(found) == legal(names), names
