"""Where words stand, and under which form vectors know them."""

import itertools
import random

import pytest

from pipelines.text import lower_words


def words(text):
    return [text[start:end] for start, end in lower_words.find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog, (it) sees.", ["The", "dog", ",", "(", "it", ")", "sees", "."]),
        ("don't CAN’T isn't", ["do", "n't", "CA", "N’T", "is", "n't"]),
        ("John's I'll we've", ["John", "'s", "I", "'ll", "we", "'ve"]),
        ("'so' rock'n'roll", ["'", "so", "'", "rock", "'", "n", "'", "roll"]),
        ("does n't", ["does", "n't"]),
        ("cafe\u0301 café", ["cafe\u0301", "café"]),
        ("бег مِن हिन्दी", ["бег", "مِن", "हिन्दी"]),
        ("中国とカnda 가각", ["中", "国", "と", "カ", "nda", "가각"]),
        ("👩‍🚀👍🏽!", ["👩‍🚀", "👍🏽", "!"]),
        ("[PAD] a_1\x00", ["[", "PAD", "]", "a_1", "\x00"]),
        (" \t\u00a0\n", []),
        ("", []),
    ],
)
def test_words_and_signs(text, expected):
    assert words(text) == expected


def test_thai_is_cut_by_character_but_for_old_vocabularies():
    text = "ลักษณะ ok"
    assert words(text) == ["ลั", "ก", "ษ", "ณ", "ะ", "ok"]
    assert lower_words.find(text, version=1) == [(0, 6), (7, 9)]


def test_all_but_white_space_is_found():
    rng = random.Random(0)
    signs = "aB9_n't’  \t\n.,-😀\u200d🚀é\u0301بَ中\u200b\u00a0[]\x00カ\u3099"
    for _ in range(500):
        text = "".join(rng.choices(signs, k=rng.randrange(30)))
        spans = lower_words.find(text)
        assert all(start < end for start, end in spans)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))
        assert "".join(words(text)).split() == "".join(text.split()).split()


def test_forms():
    assert lower_words.form("DON’T") == "don't"
    assert lower_words.form("Cafe\u0301") == "café"
    assert lower_words.form("İ") == "i\u0307"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [""]),
        ("lower", ["dog", "don't", "café", "中", "n't"]),
        ("Title", ["Dog", "Éric", "O'neill"]),
        ("UPPER", ["NATO", "U.S.", "ДА"]),
        ("A", ["A", "I'"]),
        ("mIxed", ["iPhone", "McDonald", "O'Neill", "dOG"]),
        ("digits", ["7", "1,000", "٣"]),
        ("letters and digits", ["B2B", "5th"]),
        ("signs", ["?", "...", "🙂", "_"]),
    ],
)
def test_shapes(name, expected):
    assert {lower_words.SHAPES[lower_words.shape(word)] for word in expected} == {name}
