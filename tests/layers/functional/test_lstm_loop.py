"""The loop over an LSTM's steps beside Keras's own: states, gradients, precision."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import RecurrentEncoder
from layers.functional.lstm_loop import lstm_loop
from layers.models import recurrent_encoder
from tests.layers.backend import gradients, randomise, to_numpy

B, T, E, H = 3, 7, 5, 4


def keras_lstm():
    lstm = keras.layers.LSTM(H, return_sequences=True)
    lstm.build((B, T, E))
    return randomise(lstm)


def ours(lstm, x):
    cell = lstm.cell
    return lstm_loop(ops.add(ops.matmul(x, cell.kernel), cell.bias), cell.recurrent_kernel)


@pytest.mark.parametrize("length", [1, 2, T])
def test_states_and_gradients_are_those_of_keras(length):
    lstm = keras_lstm()
    x = np.random.default_rng(1).normal(size=(B, length, E)).astype("float32")
    x = keras.Variable(x)
    found = []
    for read in (lstm, lambda x: ours(lstm, x)):

        def loss(read=read):
            return ops.sum(ops.sin(3 * read(ops.convert_to_tensor(x))))

        states = to_numpy(read(ops.convert_to_tensor(x)))
        found.append([states, *gradients(loss, [x, *lstm.trainable_variables])])
    for actual, expected in zip(*reversed(found), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    # One step alone has no state before it that the recurrent kernel could weigh.
    assert [np.abs(each).max() > 0.1 for each in found[0]] == [True, True, True, length > 1, True]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_an_encoder_reads_alike_on_a_gpu(monkeypatch, policy):
    encoder = RecurrentEncoder(2 * H, num_layers=2, dtype=policy)
    encoder.build((B, T, E))
    randomise(encoder)
    x = np.random.default_rng(1).normal(size=(B, T, E)).astype("float32")
    mask = np.arange(T) < np.array([[T], [5], [2]])
    found = []
    for on_gpu in (True, False):
        monkeypatch.setattr(recurrent_encoder, "on_gpu", lambda on_gpu=on_gpu: on_gpu)
        memory = encoder(x, mask=mask)
        assert keras.backend.standardize_dtype(memory.dtype) == encoder.compute_dtype
        found.append(to_numpy(memory)[mask])
    tolerance = 1e-5 if policy == "float32" else 0.03
    np.testing.assert_allclose(*found, rtol=tolerance, atol=tolerance)
