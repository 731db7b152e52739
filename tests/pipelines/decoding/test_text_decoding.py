"""Decoding of many sources, by a model that copies them and tells what it was given."""

import io

import keras
import numpy as np
import pytest
from keras import ops
from rich.console import Console

from pipelines.commands import terminal
from pipelines.data import buckets
from pipelines.decoding import text_decoding
from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END

LENGTH = 13
VOCABULARY = 17


class Copier(keras.Model):
    """Copies its source; a last column of the weights tells how long the padded source is."""

    def __init__(self):
        super().__init__()
        self.built = True
        self.traces = 0

    def start(self, source, candidates, max_length):
        self.traces += 1
        return source, [], ops.shape(source)[1] + 1

    def step(self, tokens, index, memory, state):
        rows, length = ops.shape(tokens)[0], ops.shape(memory)[1]
        source = ops.repeat(memory, rows // ops.shape(memory)[0], axis=0)
        position = ops.minimum(index, length - 1)
        logits = 9.0 * ops.one_hot(ops.take(source, position, axis=1), VOCABULARY)
        here = ops.cast(ops.arange(length) == position, "float32")
        here = ops.broadcast_to(here[None], (rows, length))
        told = ops.broadcast_to(ops.cast(length, "float32"), (rows, 1))
        return logits, ops.concatenate([here, told], axis=-1), state


class Recording:
    """A generator that keeps the batches it is given."""

    def __init__(self, **options):
        self.generator = Generator(Copier(), LENGTH, **options)
        self.batches = []

    def predict_on_batch(self, batch):
        self.batches.append(batch.copy())
        return self.generator.predict_on_batch(batch)


def make_sources(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [[*rng.integers(3, VOCABULARY, length - 1).tolist(), END] for length in lengths]


LOG_PROB = 9 - np.log(np.exp(9) + VOCABULARY - 1)


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_every_source_is_answered_in_its_place_without_padding(method):
    lengths = [3, 19, 2, 7, 5, 12, 13, 2, 31, 6, 4]
    sources = make_sources(lengths)
    generator = Recording(method=method, beams=2)
    results = text_decoding.decode(generator, sources, batch_size=3)
    assert len(results) == len(sources)
    assert {batch.shape for batch in generator.batches} == {(3, 8), (3, 16), (3, 31)}
    for source, found in zip(sources, results, strict=True):
        assert found.tokens.tolist() == source[:LENGTH]
        assert found.tokens.dtype == np.int32
        steps = len(found.tokens)
        assert found.weights.shape == (steps, len(source) + 1)
        np.testing.assert_array_equal(found.weights[:, :-1], np.eye(steps, len(source)))
        assert set(found.weights[:, -1]) <= {8.0, 16.0, 31.0}
        assert found.weights[0, -1] >= len(source)
        assert isinstance(found.score, float)
        assert found.score == pytest.approx(LOG_PROB, rel=1e-3)


def test_long_ones_first_and_the_last_batch_filled():
    generator = Recording()
    sources = make_sources([2, 9, 4, 17, 3])
    text_decoding.decode(generator, sources, batch_size=2)
    first, second, third = (batch.tolist() for batch in generator.batches)
    assert first == [sources[3], sources[1] + [0] * 8]
    assert second == [sources[2] + [0] * 4, sources[4] + [0] * 5]
    assert third == [sources[0] + [0] * 6] * 2


def test_no_batch_is_longer_than_the_longest_source_nor_larger_than_needed():
    generator = Recording()
    text_decoding.decode(generator, make_sources([2, 11, 3]), batch_size=50)
    assert [batch.shape for batch in generator.batches] == [(3, 11)]


def test_few_shapes_and_fewer_traces():
    sources = make_sources(np.random.default_rng(3).integers(2, 60, 101).tolist())
    generator = Recording()
    results = text_decoding.decode(generator, sources, batch_size=5)
    shapes = {batch.shape for batch in generator.batches}
    assert len(generator.batches) == 21
    assert shapes == {(5, length) for length in (8, 16, 24, 32, 48, len(max(sources, key=len)))}
    if keras.backend.backend() == "tensorflow":  # From the second shape on, of any length.
        assert generator.generator.model.traces <= 3
    if keras.backend.backend() == "jax":
        assert generator.generator.model.traces <= len(shapes) + 1
    for source, found in zip(sources, results, strict=True):
        assert found.tokens.tolist() == source[:LENGTH]


def test_empty_sources_are_not_shown_to_the_model():
    generator = Recording()
    full = make_sources([4, 6])
    results = text_decoding.decode(generator, [[END], full[0], [], full[1], [END]], batch_size=3)
    assert [batch.shape[0] for batch in generator.batches] == [2]
    assert [found.tokens.tolist() for found in results] == [[], full[0], [], full[1], []]
    assert [found.weights.shape[0] for found in results] == [0, 4, 0, 6, 0]
    assert (results[0].weights.shape, results[2].weights.shape) == ((0, 1), (0, 0))
    assert results[0].score == 0.0
    for nothing in ([], [[END], []]):
        generator = Recording()
        assert len(text_decoding.decode(generator, nothing)) == len(nothing)
        assert generator.batches == []


def test_weights_are_left_out_where_they_are_not_asked_for():
    results = text_decoding.decode(Recording(), [*make_sources([4, 6]), [END]], weights=False)
    assert [found.weights for found in results] == [None] * 3
    assert [len(found.tokens) for found in results] == [4, 6, 0]


def test_alternatives_are_cut_at_their_end_and_those_that_are_not_there_left_out():
    class Stub:
        def predict_on_batch(self, batch):
            return {
                "tokens": np.array([[5, 6, END, 0]], "int32"),
                "weights": np.ones((1, 4, batch.shape[1]), "float32"),
                "score": np.array([-1.0], "float32"),
                "alternatives": np.array([[[7, END, 0, 0], [8, 9, 8, END], [0] * 4]], "int32"),
                "alternative_scores": np.array([[-1.5, -2.0, -np.inf]], "float32"),
            }

    found, nothing = text_decoding.decode(Stub(), [[4, END], [END]])
    assert (found.tokens.tolist(), found.score) == ([5, 6, END], -1.0)
    (first, second), scores = zip(*found.alternatives, strict=True)
    assert (first.tolist(), second.tolist()) == ([7, END], [8, 9, 8, END])
    assert scores == (-1.5, -2.0) and first.base is None
    assert nothing.alternatives == ()


def test_there_are_no_alternatives_unless_the_generator_returns_some():
    source, *_ = make_sources([4])
    [found] = text_decoding.decode(Recording(method="beam", beams=3), [source])
    assert found.alternatives == ()
    [found] = text_decoding.decode(Recording(method="beam", beams=3, alternatives=2), [source])
    assert len(found.alternatives) == 2
    scores = [found.score, *(score for _, score in found.alternatives)]
    assert scores == sorted(scores, reverse=True)
    assert all(tokens[-1] == END for tokens, _ in found.alternatives)


def test_results_do_not_hold_on_to_their_batch():
    for found in text_decoding.decode(Recording(), make_sources([4, 6])):
        assert found.tokens.base is None and found.weights.base is None


@pytest.mark.parametrize(("on_terminal", "sources"), [(True, 5), (False, 5), (True, 2)])
def test_progress_is_shown_on_a_terminal_if_it_takes_several_batches(
    monkeypatch, on_terminal, sources
):
    console = Console(file=io.StringIO(), force_terminal=on_terminal, width=100)
    monkeypatch.setattr(terminal, "console", console)
    text_decoding.decode(
        Recording(), make_sources([4] * sources), batch_size=2, description="translating"
    )
    shown = console.file.getvalue()
    if on_terminal and sources == 5:
        assert "translating" in shown and "5/5" in shown
    else:
        assert shown == ""


@pytest.mark.parametrize(
    ("length", "padded"),
    [(1, 8), (8, 8), (9, 16), (17, 24), (24, 24), (33, 48), (49, 64), (65, 96), (400, 512)],
)
def test_padded_lengths(length, padded):
    assert buckets.padded_length(length) == padded


def test_few_padded_lengths_and_little_padding():
    lengths = {buckets.padded_length(length) for length in range(1, 1025)}
    assert len(lengths) == 14
    for length in range(17, 1025):
        assert length <= buckets.padded_length(length) <= 1.5 * length
