"""Scores in blocks beside the plain formula: values and gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import AdditiveAttention, LuongAttention
from layers.functional import tanh_scores
from tests.layers.backend import gradients, randomise, to_numpy
from tests.layers.mechanism import close

B, T, S, U = 2, 5, 7, 11


@pytest.mark.parametrize(("rows", "part"), [(1, 3), (1, 5), (2, 3), (2, 5), (3, 4), (4, 5)])
@pytest.mark.parametrize(
    "make", [lambda: AdditiveAttention(U), lambda: LuongAttention("concat", units=U)]
)
def test_blocks_equal_the_plain_formula(monkeypatch, make, rows, part):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(B, n, d)).astype("float32") for n, d in ((T, 13), (S, 17))]
    found = []
    for few, elements in ((T, 0), (0, rows * B * S * U)):
        monkeypatch.setattr(tanh_scores, "FEW_ROWS", few)
        monkeypatch.setattr(tanh_scores, "ELEMENTS", elements)
        monkeypatch.setattr(tanh_scores, "PART", part * B * S * U)
        layer = make()
        layer.build(*(array.shape for array in arrays))
        randomise(layer)
        sources = [keras.Variable(array) for array in arrays]

        def loss(layer=layer, sources=sources):
            return ops.sum(ops.sin(layer(*map(ops.convert_to_tensor, sources))))

        slopes = gradients(loss, [*sources, *layer.trainable_variables])
        found.append([to_numpy(layer(*arrays)), *slopes])
    for one, other in zip(*found, strict=True):
        close(one, other)


@pytest.mark.parametrize(
    ("query_shape", "key_length", "small"),
    [
        ((2, 64, 64), 64, True),
        ((32, 64, 128), 64, False),
        ((None, 64, 64), 64, True),
        ((None, 64, 128), 64, False),
        ((8, 1, 256), 4096, True),
        ((8, 16, 256), 4096, False),
        ((None, 1, 256), None, True),
        ((None, None, 256), 64, False),
    ],
)
def test_the_hidden_layer_is_kept_where_it_is_surely_small(query_shape, key_length, small):
    assert tanh_scores._is_small(query_shape, key_length) == small
