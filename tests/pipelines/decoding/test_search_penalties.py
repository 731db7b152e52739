"""Penalties beside the same in plain Python, alone and in a search."""

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
from pipelines.text.tokenizer import END, PAD, START
from tests.pipelines.decoding.toys import (
    EXAMPLES,
    KEYS,
    A,
    B,
    Chain,
    Markov,
    beam_search,
    decode,
    examples,
    greedy,
)

ROWS, T, S, V = 5, 11, 7, 3


def call(function, *arguments):
    """What a function of tensors returns, in NumPy."""
    tensors = [ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x for x in arguments]
    return np.array(ops.convert_to_numpy(function(*tensors)))


def random_logits(vocabulary_size=V):
    return np.random.default_rng(0).normal(size=(ROWS, vocabulary_size)).astype("float32")


def completing(tokens, size):
    """Tokens that would complete an n-gram which `tokens` already hold."""
    grams = {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}
    return {t for t in range(V) if (*tokens[len(tokens) - size + 1 :], t) in grams}


class TestForbidRepeatedNgrams:
    @pytest.mark.parametrize("size", [1, 2, 3, 5, T, T + 1])
    def test_equals_a_search_in_python(self, size):
        logits = random_logits()
        tokens = np.random.default_rng(1).integers(0, V, (ROWS, T)).astype("int32")
        tokens[0], tokens[1] = 1, [0, 1] * 5 + [0]
        forbidden = 0
        for index in range(T + 1):
            found = call(forbid_repeated_ngrams, logits, tokens, index, size)
            for row in range(ROWS):
                expected = completing(tokens[row, :index].tolist(), size)
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
        tokens = np.full((ROWS, T), V + S - 1, "int32")
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


class TestLogCoverage:
    WEIGHTS = np.random.default_rng(2).dirichlet(np.full(S, 0.3), (ROWS, T)).astype("float32")

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
        for row in range(ROWS):
            expected = self.expected(self.WEIGHTS[row], np.flatnonzero(mask[row]))
            np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)
        assert found[4] == 0

    def test_what_nothing_looked_at_counts_a_finite_amount(self):
        weights = np.zeros((1, T, S), "float32")
        weights[:, :, 0] = 1
        found = call(log_coverage, weights)
        np.testing.assert_allclose(found, [(S - 1) * math.log(UNSEEN)], rtol=1e-5)


def repeating(size):
    """A function from tokens to those that would end an n-gram for the second time."""

    def forbidden(tokens):
        tokens = tuple(tokens)
        grams = {tokens[i : i + size] for i in range(len(tokens) - size + 1)}
        return [gram[-1] for gram in grams if gram[:-1] == tokens[len(tokens) - size + 1 :]]

    return forbidden


class TestSearchWithoutRepeatedNgrams:
    @pytest.mark.parametrize(
        ("size", "beams", "compiled"),
        [
            pytest.param(1, 1, False, marks=pytest.mark.slow),
            (2, 1, True),
            (1, 3, True),
            pytest.param(2, 3, False, marks=pytest.mark.slow),
        ],
    )
    def test_equals_a_search_in_python(self, size, beams, compiled):
        changed = 0
        for seed in (1, 2, 4):
            model = Chain(4, seed)
            options = {"method": "beam", "beams": beams} if beams > 1 else {}
            found = decode(model, compiled=compiled, no_repeat_ngram=size, **options)
            for i in range(EXAMPLES):
                expected = beam_search(model, i, beams, 1.0, repeating(size))
                # Forbidden tokens take nothing from the probability of others.
                model.check(i, found[i], expected, 1.0)
                changed += expected != beam_search(model, i, beams, 1.0)
                if beams == 1:
                    assert list(expected) == greedy(model, i, repeating(size))
        assert changed > 0

    @pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
    @pytest.mark.parametrize("method", ["greedy", "sample"])
    def test_goes_on_with_the_next_likeliest(self, method):
        model = Markov({START: {A: 1}, A: {A: 0.6, B: 0.3, END: 0.1}, B: {A: 1}})
        for size, expected in ((0, [A] * 6), (2, [A, A, B, A, END, PAD]), (1, [A, B])):
            options = {"length": 6, "method": method, "top_k": 1, "no_repeat_ngram": size}
            [found] = decode(model, examples(1), **options)
            assert found["tokens"].tolist()[: len(expected)] == expected

    def test_what_follows_the_end_is_no_repetition(self):
        model = Markov({START: {A: 0.5, END: 0.5}, A: {END: 1.0}})
        for method in ("greedy", "beam", "sample"):
            found = decode(model, method=method, beams=2, length=7, no_repeat_ngram=1, seed=0)
            assert all(f["score"] > -1 for f in found)
            assert {tuple(f["tokens"][2:]) for f in found} == {(PAD,) * 5}


class Pointer(Chain):
    """Weights over a source with padding and, in a last column, something else."""

    def __init__(self, vocabulary_size, seed=0):
        super().__init__(vocabulary_size, seed)
        rng = np.random.default_rng(seed)
        self.looks = rng.dirichlet(np.full(KEYS, 0.3), 7).astype("float32")
        self.lengths = np.array([1, 2, 2, 1, 2], "int32")

    def step(self, tokens, index, memory, state):
        logits, _, state = super().step(tokens, index, memory, state)
        return logits, ops.take(self.looks, state["first"], axis=0), state

    def answer(self, example, tokens):
        log_probs, _ = super().answer(example, tokens)
        first = 0
        for token in (START, *tokens):
            first = (2 * first + token + 1) % 7
        return log_probs, self.looks[first]

    def coverage(self, example, tokens, columns):
        seen = sum(self.answer(example, tokens[:i])[1][:columns] for i in range(len(tokens)))
        return np.log(np.minimum(seen, 1)).sum()


class Masked(Pointer):
    def source_mask(self, example):
        return ops.arange(KEYS - 1) < ops.take(self.lengths, example)[:, None]


class TestSearchWithCoverage:
    @pytest.mark.parametrize("compiled", [pytest.param(False, marks=pytest.mark.slow), True])
    @pytest.mark.parametrize("kind", [Pointer, Masked])
    def test_the_candidates_of_the_end_are_ranked_by_it(self, kind, compiled):
        changed = 0
        for seed in range(1 if compiled else 4):
            model = kind(6, seed)
            model.by_state[:, END] += 2
            options = {"method": "beam", "beams": 5, "length_penalty": 0.6}
            found = decode(model, compiled=compiled, coverage_penalty=0.7, **options)
            for i in range(EXAMPLES):
                columns = model.lengths[i] if kind is Masked else KEYS

                def bonus(tokens, model=model, i=i, columns=columns):
                    return 0.7 * model.coverage(i, tokens, columns)

                expected = beam_search(model, i, 5, 0.6, bonus=bonus)
                changed += expected != beam_search(model, i, 5, 0.6)
                found[i]["score"] -= bonus(expected)
                model.check(i, found[i], expected, 0.6)
        assert changed > 0 or compiled

    def test_without_a_penalty_the_mask_is_not_asked_for(self):
        class Silent(Pointer):
            def source_mask(self, example):
                raise AssertionError

        model = Silent(6)
        for i, found in enumerate(decode(model, method="beam", beams=3)):
            model.check(i, found, beam_search(model, i, 3, 1.0), 1.0)
