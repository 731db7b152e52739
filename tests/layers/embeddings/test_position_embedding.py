"""PositionEmbedding beside the paper's formula, whole and step by step."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import PositionEmbedding, sinusoids
from tests.layers.backend import gradients, implicit_mask, randomise, to_numpy

B, T, D, MAX_LENGTH = 2, 5, 13, 11
KINDS = ["learned", "sinusoidal"]


def build(kind, dim=D, **options):
    layer = PositionEmbedding(MAX_LENGTH, kind=kind, **options)
    layer.build((B, T, dim))
    return randomise(layer)


def data(dim=D):
    return np.random.default_rng(1).normal(size=(B, T, dim)).astype("float32")


@pytest.mark.parametrize("dim", [12, 13])
def test_sinusoids_are_those_of_the_paper(dim):
    """Vaswani et al. 2017, section 3.5."""
    found = to_numpy(build("sinusoidal", dim)(np.zeros((B, MAX_LENGTH, dim), "float32")))
    for position in range(MAX_LENGTH):
        for i in range(dim):
            angle = position / 10000 ** (2 * (i // 2) / dim)
            expected = np.sin(angle) if i % 2 == 0 else np.cos(angle)
            np.testing.assert_allclose(found[:, position, i], expected, atol=1e-6)


def test_sinusoids_of_another_base():
    found = to_numpy(sinusoids(np.arange(MAX_LENGTH), 6, base=MAX_LENGTH))
    angles = np.arange(MAX_LENGTH)[:, None] / MAX_LENGTH ** (np.arange(3) / 3)
    np.testing.assert_allclose(found[:, ::2], np.sin(angles), atol=1e-6)
    np.testing.assert_allclose(found[:, 1::2], np.cos(angles), atol=1e-6)


def test_learned_positions_are_added():
    layer, x = build("learned"), data()
    (table,) = layer.get_weights()
    assert table.shape == (MAX_LENGTH, D)
    np.testing.assert_allclose(to_numpy(layer(x)), x + table[:T], atol=1e-6)
    (gradient,) = gradients(lambda: ops.sum(layer(x)), layer.trainable_variables)
    np.testing.assert_allclose(gradient, B * np.repeat(np.arange(MAX_LENGTH)[:, None] < T, D, 1))


def test_only_learned_positions_have_weights():
    assert len(build("learned").trainable_weights) == 1
    assert build("sinusoidal").weights == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_index_continues_the_sequence(kind):
    layer, x = build(kind), data()
    whole = to_numpy(layer(x))
    for start in range(T):
        for index in (start, ops.convert_to_tensor(start, dtype="int32")):
            step = to_numpy(layer(x[:, start : start + 1], start_index=index))
            np.testing.assert_allclose(step, whole[:, start : start + 1], atol=1e-6)
    fresh = PositionEmbedding(MAX_LENGTH, kind="sinusoidal")
    rest = to_numpy(fresh(x[:, 2:], start_index=ops.convert_to_tensor(2, dtype="int32")))
    expected = to_numpy(build("sinusoidal")(x))[:, 2:]
    np.testing.assert_allclose(rest, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length, start", [(MAX_LENGTH + 1, 0), (3, MAX_LENGTH - 2)])
def test_more_positions_than_there_are_is_a_clear_error(kind, length, start):
    layer = build(kind)
    with pytest.raises(ValueError, match=f"{MAX_LENGTH} positions.*start_index={start}"):
        layer(np.zeros((B, length, D), "float32"), start_index=start)
    layer(np.zeros((B, MAX_LENGTH - start, D), "float32"), start_index=start)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_of_any_length_loads_equal(kind, tmp_path):
    layer = build(kind, initializer=keras.initializers.RandomNormal(stddev=0.3, seed=3))
    inputs = keras.Input((None, D))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    config = loaded.layers[-1].get_config()
    assert config == layer.get_config()
    assert (config["max_length"], config["kind"]) == (MAX_LENGTH, kind)
    assert config["initializer"]["config"] == {"mean": 0.0, "stddev": 0.3, "seed": 3}
    for length in (3, MAX_LENGTH):
        x = np.random.default_rng(1).normal(size=(B, length, D)).astype("float32")
        np.testing.assert_allclose(loaded.predict(x, verbose=0), to_numpy(layer(x)), atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_output_spec_equals_the_eager_shape_and_dtype(kind, policy):
    layer, x = build(kind, dtype=policy), data()
    eager = layer(x)
    spec = layer(keras.KerasTensor(x.shape))
    assert spec.shape == tuple(eager.shape) == x.shape
    assert spec.dtype == keras.backend.standardize_dtype(eager.dtype) == layer.compute_dtype


def test_output_carries_the_mask():
    tokens = np.array([[1, 2, 1, 0, 0], [1, 0, 2, 1, 2]])
    x = keras.layers.Embedding(3, D, mask_zero=True)(tokens)
    np.testing.assert_array_equal(implicit_mask(build("learned")(x)), tokens != 0)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`max_length`.*0"):
        PositionEmbedding(0)
    with pytest.raises(ValueError, match=r"learned.*sinusoidal.*'rotary'"):
        PositionEmbedding(3, kind="rotary")
    for layer in (PositionEmbedding(MAX_LENGTH), build("learned")):
        with pytest.raises(ValueError, match="`inputs` must have rank 3"):
            layer(np.zeros((B, D), "float32"))
