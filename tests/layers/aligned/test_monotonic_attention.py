"""Monotonic attention: its recurrence, hard and soft, and its noise."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import MonotonicAttention
from tests.layers.backend import compiled_with_xla, gradients, randomise, seed_states, to_numpy
from tests.layers.mechanism import POLICIES, TOLERANCE, attend, close
from tests.layers.references import mechanisms as reference

B, T, S, QUERY_DIM, VALUE_DIM, UNITS = 2, 5, 13, 3, 7, 11


def data(length=T, key_length=S, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "query": rng.normal(size=(B, length, QUERY_DIM)).astype("float32"),
        "value": rng.normal(size=(B, key_length, VALUE_DIM)).astype("float32"),
    }


def build(scale=0.5, **options):
    layer = MonotonicAttention(UNITS, **options)
    layer.build((B, T, QUERY_DIM), (B, S, VALUE_DIM))
    return randomise(layer, scale=scale)


def set_scores(layer, scale, bias):
    layer.score_scale.assign(scale)
    layer.score_bias.assign(bias)


def expected(layer, inputs, mask=None, **options):
    query, value = inputs.values()
    mask = np.ones((1, 1, 1), bool) if mask is None else mask
    return reference.monotonic(layer, query, value, value, mask, **options)


def weights_of_stops(stop, mask=None):
    """The weights of soft attention for these probabilities of stopping, `(B, T, S)`."""
    layer = MonotonicAttention(UNITS, mode="soft")
    weights, alignment = [], layer.initial_alignment(stop.shape[0], stop.shape[2])[:, None]
    with np.errstate(divide="ignore"):
        scores = np.log(stop) - np.log1p(-stop)
    for i in range(stop.shape[1]):
        score = ops.convert_to_tensor(scores[:, i : i + 1], dtype="float32")
        alignment = layer.normalize(score, alignment, mask, False)
        weights.append(to_numpy(alignment)[:, 0])
    return np.stack(weights, axis=1)


def reference_of_stops(stop):
    alignment, weights = np.eye(stop.shape[2])[[0] * len(stop)], []
    for i in range(stop.shape[1]):
        alignment = reference.monotonic_weights(stop[:, i], alignment)
        weights.append(alignment)
    return np.stack(weights, axis=1)


# The recurrence


@pytest.mark.parametrize(
    "low, high", [(0, 1e-4), (0.9999, 1), (0, 1), (0.4, 0.6), (1e-9, 1e-6), (0.99, 0.9999)]
)
@pytest.mark.parametrize("length", [1, 2, 200, 257])
def test_the_recurrence_equals_the_reference_over_many_keys_and_steps(length, low, high):
    stop = np.random.default_rng(2).uniform(low, high, size=(2, 30, length))
    found = weights_of_stops(stop)
    np.testing.assert_allclose(found, reference_of_stops(stop), rtol=1e-4, atol=1e-6)


def test_the_recurrence_of_probabilities_at_both_ends_neither_under_nor_overflows():
    rng = np.random.default_rng(3)
    stop = rng.choice([1e-7, 1 - 1e-7], size=(3, 20, 200), p=[0.9, 0.1])
    np.testing.assert_allclose(
        weights_of_stops(stop), reference_of_stops(stop), rtol=1e-4, atol=1e-6
    )


def test_soft_with_certain_stops_is_exactly_hard():
    stop = (np.random.default_rng(4).random((3, 9, 200)) < 0.05).astype("float64")
    found = weights_of_stops(stop)
    np.testing.assert_array_equal(found, reference_of_stops(stop))
    layer = MonotonicAttention(UNITS, mode="hard")
    alignment = layer.initial_alignment(3, 200)[:, None]
    for i in range(9):
        scores = ops.convert_to_tensor(stop[:, i : i + 1] - 0.5, dtype="float32")
        alignment = layer.normalize(scores, alignment, None, False)
        np.testing.assert_array_equal(to_numpy(alignment)[:, 0], found[:, i])


@pytest.mark.parametrize("score", [0.0, -30.0, 30.0, -200.0, 200.0])
def test_gradients_of_the_recurrence_are_finite(score):
    layer = MonotonicAttention(UNITS, mode="soft")
    scores = keras.Variable(np.full((2, 1, 200), score, "float32"))
    alignment = keras.Variable(np.random.default_rng(5).random((2, 1, 200)).astype("float32"))
    target = np.random.default_rng(6).normal(size=(2, 1, 200)).astype("float32")

    def loss():
        tensors = ops.convert_to_tensor(scores), ops.convert_to_tensor(alignment)
        return ops.sum(layer.normalize(*tensors, None, True) * ops.convert_to_tensor(target))

    found = gradients(loss, [scores, alignment])
    assert all(np.isfinite(gradient).all() for gradient in found)
    # The recurrence, run backwards.
    stop = 1 / (1 + np.exp(-np.float64(score)))
    go_on, carried = 1 - stop, np.zeros((2, 1))
    slopes = np.zeros((2, 1, 200))
    for j in reversed(range(200)):
        carried = target[..., j] * stop + go_on * carried
        slopes[..., j] = carried
    np.testing.assert_allclose(found[1], slopes, rtol=1e-4, atol=1e-5)


# The layer


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale, bias", [(1.0, 0.0), (3.0, -4.0), (5.0, 4.0)])
def test_soft_equals_the_reference_over_200_keys(scale, bias, masked):
    layer, inputs = build(mode="soft"), data(17, 200)
    set_scores(layer, scale, bias)
    mask = np.random.default_rng(7).random((B, 17, 200)) < 0.7 if masked else None
    output, weights = attend(layer, inputs, attention_mask=mask)
    expected_output, expected_weights = expected(layer, inputs, mask)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, expected_output, rtol=1e-4, atol=1e-5)


def hard_case(**options):
    """A layer that stops at one key in five, so that all move on and some get to the end."""
    layer, inputs = build(mode="hard", **options), data(17, 31, seed=2)
    set_scores(layer, 2.0, 0.0)
    scores = reference.monotonic_scores(layer, *inputs.values())
    set_scores(layer, 2.0, -np.quantile(scores, 0.8))
    return layer, inputs


@pytest.mark.parametrize("masked", [False, True])
def test_hard_equals_the_reference(masked):
    layer, inputs = hard_case()
    rng = np.random.default_rng(8)
    mask = rng.random((B, 17, 31)) < 0.9 if masked else np.ones((1, 17, 31), bool)
    mask[:, 4] = False
    output, weights = attend(layer, inputs, attention_mask=mask)
    expected_output, expected_weights = expected(layer, inputs, mask)
    np.testing.assert_array_equal(weights, expected_weights)
    close(output, expected_output)
    assert not weights[:, 4].any() and weights[:, 5].any()


def test_hard_weights_choose_one_key_or_none_and_never_go_back():
    layer, inputs = hard_case()
    _, weights = attend(layer, inputs)
    assert set(np.unique(weights)) == {0.0, 1.0}
    assert set(np.unique(weights.sum(-1))) == {0.0, 1.0}
    scores = reference.monotonic_scores(layer, *inputs.values())
    for row, row_scores in zip(weights, scores, strict=True):
        place = 0
        for choice, score in zip(row, row_scores, strict=True):
            stops = [j for j in range(place, 31) if score[j] > 0] if place is not None else []
            place = stops[0] if stops else None
            np.testing.assert_array_equal(choice, np.arange(31) == place)
    chosen = [row.argmax(-1)[row.any(-1)] for row in weights]
    assert all((np.diff(places) >= 0).all() and places[-1] > places[0] for places in chosen)


def test_soft_in_training_and_hard_otherwise():
    inputs = data()
    layers = {mode: build(mode=mode, noise=0.0) for mode in (None, "soft", "hard")}
    for training in (False, True):
        found = {m: attend(layer, inputs, training=training)[1] for m, layer in layers.items()}
        np.testing.assert_array_equal(found[None], found["soft" if training else "hard"])
        assert np.abs(found["soft"] - found["hard"]).max() > 0.01


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_half_precision(mode, policy):
    layer, inputs = build(mode=mode, dtype=policy), data()
    # Scores in half precision have errors: none of these is near 0.
    set_scores(layer, 1.0, 0.0 if mode == "soft" else 0.9)
    output, weights = attend(layer, inputs)
    expected_output, expected_weights = expected(layer, inputs)
    tolerance = TOLERANCE[policy]
    np.testing.assert_allclose(weights, expected_weights, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(output, expected_output, rtol=tolerance, atol=2 * tolerance)


def test_noise_is_for_training_and_comes_from_the_seed():
    inputs = data()
    one, other, quiet = (build(mode="soft", noise=noise, seed=3) for noise in (1.0, 1.0, 0.0))
    np.testing.assert_array_equal(attend(one, inputs)[1], attend(quiet, inputs)[1])
    noisy = attend(one, inputs, training=True)[1]
    np.testing.assert_array_equal(noisy, attend(other, inputs, training=True)[1])
    assert np.abs(noisy - attend(one, inputs, training=True)[1]).max() > 0.01
    np.testing.assert_allclose(
        attend(quiet, inputs, training=True)[1], attend(quiet, inputs)[1], atol=1e-6
    )
    hard = build(mode="hard", noise=1.0)
    np.testing.assert_array_equal(attend(hard, inputs, training=True)[1], attend(hard, inputs)[1])
    assert [len(seed_states(layer)) for layer in (one, quiet)] == [1, 0]


def test_noise_is_added_to_the_scores_with_the_deviation_asked_for():
    layer = build(mode="soft", noise=2.0, seed=5)
    noise = to_numpy(layer.sample_noise((7, 11, 300), training=True))
    assert abs(noise.std() - 2) < 0.05 and abs(noise.mean()) < 0.05
    assert np.abs(noise[:, 0] - noise[:, 1]).max() > 0.1
    inputs = {name: ops.convert_to_tensor(x) for name, x in data().items()}
    memory = layer.project_memory(inputs["value"])
    alignment = layer.initial_alignment(B, S)[:, None]
    query, noise = inputs["query"][:, :1], noise[:B, :1, :S]
    _, found, _ = layer.attend_step(query, memory, alignment, training=True, noise=noise)
    scores = reference.monotonic_scores(layer, *data().values())[:, :1] + noise
    close(to_numpy(found), reference.monotonic_weights(1 / (1 + np.exp(-scores)), alignment_at(0)))


def alignment_at(place):
    alignment = np.zeros((B, 1, S))
    alignment[..., place] = 1
    return alignment


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_masked_query_leaves_the_place_as_it_was(mode):
    layer, inputs = build(mode=mode), data()
    mask = np.array([[True, False, True, True, False]] * B)
    _, weights = attend(layer, inputs, query_mask=mask)
    left = {**inputs, "query": inputs["query"][:, mask[0]]}
    close(weights[:, mask[0]], attend(layer, left)[1])
    assert not weights[:, ~mask[0]].any()


def test_begins_as_the_paper_says():
    layer = MonotonicAttention(16)
    layer.build((B, T, QUERY_DIM), (B, S, VALUE_DIM))
    assert float(to_numpy(layer.score_bias.value)) == -4.0
    assert float(to_numpy(layer.score_scale.value)) == 0.25


def test_hard_attention_saves_and_compiles(tmp_path):
    layer, inputs = hard_case(dropout=0.1, seed=4)
    query, value = keras.Input((None, QUERY_DIM)), keras.Input((None, VALUE_DIM))
    model = keras.Model([query, value], layer(query, value, return_attention_scores=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    outcomes = [to_numpy(loaded(list(inputs.values())))]
    function = compiled_with_xla(lambda q, v: layer(q, v, return_attention_scores=True))
    outcomes.append(to_numpy(function(*map(ops.convert_to_tensor, inputs.values()))))
    for output, weights in outcomes:
        np.testing.assert_array_equal(weights, attend(layer, inputs)[1])
        close(output, attend(layer, inputs)[0])


@pytest.mark.parametrize("options, name", [({"mode": "firm"}, "mode"), ({"noise": -1}, "noise")])
def test_what_makes_no_sense_is_refused(options, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        MonotonicAttention(UNITS, **options)


def errands(number, length, steps, symbols, rng):
    """Symbols in a row, and what to look for next: each is found at or after the one before."""
    memory = rng.integers(0, symbols, size=(number, length))
    wanted, places = np.zeros((2, number, steps), "int64")
    for n in range(number):
        at = 0
        for i in range(steps):
            later = memory[n, at:]
            others = later[later != wanted[n, i - 1]] if i else later
            wanted[n, i] = rng.choice(others if len(others) else later)
            at = places[n, i] = at + np.argmax(later == wanted[n, i])
    return wanted, memory, places


def test_trains_soft_with_noise_and_is_right_when_hard():
    """Each symbol has a sign, and the answer is that of the next symbol wanted."""
    keras.utils.set_random_seed(0)
    symbols, rng = 4, np.random.default_rng(0)

    def batch(number):
        wanted, memory, places = errands(number, 11, 3, symbols, rng)
        signs = rng.choice([-1.0, 1.0], size=(number, 11, 1))
        one_hot = np.eye(symbols)
        inputs = [one_hot[wanted], np.concatenate([one_hot[memory], signs], axis=-1)]
        return inputs, np.take_along_axis(signs, places[..., None], axis=1), places

    query, value = keras.Input((None, symbols)), keras.Input((None, symbols + 1))
    context, weights = MonotonicAttention(16)(query, value, return_attention_scores=True)
    model = keras.Model([query, value], keras.layers.Dense(1)(context))
    model.compile(keras.optimizers.Adam(0.03), "mse")
    inputs, answers, _ = batch(512)
    model.fit(inputs, answers, epochs=15, verbose=0)
    inputs, answers, places = batch(64)
    weights = keras.Model([query, value], weights).predict(inputs, verbose=0)
    assert (weights == np.eye(11)[places]).all(-1).mean() > 0.95
    assert (np.sign(model.predict(inputs, verbose=0)) == answers).mean() > 0.95
