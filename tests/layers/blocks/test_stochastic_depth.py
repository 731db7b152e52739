"""StochasticDepth by what it draws, and LayerScale by its product."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from layers import LayerScale, StochasticDepth
from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    seed_states,
    to_numpy,
)

B, T, D = 7, 5, 13
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


def data(batch=B, *sides):
    shape = (batch, *(sides or (T, D)))
    return np.random.default_rng(1).normal(size=shape).astype("float32")


# StochasticDepth


@pytest.mark.parametrize("sides", [(T, D), (D,), (2, 3, T)])
def test_a_branch_is_left_out_whole_or_enlarged(sides):
    x = data(2000, *sides)
    found = to_numpy(StochasticDepth(0.2, seed=1)(x, training=True))
    kept = found.any(axis=tuple(range(1, found.ndim)))
    assert kept.mean() == pytest.approx(0.8, abs=0.04)
    np.testing.assert_allclose(found[kept], x[kept] / 0.8, rtol=1e-5)
    assert not found[~kept].any()


def test_nothing_is_left_out_at_inference_or_at_rate_zero():
    x = data()
    np.testing.assert_array_equal(to_numpy(StochasticDepth(0.9)(x)), x)
    none = StochasticDepth(0.0)
    np.testing.assert_array_equal(to_numpy(none(x, training=True)), x)
    assert seed_states(none) == []
    assert len(seed_states(StochasticDepth(0.1))) == 1


def test_draws_follow_the_seed_and_differ_from_call_to_call():
    x = np.ones((64, 1), "float32")
    one, other = (StochasticDepth(0.5, seed=3) for _ in range(2))
    first = to_numpy(one(x, training=True))
    np.testing.assert_array_equal(first, to_numpy(other(x, training=True)))
    assert (first != to_numpy(one(x, training=True))).any()


def test_gradients_reach_the_branches_that_are_there():
    x = keras.Variable(np.ones((64, T)), dtype="float32")
    layer, other = StochasticDepth(0.5, seed=3), StochasticDepth(0.5, seed=3)
    (found,) = gradients(lambda: ops.sum(layer(ops.convert_to_tensor(x), training=True)), [x])
    np.testing.assert_array_equal(found, to_numpy(other(np.ones((64, T)), training=True)))


def test_wrong_rates_are_refused():
    for rate in (-0.1, 1, 1.5):
        with pytest.raises(ValueError, match=f"`rate`.*{rate}"):
            StochasticDepth(rate)


# LayerScale


@pytest.mark.parametrize("policy", POLICIES)
def test_each_feature_has_its_factor(policy):
    layer = LayerScale(0.1, dtype=policy)
    layer.build((B, T, D))
    np.testing.assert_allclose(layer.get_weights(), np.full((1, D), 0.1, "float32"))
    layer.set_weights([np.arange(D)])
    found = layer(data())
    assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
    np.testing.assert_allclose(
        to_numpy(found).astype("float32"), data() * np.arange(D), rtol=1e-2, atol=1e-2
    )
    (gradient,) = gradients(
        lambda: ops.sum(ops.cast(layer(data()), "float32")), layer.trainable_variables
    )
    np.testing.assert_allclose(gradient, data().sum((0, 1)), atol=0.1)


def test_a_wrong_start_is_refused():
    for initial in (0, -0.1):
        with pytest.raises(ValueError, match=f"`initial`.*{initial}"):
            LayerScale(initial)


# Both


LAYERS = {
    "depth": lambda **options: StochasticDepth(0.2, seed=3, **options),
    "scale": lambda **options: LayerScale(0.3, **options),
}


@pytest.mark.parametrize("name", LAYERS)
def test_config_keeps_every_argument(name):
    layer = LAYERS[name](name="inside", dtype="mixed_bfloat16")
    config = layer.get_config()
    expected = {"depth": {"rate": 0.2, "seed": 3}, "scale": {"initial": 0.3}}[name]
    assert expected.items() <= config.items()
    assert type(layer).from_config(json.loads(json.dumps(config))).get_config() == config


@pytest.mark.parametrize("name", LAYERS)
def test_the_mask_is_passed_on(name):
    tokens = np.array([[1, 2, 1, 0, 0]])
    x = keras.layers.Embedding(3, D, mask_zero=True)(tokens)
    np.testing.assert_array_equal(implicit_mask(LAYERS[name]()(x)), tokens != 0)


@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_model_loads_equal_and_xla_equals_eager(name, tmp_path):
    inputs = keras.Input((None, D))
    model = randomise(keras.Model(inputs, LAYERS[name]()(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = to_numpy(model(data()))
    np.testing.assert_allclose(loaded.predict(data(), verbose=0), expected, rtol=1e-6)
    compiled = compiled_with_xla(lambda x: model(x))(ops.convert_to_tensor(data()))
    np.testing.assert_allclose(to_numpy(compiled), expected, rtol=1e-6)
