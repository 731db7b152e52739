"""Sizes while a model is traced: known, or a tensor, or an expression."""

import keras
import numpy as np
import pytest
from keras import ops

from layers.functional.halving import halved, pad_ends
from layers.functional.relative_position import toeplitz
from layers.functional.row_blocks import RowBlocks
from layers.functional.sizes import either, is_expression, known, product, static_shape
from layers.functional.tanh_scores import tanh_scores
from tests.layers.backend import BACKEND, compiled_with_xla, to_numpy

T, X = 5, 3


def traced(function, *shape):
    """What `function` says of a tensor of that shape, as a functional model asks a layer."""
    said = []

    class Asking(keras.layers.Layer):
        def call(self, x):
            said.append(function(x))
            return x

    Asking()(keras.Input(shape[1:], batch_size=shape[0]))
    return said[0]


def test_a_size_is_known_or_none():
    def told(x):
        batch, length, dim = ops.shape(x)
        return known(batch), known(length), known(dim), known(length, dim), static_shape(x)

    if BACKEND == "torch":  # It is called with samples.
        assert traced(told, None, T, X)[1:4] == (True, True, True)
    else:
        assert traced(told, None, T, X) == (False, True, True, True, (None, T, X))
        assert traced(told, None, None, X) == (False, False, True, False, (None, None, X))
    assert told(ops.ones((2, T, X))) == (True, True, True, True, (2, T, X))
    assert static_shape(ops.ones((2, T, X))) == (2, T, X)


def test_an_expression_is_neither_a_number_nor_a_tensor():
    assert not is_expression(5)
    assert not is_expression(ops.convert_to_tensor(5))
    assert traced(lambda x: is_expression(ops.shape(x)[1]), None, None, X) == (BACKEND == "jax")


def test_a_product_is_one_of_numbers_or_too_large_for_32_bits():
    assert product(3, 5, 7) == 105
    sizes = (ops.convert_to_tensor(70_000, dtype="int32"), 70_000)
    assert float(product(*sizes)) == pytest.approx(4.9e9)


@pytest.mark.parametrize("condition", [True, False])
def test_of_two_branches_one_is_taken(condition):
    found = either(ops.convert_to_tensor(condition), lambda: ops.ones(2), lambda: ops.zeros(2))
    assert to_numpy(found).tolist() == [float(condition)] * 2


def test_under_xla_the_branch_that_sizes_call_for_has_a_gradient():
    """Where lengths are not known when it is traced, as in `fit(jit_compile=True)`."""
    if BACKEND != "tensorflow":
        pytest.skip("other backends compile for each length")
    import tensorflow as tf

    def loss(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            few = product(*ops.shape(x)) <= 10
            # Of different sizes inside, so that no branch can stand for the other.
            y = either(few, lambda: ops.sum(ops.matmul(x, ops.transpose(x))), lambda: ops.sum(x))
        return tape.gradient(y, x)

    spec = tf.TensorSpec((None, None), "float32")
    gradient = tf.function(loss, jit_compile=True, input_signature=[spec])
    rows = np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_allclose(gradient(rows), 2 * np.tile(rows.sum(0), (2, 1)))
    np.testing.assert_allclose(gradient(np.ones((3, 5), "float32")), np.ones((3, 5)))


@pytest.mark.parametrize(("length", "after"), [(5, 1), (6, 1)])
def test_both_ends_are_padded_by_a_zero(length, after):
    x = np.ones((2, length, X), "float32")
    padded = to_numpy(pad_ends(ops.convert_to_tensor(x)))
    assert padded.shape == (2, 1 + length + after, X)
    assert padded[:, 1:-1].all() and not padded[:, [0, -1]].any()
    assert halved(length) == 3


class TestExpressions:
    """What JAX computes of any size has the numbers of the same sizes, when they are known."""

    @staticmethod
    def exported(function, *arrays):
        if BACKEND != "jax":
            pytest.skip("only JAX has expressions for sizes")
        import jax

        shapes = [",".join("bts"[: x.ndim - 1]) + f",{x.shape[-1]}" for x in arrays]
        scope = jax.export.SymbolicScope()
        specs = [
            jax.ShapeDtypeStruct(jax.export.symbolic_shape(shape, scope=scope), x.dtype)
            for shape, x in zip(shapes, arrays, strict=True)
        ]
        return to_numpy(jax.export.export(jax.jit(function))(*specs).call(*arrays))

    def test_blocks_of_rows(self):
        x = np.random.default_rng(0).normal(size=(2, 21, X)).astype("float32")

        def squares(x):
            blocks = RowBlocks(ops.shape(x)[1], ops.shape(x)[0], 1)
            padded = blocks.pad(x)
            empty = blocks.empty((ops.shape(x)[0], X))

            def step(i, output):
                return (blocks.put(output, i, blocks.get(padded, i) ** 2),)

            return blocks.joined(*blocks.each(step, empty))

        np.testing.assert_allclose(self.exported(squares, x), x**2, rtol=1e-6)

    def test_tanh_scores(self):
        x = np.random.default_rng(0).normal(size=(2, 21, X)).astype("float32")
        kernel = np.ones((X, 1), "float32")
        expected = to_numpy(tanh_scores(*map(ops.convert_to_tensor, (x, x, kernel))))
        found = self.exported(lambda x: tanh_scores(x, x, kernel), x)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_biases_of_distances(self):
        def biases(x):
            length = ops.shape(x)[1]
            return toeplitz(ops.arange(2 * length - 1, dtype="float32")[None], length)

        x = np.ones((2, 7, X), "float32")
        np.testing.assert_array_equal(self.exported(biases, x), to_numpy(biases(x)))

    def test_padded_ends(self):
        x = np.random.default_rng(0).normal(size=(2, 6, X)).astype("float32")
        found = self.exported(lambda x: pad_ends(x) + 0, x)
        assert found.shape == (2, 7, X)  # The zero after an even length is seen by no convolution.
        np.testing.assert_array_equal(found[:, 1:], x)


def test_xla_compiles_blocks_of_any_length():
    x = np.random.default_rng(0).normal(size=(2, 21, X)).astype("float32")
    kernel = np.ones((X, 1), "float32")
    found = compiled_with_xla(lambda x: tanh_scores(x, x, kernel))(x)
    expected = np.tanh(x[:, :, None] + x[:, None]).sum(-1)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)
