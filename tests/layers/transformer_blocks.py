"""Transformer blocks of random weights, and what they are tested with."""

import numpy as np

from layers import TransformerDecoderBlock, TransformerEncoderBlock
from layers.registry import MECHANISMS
from tests.layers.backend import randomise

B, T, S, N, D, MLP, MEMORY_DIM = 2, 5, 7, 6, 12, 17, 19
MAX_LENGTH = 7  # Of a cache.
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
X_MASK = np.array([[True] * 5, [True, True, True, False, False]])
MEMORY_MASK = np.array([[True] * 7, [True, False, True, True, False, False, False]])

SELF_ATTENTION_ONLY = [name for name, known in MECHANISMS.items() if known.self_attention_only]
CROSS_ATTENTION = [
    name
    for name, known in MECHANISMS.items()
    if not (known.self_attention_only or known.sees_earlier_weights)
]


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def data(memory_dim=MEMORY_DIM, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in ((B, T, D), (B, S, memory_dim))]


def encoder(attention="multi_head", **options):
    layer = TransformerEncoderBlock(N, MLP, attention, **options)
    layer.build((B, T, D))
    return randomise(layer, scale=0.3)


def decoder(attention="multi_head", cross_attention="multi_head", memory_dim=MEMORY_DIM, **options):
    layer = TransformerDecoderBlock(N, MLP, attention, cross_attention, **options)
    layer.build((B, T, D), None if memory_dim is None else (B, S, memory_dim))
    return randomise(layer, scale=0.3)
