import random
import re
from collections import Counter

import pytest

from pipelines.builtin.spoken_numbers import phrases as spoken_phrases
from pipelines.builtin.spoken_numbers.phrases import cardinal, ordinal, year

SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
VALUES = {word: value for value, word in enumerate(SMALL.split())} | {
    **{"fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19},
    **{"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70},
    **{"eighty": 80, "ninety": 90},
}
SOUND_ALIKE = {"to", "too", "won", "for", "fore", "ate", "hour", "our", "write", "buy", "bye"}


@pytest.fixture(scope="module")
def phrases():
    return spoken_phrases.distinct(4_001, seed=3)


def value(text):
    """Reads a number in words."""
    total = part = 0
    for word in text.split():
        if word == "thousand":
            total, part = total + 1_000 * part, 0
        elif word == "hundred":
            part *= 100
        elif word != "and":
            part += VALUES[word]
    return total + part


def test_cardinals():
    numbers = [*range(2_201), *range(2_203, 1_000_000, 997), 10**5, 999_999]
    assert [value(cardinal(number)) for number in numbers] == numbers
    assert cardinal(407) == "four hundred and seven"
    assert cardinal(42_106) == "forty two thousand one hundred and six"
    assert cardinal(7_003) == "seven thousand and three"
    assert cardinal(20_000) == "twenty thousand"


def test_ordinals():
    irregular = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth"}
    irregular |= {12: "twelfth", 20: "twentieth", 21: "twenty first", 30: "thirtieth"}
    assert {number: ordinal(number) for number in irregular} == irregular
    for number in {4, 6, 7, 10, 11, *range(13, 20)}:
        assert ordinal(number) == cardinal(number) + "th"
    assert ordinal(31) == "thirty first" and ordinal(27) == "twenty seventh"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1800, "eighteen hundred"),
        (1905, "nineteen oh five"),
        (1992, "nineteen ninety two"),
        (2000, "two thousand"),
        (2006, "two thousand and six"),
        (2010, "twenty ten"),
        (2059, "twenty fifty nine"),
    ],
)
def test_years(number, words):
    assert year(number) == words


def test_phrases_are_two_to_ten_words_and_all_different(phrases):
    assert len(set(phrases)) == len(phrases) == 4_001
    lengths = Counter(len(phrase.split()) for phrase in phrases)
    assert min(lengths) == 2 and max(lengths) == 10 and len(lengths) == 9
    for phrase in phrases:
        assert re.fullmatch("[a-z]+( [a-z]+)*", phrase)


def test_the_vocabulary(phrases):
    counts = Counter(word for phrase in phrases for word in phrase.split())
    assert 100 <= len(counts) <= 150
    assert min(counts.values()) >= 10
    assert counts.keys() >= VALUES.keys()
    assert not counts.keys() & SOUND_ALIKE


def test_every_wording_is_used(phrases):
    wordings = [text for _, texts in spoken_phrases.TEMPLATES.values() for text in texts]
    wordings += [text for texts in spoken_phrases.CHOICES.values() for text in texts]
    for wording in wordings:
        pattern = re.compile(r"\b" + re.sub(r"{\w+}", "[a-z ]+", wording) + r"\b")
        assert any(pattern.search(phrase) for phrase in phrases), wording


def test_the_same_seed_gives_the_same(phrases):
    assert spoken_phrases.distinct(101, seed=3) == phrases[:101]
    assert spoken_phrases.distinct(101, seed=4) != phrases[:101]
    one, two = (spoken_phrases.sample(random.Random(7)) for _ in range(2))
    assert one == two
