"""When the backend's own kernel can be trained through; what it computes, the layers' tests say."""

import keras
import numpy as np
import pytest
from keras import ops

from layers.functional.fused_attention import fused_attention, has_gradient
from layers.functional.masking import AttentionMask
from tests.layers.backend import to_numpy


@pytest.mark.parametrize("lengths", [(8, 24), (7, 24), (8, 23), (None, 24), (None, None)])
def test_only_jax_in_half_precision_wants_even_lengths(lengths, monkeypatch):
    odd = any(length is not None and length % 2 for length in lengths)
    half, full = (ops.zeros((1, 1, 2, 8), dtype) for dtype in ("bfloat16", "float32"))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert has_gradient(half, *lengths) is not odd and has_gradient(full, *lengths)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert has_gradient(half, *lengths)


def test_of_masked_keys_nothing_is_seen_and_of_no_keys_there_is_zero():
    rng = np.random.default_rng(0)
    query, keys, values = (rng.normal(size=(2, n, 3, 5)).astype("float32") for n in (4, 2, 2))
    seen = np.array([[True, True, False], [False, False, False]])
    found = to_numpy(fused_attention(query, keys, values, AttentionMask(value_mask=seen)))
    scores = np.einsum("nth,nsh->nts", query[0], np.repeat(keys[0, :, :2], 2, axis=0))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    expected = weights @ np.repeat(values[0, :, :2], 2, axis=0)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    assert not found[1].any()
