"""Positions over a grid by their formulas, and resized; the class token before them."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from keras import ops

from layers import ClassToken, GridPositionEmbedding, resize_positions, sinusoids
from tests.layers.backend import compiled_with_xla, gradients, implicit_mask, randomise, to_numpy

B, ROWS, COLUMNS, D = 2, 3, 5, 13
KINDS = ["learned", "sinusoidal"]


def build(kind="learned", class_token=False, dim=D, **options):
    layer = GridPositionEmbedding((ROWS, COLUMNS), kind, class_token, **options)
    layer.build((B, ROWS * COLUMNS + class_token, dim))
    return randomise(layer)


def zeros(rows=ROWS, columns=COLUMNS, class_token=False, dim=D):
    return np.zeros((B, rows * columns + class_token, dim), "float32")


def keys_kernel(x, a=-0.75):
    """Keys 1981, equation 15."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def numpy_resize(cells, rows, columns):
    """Cell by cell, over the 16 around it."""
    found = np.zeros((rows, columns, cells.shape[2]))
    for i in range(rows):
        for j in range(columns):
            y = (i + 0.5) * cells.shape[0] / rows - 0.5
            x = (j + 0.5) * cells.shape[1] / columns - 0.5
            for p in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
                for q in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                    inside = np.clip(p, 0, len(cells) - 1), np.clip(q, 0, cells.shape[1] - 1)
                    found[i, j] += keys_kernel(y - p) * keys_kernel(x - q) * cells[inside]
    return found


# Numbers


@pytest.mark.parametrize("class_token", [False, True])
def test_learned_positions_are_added(class_token):
    layer = build(class_token=class_token)
    (table,) = layer.get_weights()
    assert table.shape == (ROWS * COLUMNS + class_token, D)
    x = np.random.default_rng(1).normal(size=(B, *table.shape)).astype("float32")
    np.testing.assert_allclose(to_numpy(layer(x)), x + table, atol=1e-6)


