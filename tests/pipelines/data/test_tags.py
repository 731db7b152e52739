import itertools
import random

import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import tags

TYPES = ("person", "creative-work", "B-cell")


def to_bio(*given):
    return list(tags.to_bio(*given))


def named(*given):
    return list(tags.named(*given))


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


@pytest.mark.parametrize(
    ("scheme", "name"),
    [("BBII", ""), ("SBIE", "BIOES "), ("UBIL", "BILOU "), ("SBME", "BMES "), ("WBME", "BMEWO ")],
)
@pytest.mark.parametrize("written", ["{1}-{0}", "{1}_{0}", "{0}-{1}"])
def test_schemes_become_bio(sentences, scheme, name, written, capsys):
    rows = [{"tags": encode(*sentence, *scheme)} for sentence in sentences]
    bio = [{"tags": encode(*sentence, *"BBII")} for sentence in sentences]
    for row in rows:
        parts = [tag.partition("-") for tag in row["tags"]]
        row["tags"] = [written.format(c, a) if c else "O" for a, _, c in parts]
    assert to_bio(rows, "here") == bio
    said = capsys.readouterr().out
    if written == "{1}-{0}" and not name:
        assert said == ""
    else:
        assert said.startswith(f"here: {name}tags such as '")
        assert said.endswith("' read as BIO\n") and said.count("\n") == 1


def test_lower_case_becomes_bio(sentences):
    rows = [{"tags": [tag.lower() for tag in encode(*each, *"BBII")]} for each in sentences]
    bio = [{"tags": encode(*sentence, *"BBII")} for sentence in sentences]
    assert to_bio(rows, "here") == [
        {"tags": [tag.replace("B-cell", "b-cell") for tag in row["tags"]]} for row in bio
    ]


TYPES_ALONE = (
    "tags without B- and I- such as '{}' read as BIO: neighbours of one type are one entity"
)


@pytest.mark.parametrize(
    ("given", "expected", "said"),
    [
        (
            "PER PER O art-film LOC",
            "B-PER I-PER O B-art-film B-LOC",
            TYPES_ALONE.format("PER"),
        ),
        (
            "B I O B O O",
            "B-entity I-entity O B-entity O O",
            "BIO tags without a type such as 'B' read as BIO of the type 'entity'",
        ),
        (
            "B M E S",
            "B-entity I-entity I-entity B-entity",
            "BMES tags without a type such as 'B' read as BIO of the type 'entity'",
        ),
        (
            "B-a _ I-a -",
            "B-a O B-a O",
            "'-' and '_' read as O; 1 I- tag with no B- before read as B-",
        ),
        ("B-Ort I-Ort 0", "B-Ort I-Ort O", "'0' read as O"),
        (
            "e-mail O e-mail O",
            "B-e-mail O B-e-mail O",
            TYPES_ALONE.format("e-mail"),
        ),
        ("B-人名 I-人名 O", "B-人名 I-人名 O", None),
    ],
)
def test_tags_of_other_kinds(given, expected, said, capsys):
    assert to_bio([{"tags": given.split()}], "a") == [{"tags": expected.split()}]
    assert capsys.readouterr().out == (f"a: {said}\n" if said else "")


def test_types_are_compared_composed():
    row = {"tags": ["B-Trad\u00e9", "I-Trade\u0301", "O"]}
    assert to_bio([row], "a") == [{"tags": ["B-Trad\u00e9", "I-Trad\u00e9", "O"]}]


def test_an_end_or_a_single_one_goes_on_with_nothing(capsys):
    rows = [{"tags": ["B-x", "E-x", "I-x"]}, {"tags": ["S-x", "E-x"]}]
    assert to_bio(rows, "a") == [{"tags": ["B-x", "I-x", "B-x"]}, {"tags": ["B-x", "B-x"]}]
    assert capsys.readouterr().out == (
        "a: BIOES tags such as 'E-x' read as BIO; 2 I- tags with no B- before read as B-\n"
    )


def test_iob1_becomes_bio_and_a_line_counts(sentences, capsys):
    rows = [{"tags": encode_iob1(*sentence)} for sentence in sentences]
    bio = [{"tags": encode(*sentence, *"BBII")} for sentence in sentences]
    begun = sum(
        old != new
        for row, expected in zip(rows, bio, strict=True)
        for old, new in zip(row["tags"], expected["tags"], strict=True)
    )
    assert to_bio(rows, "here") == bio
    said = f"here: {begun:,} I- tags with no B- before read as B-\n"
    assert begun > 300 and capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("given", "expected", "count"),
    [
        ("O I-x I-x O", "O B-x I-x O", 1),
        ("I-x I-y I-y", "B-x B-y I-y", 2),
        ("B-x I-y", "B-x B-y", 1),
        ("B-x O I-x", "B-x O B-x", 1),
        ("B-x B-x I-x", "B-x B-x I-x", 0),
    ],
)
def test_a_tag_that_goes_on_with_nothing(given, expected, count, capsys):
    row = {"tokens": given.split(), "tags": given.split()}
    assert to_bio([row], "a.txt") == [{**row, "tags": expected.split()}]
    lines = {0: "", 1: "a.txt: 1 I- tag with no B- before read as B-\n"}
    out = capsys.readouterr().out
    assert out == lines.get(count, f"a.txt: {count} I- tags with no B- before read as B-\n")


@pytest.mark.parametrize("wrong", ["PER", "B", "B-", "-x", "", "X-y", "0", "_"])
def test_what_is_no_tag(wrong):
    rows = [{"tags": ["O", "B-x", "B-x"]}, {"tags": ["O", wrong, "B-x"]}]
    reason = f"the tag '{wrong}' is none of O, B-TYPE and I-TYPE"
    with pytest.raises(UserError) as caught:
        to_bio(rows, "a")
    assert str(caught.value) == f"a: row 2: {reason}"
    tally = Tally("train")
    place = "a:{}.{}".format
    assert to_bio(rows, "a", tally, place) == rows[:1]
    assert tally._entries == [("a:1.1", reason)]


def test_blank_tokens_are_left_out(capsys):
    rows = [{"tokens": ["a", "\u00a0", "b"], "tags": ["B-x", "O", "I-x"]}]
    assert to_bio(rows, "a") == [{"tokens": ["a", "b"], "tags": ["B-x", "B-x"]}]
    assert capsys.readouterr().out == (
        "a: 1 I- tag with no B- before read as B-; 1 token without a visible character left out\n"
    )


def test_numbers():
    rows = [{"id": 3, "tags": [1, 2, 0]}, {"tags": [0, 9, "O"]}]
    assert tags.has_numbers(rows) and not tags.has_numbers([{"tags": ["O", "1"]}])
    with_names = named(rows, ["O", "B-x", "I-x"])
    assert with_names == [{"id": 3, "tags": ["B-x", "I-x", "O"]}, {"tags": ["O", "9", "O"]}]
    from_one = named([{"tags": [2, 3, 1]}], ["O", "B-x", "I-x"])
    assert from_one == [{"tags": ["B-x", "I-x", "O"]}]
    with pytest.raises(UserError) as caught:
        to_bio(rows, "a.jsonl")
    assert str(caught.value) == (
        "a.jsonl: the tags are numbers, and nothing says what they stand for: list their names in "
        "a labels.txt beside it, one a line, the name of 0 first (O, B-PER, I-PER …)"
    )


NAMES = ["O", "B-a", "B-ab", "I-a", "I-ab", "I-c"]


def legal(path):
    """Whether no tag has to be read as another to be BIO."""
    (row,) = to_bio([{"tags": list(path)}], "path")
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
