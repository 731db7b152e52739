import numpy as np
import pytest

from apps.understanding.tasks import shared

TEXT = "ab  c"
WORDS = [(0, 2), (4, 5)]
# "a", "b", white space, "c"
SPANS = [(0, 1), (1, 2), (3, 3), (4, 5)]


def test_words_are_what_white_space_parts():
    assert shared.word_spans(TEXT) == WORDS
    assert shared.word_spans(" \n") == []


def test_a_word_gets_what_its_tokens_got_and_the_space_behind_it():
    weights = np.array([[0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_allclose(shared.per_word(weights, SPANS, WORDS), [[0.6, 0.4]], rtol=1e-6)


def test_the_mean_is_over_tokens_that_are_not_white_space():
    weights = np.array([[0.1, 0.2, 0.3, 0.4]])
    means = shared.per_word(weights, SPANS, WORDS, mean=True)
    np.testing.assert_allclose(means, [[0.15, 0.4]], rtol=1e-6)


def test_space_at_the_start_counts_to_the_first_word():
    weights = np.array([[0.25, 0.75]])
    assert shared.per_word(weights, [(0, 0), (1, 2)], [(1, 2)]).tolist() == [[1.0]]


@pytest.mark.parametrize("mean", [False, True])
def test_no_words(mean):
    assert shared.per_word(np.ones((2, 1)), [(0, 0)], [], mean=mean).shape == (2, 0)
