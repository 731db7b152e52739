"""Subwords, characters and words of transcripts: back and forth, unknown ones, saving."""

import pytest

from pipelines.text.speech_units import KINDS, Units
from pipelines.text.tokenizer import END, PAD, START

TEXTS = ["turn the light off", "four hundred and seven", "the ninth of march", "ça va"] * 3
UNKNOWN = 3


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_back(kind):
    units = Units.train(TEXTS, 60, kind)
    encoded = units.encode(TEXTS)
    assert [units.decode(ids) for ids in encoded] == TEXTS
    assert all(ids[0] == START and ids[-1] == END for ids in encoded)
    words, positions = units.words(encoded[1])
    assert words == ["four", "hundred", "and", "seven"]
    assert [p for token in positions for p in token] == list(range(1, len(encoded[1]) - 1))
    assert not {PAD, UNKNOWN} & {token for ids in encoded for token in ids}


@pytest.mark.parametrize("kind", KINDS)
def test_white_space_is_no_unit(kind):
    units = Units.train(TEXTS, 60, kind)
    assert units.encode(["  turn\tthe\n light "]) == units.encode(["turn the light"])
    assert units.encode([""]) == [[START, END]]


def test_characters_are_the_alphabet_and_its_word_mark():
    units = Units.train(["abba ab"], 99, "character")
    assert units.vocabulary_size == 4 + 3
    assert len(units.encode(["ba"])[0]) == 2 + 3


def test_subwords_are_as_many_as_asked_for_at_most():
    assert Units.train(TEXTS, 31, "subword").vocabulary_size == 31
    assert Units.train(TEXTS, 5000, "subword").vocabulary_size < 120


def test_words_of_the_test_that_training_lacks_are_unknown():
    units = Units.train(TEXTS, 60, "word")
    ids = units.encode(["turn the radio off"])[0]
    assert ids[3] == UNKNOWN and ids.count(UNKNOWN) == 1
    assert units.decode(ids) == "turn the off"
    assert UNKNOWN in Units.train(TEXTS, 60, "character").encode(["ж"])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_keeps_them(kind, tmp_path):
    units = Units.train(TEXTS, 60, kind)
    units.save(tmp_path)
    restored = Units.load(tmp_path)
    assert restored.encode(TEXTS) == units.encode(TEXTS)
    assert restored.vocabulary_size == units.vocabulary_size


def test_words_are_characters_where_no_spaces_are_written():
    texts = ["我爱北京 ok", "ภาษา हिन्दी"]
    units = Units.train(texts, 60, "word")
    encoded = units.encode(texts)
    assert [len(ids) - 2 for ids in encoded] == [5, 5]
    assert [units.decode(ids) for ids in encoded] == texts


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="Received: kind='phone'"):
        Units.train(TEXTS, 60, "phone")
