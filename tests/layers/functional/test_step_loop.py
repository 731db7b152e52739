"""The loop over time, beside one in Python."""

import keras
import numpy as np
from keras import ops

from layers.functional.step_loop import run_steps
from tests.layers.backend import gradients, to_numpy

B, T = 2, 5


def sequences():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(B, T, size)).astype("float32") for size in (3, 2)]


def step(inputs, states):
    x, nothing, y = inputs
    assert nothing is None
    total, count = states
    total = 0.5 * total + x
    return [ops.sum(total, axis=-1, keepdims=True) * y, total], [total, count + 1]


def test_it_is_a_loop_over_time():
    x, y = sequences()
    states = [ops.ones((B, 3)), ops.zeros((B, 1), dtype="int32")]
    (first, second), (total, count) = run_steps(step, [x, None, y], states)
    expected = np.ones((B, 3))
    for t in range(T):
        expected = 0.5 * expected + x[:, t]
        np.testing.assert_allclose(to_numpy(second)[:, t], expected, atol=1e-5)
        product = expected.sum(-1, keepdims=True) * y[:, t]
        np.testing.assert_allclose(to_numpy(first)[:, t], product, atol=1e-5)
    np.testing.assert_allclose(to_numpy(total), expected, atol=1e-5)
    np.testing.assert_array_equal(to_numpy(count), np.full((B, 1), T))


def test_each_state_and_output_keeps_its_dtype():
    x, y = sequences()
    states = [ops.ones((B, 3)), ops.zeros((B, 1), dtype="int32")]
    outputs, states = run_steps(step, [x, None, y], states)
    dtypes = [keras.backend.standardize_dtype(each.dtype) for each in (*outputs, *states)]
    assert dtypes == ["float32", "float32", "float32", "int32"]


def test_gradients_go_back_through_all_steps():
    _, y = sequences()
    x = keras.Variable(sequences()[0], dtype="float32")

    def loss():
        states = [ops.zeros((B, 3)), ops.zeros((B, 1), dtype="int32")]
        _, (total, _) = run_steps(step, [ops.convert_to_tensor(x), None, y], states)
        return ops.sum(total)

    (found,) = gradients(loss, [x])
    expected = 0.5 ** np.arange(T - 1, -1, -1.0)[None, :, None]
    np.testing.assert_allclose(found, np.broadcast_to(expected, (B, T, 3)), atol=1e-6)
