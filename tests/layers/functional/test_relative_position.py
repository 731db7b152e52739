"""Biases of distances: ALiBi's slopes, T5's buckets, and their layout; the cache with positions."""

import numpy as np
import pytest

from layers import MultiHeadAttention
from layers.functional.relative_position import (
    alibi_slopes,
    diagonal_sums,
    relative_buckets,
    toeplitz,
)
from tests.layers.backend import randomise, to_numpy
from tests.layers.mechanism import close


def test_alibi_slopes_are_those_of_the_paper():
    assert alibi_slopes(8) == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(1) == [2.0**-8]
    # Twelve heads: eight of the power below, then every second one of sixteen.
    assert alibi_slopes(12) == alibi_slopes(8) + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]


def test_buckets_are_those_of_t5():
    distance = np.array([0, -1, -7, -8, -15, -16, -127, -128, -9999, 1, 7, 8, 64, 9999])
    found = to_numpy(relative_buckets(distance.astype("int32")))
    assert found.tolist() == [0, 1, 7, 8, 9, 10, 15, 15, 15, 17, 23, 24, 30, 31]


@pytest.mark.parametrize("rows, keys", [(1, 5), (3, 5), (7, 2), (2, 1)])
def test_toeplitz_and_its_gradient(rows, keys):
    bias = np.random.default_rng(0).normal(size=(2, rows + keys - 1)).astype("float32")
    index = np.arange(keys)[None] - np.arange(rows)[:, None] + rows - 1
    np.testing.assert_array_equal(to_numpy(toeplitz(bias, rows)), bias[:, index])
    x = np.random.default_rng(1).normal(size=(2, rows, keys)).astype("float32")
    sums = np.zeros_like(bias)
    for row, column in np.ndindex(rows, keys):
        sums[:, index[row, column]] += x[:, row, column]
    close(to_numpy(diagonal_sums(x)), sums)


@pytest.mark.parametrize("position", ["rotary", "alibi", "relative"])
def test_a_cache_knows_where_its_positions_are(position):
    layer = MultiHeadAttention(3, 4, position=position)
    x = np.random.default_rng(1).normal(size=(2, 5, 13)).astype("float32")
    layer.build(x.shape, x.shape)
    randomise(layer)
    whole = to_numpy(layer(x, x, use_causal_mask=True))
    cache = layer.init_cache(2, 7)
    for start, end in ((0, 2), (2, 3), (3, 5)):
        piece = x[:, start:end]
        output, cache = layer(piece, piece, cache=cache, cache_index=start)
        close(to_numpy(output), whole[:, start:end])


@pytest.mark.parametrize("position", ["rotary", "alibi", "relative"])
def test_weights_depend_on_distance_alone(position):
    layer = MultiHeadAttention(2, 4, position=position)
    x = np.tile(np.random.default_rng(1).normal(size=(1, 1, 13)), (1, 11, 1)).astype("float32")
    layer.build(x.shape, x.shape)
    randomise(layer, scale=1.0)
    _, weights = to_numpy(layer(x, x, return_attention_scores=True))
    ratio = np.log(weights / np.diagonal(weights, axis1=2, axis2=3)[..., None])
    close(ratio[:, :, 1:, 1:], ratio[:, :, :-1, :-1])
    assert np.abs(ratio).max() > 0.1