@pytest.mark.parametrize("dim", [12, 13])
def test_sinusoids_are_of_the_row_and_of_the_column(dim):
    layer = build("sinusoidal", class_token=True, dim=dim)
    assert layer.weights == []
    found = to_numpy(layer(zeros(class_token=True, dim=dim)))[0]
    half = (dim + 1) // 2
    assert not found[0].any()
    rows = to_numpy(sinusoids(np.arange(ROWS), half))
    columns = to_numpy(sinusoids(np.arange(COLUMNS), dim // 2))
    for cell in range(ROWS * COLUMNS):
        expected = np.concatenate([rows[cell // COLUMNS], columns[cell % COLUMNS]])
        np.testing.assert_allclose(found[1 + cell], expected, atol=1e-6)


@pytest.mark.parametrize("grid", [(6, 10), (2, 3), (7, 5), (1, 1), (ROWS, COLUMNS)])
def test_resized_positions_equal_a_loop_over_cells(grid):
    cells = np.random.default_rng(2).normal(size=(ROWS, COLUMNS, D))
    found = resize_positions(cells.reshape(-1, D), (ROWS, COLUMNS), grid)
    expected = numpy_resize(cells, *grid).reshape(-1, D)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("grid", [(6, 10), (2, 3), (7, 7)])
def test_resized_positions_equal_torch(grid):
    import torch

    cells = np.random.default_rng(2).normal(size=(1, D, ROWS, COLUMNS)).astype("float32")
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(cells), size=grid, mode="bicubic", align_corners=False
    )
    table = cells[0].reshape(D, -1).T
    found = to_numpy(resize_positions(table, (ROWS, COLUMNS), grid))
    np.testing.assert_allclose(found, expected[0].flatten(1).T.numpy(), atol=1e-5)


@pytest.mark.parametrize("class_token", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_another_grid_covers_the_same_image(kind, class_token):
    layer, grid = build(kind, class_token), (2 * ROWS, 2 * COLUMNS)
    found = to_numpy(layer(zeros(*grid, class_token), grid=grid))[0]
    own = to_numpy(layer(zeros(class_token=class_token)))[0]
    np.testing.assert_array_equal(found[:class_token], own[:class_token])
    cells = found[class_token:].reshape(*grid, D)
    if kind == "learned":
        expected = numpy_resize(own[class_token:].reshape(ROWS, COLUMNS, D), *grid)
        np.testing.assert_allclose(cells, expected, atol=1e-5)
    else:  # The second row stands a quarter of a cell below the first one of the old grid.
        expected = to_numpy(sinusoids(np.array([0.25]), 7))[0]
        np.testing.assert_allclose(cells[1, 0, :7], expected, atol=1e-6)
        expected = to_numpy(sinusoids(np.array([COLUMNS - 0.75]), 6))[0]
        np.testing.assert_allclose(cells[0, -1, 7:], expected, atol=1e-6)


def test_gradients_reach_the_table_through_another_grid():
    layer = build(class_token=True)
    found = gradients(
        lambda: ops.sum(ops.square(layer(zeros(2, 3, True), grid=(2, 3)))),
        layer.trainable_variables,
    )
    assert len(found) == 1 and found[0].any(axis=1).all()


# State


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_loads_equal(kind, tmp_path):
    inputs = keras.Input((ROWS * COLUMNS + 1, D))
    model = randomise(
        keras.Model(inputs, GridPositionEmbedding((ROWS, COLUMNS), kind, class_token=True)(inputs))
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = zeros(class_token=True)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), to_numpy(model(x)), atol=1e-6)


def test_config_has_every_argument():
    options = {"grid": (ROWS, COLUMNS), "kind": "sinusoidal", "class_token": True}
    initializer = keras.initializers.RandomNormal(stddev=0.3, seed=3)
    layer = GridPositionEmbedding(**options, initializer=initializer, name="here")
    config = layer.get_config()
    assert options.items() <= config.items()
    assert config["initializer"]["config"] == {"mean": 0.0, "stddev": 0.3, "seed": 3}
    rebuilt = GridPositionEmbedding.from_config(json.loads(json.dumps(config)))
    assert rebuilt.get_config() == config


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_output_spec_equals_the_eager_shape_and_dtype(kind, policy):
    layer = build(kind, dtype=policy)
    for grid in (None, (2, 7)):
        x = zeros(*(grid or (ROWS, COLUMNS)))
        eager, spec = layer(x, grid=grid), layer(keras.KerasTensor(x.shape), grid=grid)
        assert spec.shape == tuple(eager.shape) == x.shape
        assert spec.dtype == keras.backend.standardize_dtype(eager.dtype) == layer.compute_dtype


@pytest.mark.parametrize("kind", KINDS)
def test_xla_equals_eager(kind):
    layer, x = build(kind), zeros(4, 2)
    compiled = compiled_with_xla(lambda x: layer(x, grid=(4, 2)))(ops.convert_to_tensor(x))
    np.testing.assert_allclose(to_numpy(compiled), to_numpy(layer(x, grid=(4, 2))), atol=1e-5)


# Errors


def test_wrong_arguments_are_refused():
    for grid in ((3,), (3, 0), (3, 2.5), (1, 2, 3)):
        with pytest.raises(ValueError, match="`grid`"):
            GridPositionEmbedding(grid)
    with pytest.raises(ValueError, match=r"learned.*sinusoidal.*'rotary'"):
        GridPositionEmbedding((3, 2), kind="rotary")
    layer = build(class_token=True)
    with pytest.raises(ValueError, match=r"grid of 3 x 5 has 16 positions with its class token"):
        layer(zeros())
    with pytest.raises(ValueError, match=r"grid of 2 x 5 has 11 positions"):
        layer(zeros(), grid=(2, 5))
    with pytest.raises(ValueError, match="must have rank 3"):
        layer(zeros()[0])


# The class token


def test_a_class_token_stands_before_the_sequence():
    layer = ClassToken()
    x = np.random.default_rng(3).normal(size=(B, 7, D)).astype("float32")
    layer.build(x.shape)
    assert not layer.get_weights()[0].any()
    randomise(layer)
    found = to_numpy(layer(x))
    np.testing.assert_array_equal(found[:, 1:], x)
    np.testing.assert_array_equal(found[:, 0], np.repeat(layer.get_weights(), B, axis=0))
    (gradient,) = gradients(lambda: ops.sum(layer(x)), layer.trainable_variables)
    np.testing.assert_array_equal(gradient, np.full(D, B))


def test_a_class_token_is_never_masked():
    tokens = np.array([[1, 2, 0], [0, 0, 0]])
    x = keras.layers.Embedding(3, D, mask_zero=True)(tokens)
    expected = np.pad(tokens != 0, [(0, 0), (1, 0)], constant_values=True)
    np.testing.assert_array_equal(implicit_mask(ClassToken()(x)), expected)
    assert implicit_mask(ClassToken()(np.ones((1, 2, D)))) is None


def test_a_class_token_knows_its_output_and_saves(tmp_path):
    inputs = keras.Input((None, D))
    outputs = ClassToken()(inputs)
    assert outputs.shape == (None, None, D)
    assert ClassToken()(keras.Input((7, D))).shape == (None, 8, D)
    model = randomise(keras.Model(inputs, outputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = np.ones((B, 7, D), "float32")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    with pytest.raises(ValueError, match="must have rank 3"):
        ClassToken()(x[0])
