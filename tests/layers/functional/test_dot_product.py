"""Attention over heads, several of which may share keys and values, beside NumPy."""

import numpy as np
import pytest

from layers.functional.dot_product import attention_weights, group, ungroup, weighted_sum
from tests.layers.backend import to_numpy
from tests.layers.references import mechanisms as reference

B, N, T, S, H = 2, 6, 5, 7, 3


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("kv_heads", [1, 2, 6])
def test_grouped_queries_stand_below_each_other_and_are_taken_apart_again(kv_heads):
    x = normal(B, N, T, H)
    grouped = group(x, kv_heads)
    np.testing.assert_array_equal(to_numpy(grouped), x.reshape(B, kv_heads, -1, H))
    np.testing.assert_array_equal(to_numpy(ungroup(grouped, N)), x)


@pytest.mark.parametrize("masked", [None, 3, 4])
@pytest.mark.parametrize("kv_heads", [1, 2, 6])
def test_weights_and_sums_equal_those_of_repeated_heads(kv_heads, masked):
    query, key, value = (
        normal(B, N, T, H),
        normal(B, kv_heads, S, H, seed=1),
        normal(B, kv_heads, S, 4),
    )
    mask = None
    if masked is not None:
        shape = (B, T, S) if masked == 3 else (B, N, T, S)
        mask = np.random.default_rng(2).random(shape) < 0.7
        mask[1, ..., 2, :] = False
    every_key, every_value = (np.repeat(x, N // kv_heads, axis=1) for x in (key, value))
    by_head = True if mask is None else mask[:, None] if masked == 3 else mask
    expected = reference.masked_softmax(query @ every_key.swapaxes(2, 3), np.array(by_head))
    weights = attention_weights(query, key.swapaxes(2, 3), mask)
    np.testing.assert_allclose(to_numpy(weights), expected, atol=1e-5)
    np.testing.assert_allclose(
        to_numpy(weighted_sum(weights, value)), expected @ every_value, atol=1e-5
    )


def test_a_bias_is_that_of_the_distance():
    query, key, bias = normal(B, N, T, H), normal(B, N, H, S, seed=1), normal(N, T + S - 1, seed=2)
    zero = to_numpy(attention_weights(query, key))
    found = to_numpy(attention_weights(query, key, bias=bias))
    # Entry T - 1 + j - i is that of the distance j - i.
    distance = np.arange(S)[None] - np.arange(T)[:, None]
    expected = np.log(zero) + bias[:, T - 1 + distance]
    np.testing.assert_allclose(found, reference.masked_softmax(expected, np.array(True)), atol=1e-5)
