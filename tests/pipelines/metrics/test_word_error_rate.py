"""Error rates are jiwer's, over the whole split."""

import pytest

from pipelines.metrics import word_error_rate


def test_error_rates_are_over_all_words_and_characters():
    found = word_error_rate.score(["a b c", "one  two", ""], ["a b d", "one two", "x y"])
    assert found["wer"] == pytest.approx(3 / 7)  # One substituted, two deleted.
    assert found["cer"] == pytest.approx(4 / 15)
    assert found["sentence_error_rate"] == pytest.approx(2 / 3)


def test_insertions_can_make_it_more_than_one():
    assert word_error_rate.score(["a b c d"], ["a"])["wer"] == 3.0


def test_normalized_texts_have_no_case_and_no_punctuation():
    assert word_error_rate.normalize("Hello, “World”! It’s 5-ish…") == "hello world it's 5 ish"
    assert word_error_rate.normalize("'Tis the DOGS' ") == "tis the dogs"
    assert word_error_rate.normalize("ÇA VA?\tПРИВЕТ") == "ça va привет"
    assert word_error_rate.normalize("?!") == ""
