"""Penalties beside the same in plain Python."""

import math

import numpy as np
import pytest
from keras import ops

from pipelines.decoding.search_penalties import (
    IMPOSSIBLE,
    UNSEEN,
    forbid_early_end,
    forbid_repeated_ngrams,
    log_coverage,
)
from pipelines.text.tokenizer import END

B, T, S, V = 5, 11, 7, 3


def call(function, *arguments):
    """What a function of tensors returns, in NumPy."""
    tensors = [ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x for x in arguments]
    return np.array(ops.convert_to_numpy(function(*tensors)))


def random_logits(vocabulary_size=V):
    return np.random.default_rng(0).normal(size=(B, vocabulary_size)).astype("float32")


def repeating(tokens, size):
    """Tokens that would complete an n-gram which `tokens` already hold."""
    grams = {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}
    return {t for t in range(V) if (*tokens[len(tokens) - size + 1 :], t) in grams}


class TestRepeatedNgrams:
    @pytest.mark.parametrize("size", [1, 2, 3, 5, T, T + 1])
    def test_equals_a_search_in_python(self, size):
        logits = random_logits()
        tokens = np.random.default_rng(1).integers(0, V, (B, T)).astype("int32")
        tokens[0], tokens[1] = 1, [0, 1] * 5 + [0]
        forbidden = 0
        for index in range(T + 1):
            found = call(forbid_repeated_ngrams, logits, tokens, index, size)
            for row in range(B):
                expected = repeating(tokens[row, :index].tolist(), size)
                assert {t for t in range(V) if found[row, t] < IMPOSSIBLE / 2} == expected
                others = [t for t in range(V) if t not in expected]
                np.testing.assert_array_equal(found[row, others], logits[row, others])
                forbidden += len(expected)
        assert (forbidden > 0) == (size <= T)

    def test_what_stands_after_the_index_does_not_count(self):
        tokens = np.array([[1, 2, 0, 0, 0]], "int32")
        found = call(forbid_repeated_ngrams, np.zeros((1, V), "float32"), tokens, 2, 1)
        assert (found < IMPOSSIBLE / 2).tolist() == [[False, True, True]]

    def test_tokens_beyond_the_vocabulary_of_words(self):
        """Copies have ids of their own, and the width may be told by a run alone."""
        logits = random_logits(V + S)
        tokens = np.full((B, T), V + S - 1, "int32")
        found = call(forbid_repeated_ngrams, logits, tokens, 4, 3)
        np.testing.assert_array_equal(found[:, :-1], logits[:, :-1])
        assert (found[:, -1] < IMPOSSIBLE / 2).all()


def test_the_end_is_forbidden_until_it_may_come():
    logits = random_logits()
    for index in range(4):
        found = call(forbid_early_end, logits, index, 2)
        assert (found[:, END] < IMPOSSIBLE / 2).all() == (index < 2)
        expected = logits if index >= 2 else logits[:, :END]
        np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)


class TestCoverage:
    WEIGHTS = np.random.default_rng(2).dirichlet(np.full(S, 0.3), (B, T)).astype("float32")

    def expected(self, weights, used):
        """Equation 14 of Wu et al. (2016), without its factor."""
        sums = [max(sum(weights[t][j] for t in range(T)), UNSEEN) for j in used]
        return sum(math.log(min(total, 1.0)) for total in sums)

    def test_equals_the_equation(self):
        found = call(log_coverage, self.WEIGHTS)
        expected = [self.expected(weights, range(S)) for weights in self.WEIGHTS]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert (found <= 0).all() and len(set(found.tolist())) > 1

    def test_padding_and_columns_after_the_source_do_not_count(self):
        mask = np.arange(S - 2) < np.array([5, 1, 3, 4, 0])[:, None]
        found = call(log_coverage, self.WEIGHTS, mask)
        for row in range(B):
            expected = self.expected(self.WEIGHTS[row], np.flatnonzero(mask[row]))
            np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)
        assert found[4] == 0

    def test_what_nothing_looked_at_counts_a_finite_amount(self):
        weights = np.zeros((1, T, S), "float32")
        weights[:, :, 0] = 1
        found = call(log_coverage, weights)
        np.testing.assert_allclose(found, [(S - 1) * math.log(UNSEEN)], rtol=1e-5)
