"""Beam search beside one in plain Python, and beside all sequences there are."""

import numpy as np
import pytest
from keras import ops

from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, PAD, START
from tests.pipelines.decoding.toys import (
    EXAMPLES,
    LENGTH,
    A,
    B,
    Chain,
    Markov,
    all_sequences,
    beam_candidates,
    beam_search,
    decode,
    examples,
    greedy,
)


class TestBeam:
    @pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0, 2.0])
    def test_a_wide_one_finds_the_best_of_all_sequences(self, penalty):
        model = Chain(4, seed=8)
        sequences = list(all_sequences(4))
        results = decode(model, method="beam", beams=len(sequences), length_penalty=penalty)
        better_than_greedy = 0
        for i, found in enumerate(results):
            scores = {s: model.log_prob(i, s) / len(s) ** penalty for s in sequences}
            best = max(scores, key=scores.get)
            model.check(i, found, best, penalty)
            assert found["score"] >= scores[tuple(greedy(model, i))] - 1e-5
            better_than_greedy += list(best) != greedy(model, i)
        assert better_than_greedy > 0

    @pytest.mark.parametrize("penalty", [0.0, 1.0])
    @pytest.mark.parametrize("beams", [2, 3, 7])
    def test_equals_a_search_in_python(self, beams, penalty):
        for seed in (1, 2):
            model = Chain(6, seed)
            model.by_state[:, END] += 2  # Finished and unfinished ones change places often.
            found = decode(model, method="beam", beams=beams, length_penalty=penalty)
            for i in range(EXAMPLES):
                model.check(i, found[i], beam_search(model, i, beams, penalty), penalty)

    def test_compiled_and_in_batches_of_two_sizes(self):
        model = Chain(6)
        generator = Generator(model, LENGTH, method="beam", beams=3)
        found = generator.predict(examples(), batch_size=3, verbose=0)
        for i in range(EXAMPLES):
            one = {name: x[i] for name, x in found.items()}
            model.check(i, one, beam_search(model, i, 3, 1.0), 1.0)

    def test_one_candidate_is_greedy_search(self):
        model = Chain(6)
        for i, found in enumerate(decode(model, method="beam", beams=1)):
            model.check(i, found, greedy(model, i), 1.0)

    def test_the_length_penalty_chooses_between_short_and_long(self):
        model = Markov({START: {END: 0.4, A: 0.6}, A: {B: 0.65, END: 0.35}, B: {END: 1.0}})
        for penalty, tokens, prob in ((0.0, [END], 0.4), (1.0, [A, B, END], 0.39)):
            [found] = decode(
                model, examples(1), method="beam", beams=3, length_penalty=penalty, length=6
            )
            # The short one, finished first, has stayed among the candidates of longer ones.
            assert found["tokens"].tolist() == tokens + [PAD] * (6 - len(tokens))
            np.testing.assert_allclose(found["score"], np.log(prob) / len(tokens) ** penalty, 1e-5)
            assert found["weights"][:, 0].tolist() == [1.0] * len(tokens) + [0.0] * (
                6 - len(tokens)
            )

    def test_more_candidates_than_there_are_sequences(self):
        model = Markov({START: {A: 0.7, B: 0.3}, A: {END: 1.0}, B: {END: 1.0}})
        [found] = decode(model, examples(1), method="beam", beams=40)
        assert found["tokens"].tolist() == [A, END, PAD, PAD]
        np.testing.assert_allclose(found["score"], np.log(0.7) / 2, rtol=1e-5)


class TestAlternatives:
    """The finished candidates behind the best, in their order."""

    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("penalty", [0.0, 1.0])
    def test_equal_those_of_a_search_in_python(self, penalty, compiled):
        model = Chain(6, seed=1)
        model.by_state[:, END] += 2
        options = {"method": "beam", "beams": 5, "length_penalty": penalty, "compiled": compiled}
        plain = decode(model, **options)
        results = decode(model, alternatives=4, **options)
        numbers = set()
        for i, found in enumerate(results):
            for name, expected in plain[i].items():
                np.testing.assert_array_equal(found[name], expected)
            _, *others = beam_candidates(model, i, 5, penalty)
            others = [(list(tokens), score) for tokens, score in others if END in tokens]
            numbers.add(len(others))
            rows = [tokens + [PAD] * (LENGTH - len(tokens)) for tokens, _ in others]
            nothing = 4 - len(others)
            assert found["alternatives"].tolist() == rows + [[PAD] * LENGTH] * nothing
            np.testing.assert_allclose(
                found["alternative_scores"],
                [score for _, score in others] + [-np.inf] * nothing,
                rtol=1e-5,
            )
        assert len(numbers) > 1  # Some candidates were cut at the longest length.

    def test_the_known_order_of_three_sequences(self):
        model = Markov({START: {END: 0.2, A: 0.5, B: 0.3}, A: {END: 1.0}, B: {END: 1.0}})
        options = {"method": "beam", "beams": 4, "length_penalty": 0.0}
        expected = {(A, END): 0.5, (B, END): 0.3, (END,): 0.2}
        for count in (1, 2, 3):
            [found] = decode(model, examples(1), alternatives=count, **options)
            best, *others = [[*tokens, *[PAD] * (LENGTH - len(tokens))] for tokens in expected]
            assert found["tokens"].tolist() == best
            # There is no fourth: the beam holds an impossible copy.
            assert found["alternatives"].tolist() == [*others, [PAD] * LENGTH][:count]
            scores = np.exp(found["alternative_scores"])
            np.testing.assert_allclose(scores, [0.3, 0.2, 0.0][:count], rtol=1e-5)
            assert found["alternatives"].dtype == np.int32

    def test_behind_a_best_that_was_cut_stand_finished_ones(self):
        model = Markov({START: {A: 0.9, B: 0.1}, A: {A: 0.9, END: 0.1}, B: {END: 1.0}})
        options = {"method": "beam", "beams": 5, "length_penalty": 0.0, "length": 3}
        [found] = decode(model, examples(1), alternatives=3, **options)
        assert found["tokens"].tolist() == [A, A, A]
        assert found["alternatives"].tolist() == [[B, END, PAD], [A, END, PAD], [A, A, END]]
        np.testing.assert_allclose(
            np.exp(found["alternative_scores"]), [0.1, 0.09, 0.081], rtol=1e-5
        )

    def test_the_coverage_penalty_ranks_them_too(self):
        class Looking(Markov):
            """One position of the source, of which each token sees a share."""

            def step(self, tokens, index, memory, state):
                logits, _, state = super().step(tokens, index, memory, state)
                shares = np.zeros((5, 1), "float32")
                shares[START], shares[A], shares[B] = 0.25, 0.75, 0.05
                return logits, ops.take(shares, tokens, axis=0), state

        model = Looking({START: {A: 0.3, B: 0.3, END: 0.4}, A: {END: 1}, B: {END: 1}})
        options = {"method": "beam", "beams": 4, "length_penalty": 0.0, "alternatives": 2}
        [found] = decode(model, examples(1), coverage_penalty=1.0, **options)
        assert found["tokens"].tolist() == [A, END, PAD, PAD]
        assert found["alternatives"].tolist() == [[END, PAD, PAD, PAD], [B, END, PAD, PAD]]
        scores = np.exp([found["score"], *found["alternative_scores"]])
        np.testing.assert_allclose(scores, [0.3 * 1.0, 0.4 * 0.25, 0.3 * 0.3], rtol=1e-5)

    def test_none_are_returned_unless_asked_for(self):
        [found] = decode(Chain(6), examples(1), method="beam", beams=3)
        assert set(found) == {"tokens", "weights", "score"}
