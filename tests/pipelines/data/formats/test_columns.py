import pytest

from pipelines.data.formats import columns
from pipelines.data.formats.columns import Columns


def sentences(text):
    return [[line.split() for line in each.splitlines()] for each in text.split("\n\n")]


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("Ada B-x\nran O", (), Columns(2, 0, 1)),
        # What a tagger found beside what is true.
        ("Ada N B-x O\nran V O B-x\nup P O O", (), Columns(4, 0, 2, others=(3,))),
        # Phrases beside sentences without entities.
        ("Ada N B-NP O\nran V B-VP O", (), Columns(4, 0, 3)),
        # Types alone only where there is nothing better, and enough is outside.
        ("Ada x B-a\nran O O\nof O O", (), Columns(3, 0, 2)),
        ("O NOUN\nO VERB\nA DET\nto ADP", (), None),
        ("O DET PER\nA ADP O\nran VERB O", (), Columns(3, 0, 2)),
        ("O O\nA PER", (), Columns(2, 0, 1)),
        # A Portuguese article is no tag.
        ("O DET\ngato NOUN\ncorre VERB\ne CCONJ", (), None),
        ("Ada _ F=1|NER=B-x\nran _ F=2", (), Columns(3, 0, 2, key="NER")),
        ("Ada _ F=1|X=Yes\nran _ F=2", (), None),
        ("B-x O Ada\nO O ran", ("ner", "tag", "word"), Columns(3, 2, 0, others=(1,))),
        ("3 Ada B-x\n4 ran O", ("sent_id", "token", "tag"), Columns(3, 1, 2, None, (0,), 0)),
        ("Ada 1\nran 0", (), Columns(2, 0, 1, are_numbers=True)),
        ("1 Ada\n2 ran", (), None),
        ("B-x\nO", (), None),
    ],
)
def test_columns_are_found(text, names, found):
    assert columns.find(sentences(text), names) == found


def test_nothing_has_no_columns():
    assert columns.find([]) is None


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["Word", " Tag "], ["word", "tag"]),
        (["Sentence #", "Word", "POS", "Tag"], ["sentence #", "word", "pos", "tag"]),
        (["word", "O"], None),
        (["Ada", "B-x"], None),
        (["tag", "ner"], None),
    ],
)
def test_a_header(cells, names):
    assert columns.header(cells) == names


@pytest.mark.parametrize(
    ("found", "cells", "tag"),
    [
        (Columns(4, 0, 3), ["a", "N", "X", "O"], "O"),
        (Columns(4, 0, 3), ["a", "O"], "O"),
        (Columns(4, 0, 3), ["a"], None),
        (Columns(4, 1, 2), ["1", "a", "O"], "O"),
        (Columns(4, 1, 2), ["1", "a"], None),
        (Columns(2, 1, 0), ["O", "a"], "O"),
        (Columns(2, 1, 0), ["O"], None),
        (Columns(2, 0, 1, "NER"), ["a", "A=1|NER=B-x=y"], "B-x=y"),
        (Columns(2, 0, 1, "NER"), ["a", "_"], "O"),
    ],
)
def test_the_tag_of_a_line(found, cells, tag):
    assert found.tag_of(cells) == tag
