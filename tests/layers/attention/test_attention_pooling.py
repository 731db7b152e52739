"""AttentionPooling beside the formula of Yang et al. (2016), and what masks do to it."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

from layers import AttentionPooling
from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    seed_states,
    to_numpy,
)
from tests.layers.mechanism import POLICIES, close
from tests.layers.references import mechanisms as reference

B, T, D, UNITS = 2, 5, 13, 11
MASK = np.array([[True] * 5, [True, False, True, False, False]])
EMPTY = np.array([[True] * 5, [False] * 5])
SCORES = {"return_attention_scores": True}


def build(**options):
    layer = AttentionPooling(UNITS, **options)
    layer.build((B, T, D))
    return randomise(layer)


def data(length=T):
    return np.random.default_rng(1).normal(size=(B, length, D)).astype("float32")


def numpy_pooling(layer, x, mask=None):
    x = np.asarray(x, "float64")
    hidden = np.tanh(reference.dense(layer.hidden_projection, x))
    scores = reference.dense(layer.score_projection, hidden)[..., 0]
    weights = reference.masked_softmax(scores, True if mask is None else mask)
    return np.einsum("bt,btd->bd", weights, x), weights


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mask", [None, MASK, EMPTY], ids=["none", "some", "empty"])
def test_equals_numpy(mask, policy):
    layer, x = build(dtype=policy), data()
    output, weights = to_numpy(layer(x, mask=mask, **SCORES))
    expected_output, expected_weights = numpy_pooling(layer, x, mask)
    close(weights, expected_weights, policy)
    close(output, expected_output, policy)
    np.testing.assert_array_equal(to_numpy(layer(x, mask=mask)), output)


# Masks


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fully_masked_sequence_gives_zeros_and_finite_gradients(policy):
    layer, x = build(dtype=policy), keras.Variable(data())
    output, weights = to_numpy(layer(x, mask=EMPTY, **SCORES))
    assert not output[1].any()
    assert not weights[1].any()
    for mask, some in ((EMPTY, True), (np.zeros_like(EMPTY), False)):

        def loss(mask=mask):
            outputs = layer(ops.convert_to_tensor(x), mask=mask, **SCORES)
            return sum(ops.sum(ops.square(ops.cast(part, "float32"))) for part in outputs)

        found = gradients(loss, [*layer.trainable_variables, x])
        assert all(np.isfinite(gradient).all() for gradient in found)
        assert any(gradient.any() for gradient in found) == some
        assert not found[-1][1].any()


def test_masked_positions_have_no_influence():
    layer, x = build(), data()
    changed = x.copy()
    changed[~MASK] += 100.0
    output, weights = to_numpy(layer(x, mask=MASK, **SCORES))
    other, other_weights = to_numpy(layer(changed, mask=MASK, **SCORES))
    assert not weights[~MASK].any()
    np.testing.assert_array_equal(weights, other_weights)
    np.testing.assert_array_equal(output, other)
    padded = np.concatenate([x, 100 + data(3)], axis=1)
    mask = np.pad(MASK, [(0, 0), (0, 3)])
    close(to_numpy(layer(padded, mask=mask)), output)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_a_mask_of_zeros_and_ones_is_read_as_boolean(dtype):
    layer, x = build(), data()
    expected = to_numpy(layer(x, mask=MASK))
    np.testing.assert_array_equal(to_numpy(layer(x, mask=MASK.astype(dtype))), expected)


def test_an_implicit_mask_is_picked_up_and_ends_here():
    layer = build()
    x = keras.layers.Embedding(3, D, mask_zero=True)(MASK * np.array([1, 2, 1, 2, 1]))
    output, weights = layer(x, **SCORES)
    close(to_numpy(output), numpy_pooling(layer, to_numpy(x), MASK)[0])
    explicit = to_numpy(layer(x, mask=np.roll(MASK, 1)))
    close(explicit, numpy_pooling(layer, to_numpy(x), np.roll(MASK, 1))[0])
    assert implicit_mask(output) is None
    assert implicit_mask(weights) is None
    assert implicit_mask(layer(x)) is None


@pytest.mark.filterwarnings("error::UserWarning")
def test_words_to_sentences_to_a_document_warns_of_nothing():
    """The two levels of the paper: sentences are the words of the second."""
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(7, D, mask_zero=True)(words)
    sentence = keras.Model(words, AttentionPooling(UNITS)(x))
    document = keras.Input((3, None), dtype="int32")
    x = keras.layers.TimeDistributed(sentence)(document)
    model = keras.Model(document, AttentionPooling(UNITS)(x))
    tokens = np.random.default_rng(2).integers(1, 7, (B, 3, T))
    padded = np.pad(tokens, [(0, 0), (0, 0), (0, 2)])
    close(model.predict(padded, verbose=0), model.predict(tokens, verbose=0))


# State


@pytest.mark.parametrize("policy", POLICIES)
def test_output_spec_equals_the_eager_shapes_and_dtypes(policy):
    layer, x = build(dtype=policy), data()
    for keywords in ({}, SCORES):
        eager = keras.tree.flatten(layer(x, **keywords))
        for symbol, free in ((x.shape, False), ((None, None, D), True)):
            symbol = keras.KerasTensor(symbol)
            for spec in (layer(symbol, **keywords), layer.compute_output_spec(symbol, **keywords)):
                for expected, tensor in zip(keras.tree.flatten(spec), eager, strict=True):
                    assert expected.dtype == keras.backend.standardize_dtype(tensor.dtype)
                    sizes = list(zip(expected.shape, tensor.shape, strict=True))
                    assert all(a == b or (free and a is None) for a, b in sizes)
        assert layer.compute_output_shape(x.shape) == tuple(eager[0].shape)


def test_config_has_every_argument_and_keeps_its_value():
    options = {"units": UNITS, "dropout": 0.1, "seed": 3}
    assert set(options) == set(inspect.signature(AttentionPooling).parameters) - {"kwargs"}
    config = AttentionPooling(**options, name="pool", dtype="mixed_bfloat16").get_config()
    assert {name: config[name] for name in options} == options
    config = json.loads(json.dumps(config))
    assert AttentionPooling.from_config(config).get_config() == config


def test_a_saved_model_of_any_length_loads_equal(tmp_path):
    x = keras.Input((None, D))
    model = randomise(keras.Model(x, AttentionPooling(UNITS, dropout=0.1)(x, **SCORES)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for length in (3, T):
        for found, expected in zip(
            loaded.predict(data(length), verbose=0), to_numpy(model(data(length))), strict=True
        ):
            close(found, expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_sublayers_weights_and_seeds(policy):
    layer = build(dtype=policy)
    assert {part.dtype_policy.name for part in layer._flatten_layers()} == {policy}
    assert len(layer.trainable_weights) == len(layer.weights) == 3
    assert seed_states(layer) == []
    assert len(seed_states(build(dropout=0.1))) == 1


def test_dropout_acts_on_the_output_in_training_alone():
    layer, x = build(dropout=0.5, seed=3), data()
    expected, weights = to_numpy(build()(x, **SCORES))
    np.testing.assert_array_equal(to_numpy(layer(x)), expected)
    dropped, same = to_numpy(layer(x, **SCORES, training=True))
    assert np.abs(dropped - expected).max() > 0.01
    np.testing.assert_array_equal(same, weights)


# Compilation and training


def test_xla_equals_eager():
    layer, x = build(), data()
    function = compiled_with_xla(lambda x, mask: layer(x, mask=mask, **SCORES))
    found = to_numpy(function(ops.convert_to_tensor(x), ops.convert_to_tensor(EMPTY)))
    for one, other in zip(found, to_numpy(layer(x, mask=EMPTY, **SCORES)), strict=True):
        close(one, other)


def test_training_lowers_the_loss():
    keras.utils.set_random_seed(0)
    x = keras.Input((None, D))
    model = keras.Model(x, keras.layers.Dense(1)(AttentionPooling(UNITS, dropout=0.1)(x)))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    before = model.get_weights()
    target = np.random.default_rng(8).normal(size=(B, 1))
    losses = model.fit(data(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    for one, other in zip(before, model.get_weights(), strict=True):
        assert (one != other).any()


def test_wrong_arguments_are_refused():
    for units in (0, 2.5, None):
        with pytest.raises(ValueError, match=f"`units`.*{units}"):
            AttentionPooling(units)
    with pytest.raises(ValueError, match=r"`dropout`.*1\.0"):
        AttentionPooling(UNITS, dropout=1.0)
    for layer in (AttentionPooling(UNITS), build()):
        with pytest.raises(ValueError, match="`inputs` must have rank 3"):
            layer(data()[0])
