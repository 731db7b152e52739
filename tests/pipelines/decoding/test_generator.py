"""The loop over tokens: greedy search, lengths, batches and shapes, beside plain Python."""

import keras
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
    beam_search,
    decode,
    examples,
    greedy,
)


class TestGreedy:
    @pytest.mark.parametrize("compiled", [False, True])
    def test_equals_a_loop_in_python(self, compiled):
        model = Chain(6)
        expected = [greedy(model, i) for i in range(EXAMPLES)]
        assert {tokens[-1] == END for tokens in expected} == {True, False}
        for i, found in enumerate(decode(model, compiled=compiled, length_penalty=0.5)):
            model.check(i, found, expected[i], 0.5)

    def test_is_cut_at_the_longest_length(self):
        model = Markov({START: {A: 1}, A: {B: 1}, B: {A: 1}})
        for method in ("greedy", "beam"):
            [found] = decode(model, examples(1), method=method, beams=2)
            assert found["tokens"].tolist() == [A, B, A, B]
            assert found["weights"].tolist() == [[1.0]] * 4

    @pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
    def test_does_not_end_before_the_shortest_length(self, method):
        model = Markov({START: {END: 0.9, A: 0.1}, A: {END: 0.9, A: 0.1}})
        for shortest, expected in enumerate(([END], [A, END], [A, A, END])):
            options = {"method": method, "beams": 2, "top_k": 1, "min_length": shortest}
            [found] = decode(model, examples(1), length_penalty=0.0, **options)
            assert found["tokens"].tolist() == [*expected, *[PAD] * (LENGTH - len(expected))]

    def test_stops_once_every_example_has_ended(self):
        steps = []

        class Counting(Markov):
            def step(self, tokens, index, memory, state):
                steps.append(index)
                return super().step(tokens, index, memory, state)

        [found] = decode(Counting({START: {A: 1}, A: {END: 1}}), examples(1), length=50)
        assert found["tokens"].tolist() == [A, END] + [PAD] * 48
        assert found["weights"][:, 0].tolist() == [1.0, 1.0] + [0.0] * 48
        if keras.backend.backend() != "jax":  # There a loop is traced, not run.
            assert len(steps) <= 3


class TestScores:
    """What is no distribution is added up as it is."""

    class Scored(Chain):
        gives_scores = True

    @pytest.mark.parametrize(("beams", "compiled"), [(1, False), (1, True), (3, False)])
    def test_equal_a_search_in_python(self, beams, compiled):
        model, changed = self.Scored(6, seed=3), 0
        options = {"method": "beam", "beams": beams, "length_penalty": 0.0}
        for i, found in enumerate(decode(model, compiled=compiled, **options)):
            expected = beam_search(model, i, beams, 0.0)
            model.check(i, found, expected, 0.0)
            changed += found["score"] > 0  # No log-probability is.
        assert changed > 0

    def test_of_what_was_drawn(self):
        model = self.Scored(6, seed=3)
        for i, found in enumerate(decode(model, method="sample", seed=2, length_penalty=0.0)):
            tokens = found["tokens"].tolist()
            tokens = tokens[: tokens.index(END) + 1] if END in tokens else tokens
            model.check(i, found, tokens, 0.0)


def hide_sizes(x):
    """The same tensor, of a shape that only a run will tell, where there is such a thing."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=tf.TensorShape([None] * len(x.shape)))


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_sizes_that_only_a_run_will_tell(method):
    """A model that copies has a column for each position of the source, and of the weights."""

    class Hidden(Chain):
        def start(self, example, candidates, max_length):
            memory, state, keys = super().start(example, candidates, max_length)
            return memory, state, ops.shape(hide_sizes(ops.zeros((1, keys))))[1]

        def step(self, tokens, index, memory, state):
            logits, weights, state = super().step(tokens, index, memory, state)
            return hide_sizes(logits), hide_sizes(weights), state

    options = {"method": method, "beams": 3, "min_length": 2, "no_repeat_ngram": 2, "seed": 0}
    options["coverage_penalty"] = 0.1
    expected = decode(Chain(6, seed=2), **options)
    results = decode(Hidden(6, seed=2), compiled=True, **options)
    for found, known in zip(results, expected, strict=True):
        assert found["tokens"].tolist() == known["tokens"].tolist()
        np.testing.assert_allclose(found["weights"], known["weights"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["score"], known["score"], rtol=1e-5)


@pytest.mark.parametrize("method", ["greedy", "beam"])
class TestBatches:
    def test_examples_do_not_see_each_other(self, method):
        model = Chain(6)
        together = decode(model, method=method, beams=3)
        for i, expected in enumerate(together):
            [alone] = decode(model, examples()[i : i + 1], method=method, beams=3)
            assert alone["tokens"].tolist() == expected["tokens"].tolist()
            np.testing.assert_allclose(alone["weights"], expected["weights"], rtol=1e-5)
            np.testing.assert_allclose(alone["score"], expected["score"], rtol=1e-5)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_is_raised_to_float32(self, method, dtype):
        class Half(Chain):
            def step(self, tokens, index, memory, state):
                logits, weights, state = super().step(tokens, index, memory, state)
                return ops.cast(logits, dtype), ops.cast(weights, dtype), state

        half, full = Half(6), Chain(6)
        # Rounded, so that both see the same numbers.
        for model in (half, full):
            model.by_example = np.round(model.by_example * 4) / 4 + np.arange(6, dtype="f") / 32
            model.by_state = np.round(model.by_state)
            model.looks = np.round(model.looks)
        for found, expected in zip(
            decode(half, method=method, beams=2), decode(full, method=method, beams=2), strict=True
        ):
            assert found["score"].dtype == found["weights"].dtype == np.float32
            assert found["tokens"].tolist() == expected["tokens"].tolist()
            np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)
            np.testing.assert_allclose(found["weights"], expected["weights"], rtol=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "best"}, "method='best'"),
        ({"method": "beam", "beams": 0}, "beams=0"),
        ({"method": "sample", "temperature": 0.0}, "temperature=0.0"),
        ({"method": "sample", "temperature": -1.0}, "temperature=-1.0"),
        ({"method": "sample", "top_p": 0.0}, "top_p=0.0"),
        ({"method": "sample", "top_p": 1.5}, "top_p=1.5"),
        ({"method": "sample", "top_k": 0}, "top_k=0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram=-1"),
        ({"coverage_penalty": -0.5}, "coverage_penalty=-0.5"),
        (
            {"method": "beam", "beams": 3, "alternatives": 3},
            "alternatives=3, method='beam', beams=3",
        ),
        ({"method": "beam", "beams": 3, "alternatives": -1}, "alternatives=-1"),
        ({"method": "greedy", "alternatives": 1}, "method='greedy'"),
        ({"method": "sample", "alternatives": 1}, "method='sample'"),
        ({"min_length": -1}, "min_length=-1"),
        ({"min_length": LENGTH}, f"min_length={LENGTH}, max_length={LENGTH}"),
    ],
)
def test_options_that_mean_nothing_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        Generator(Chain(6), LENGTH, **options)
