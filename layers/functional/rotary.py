"""Rotary position embedding, Su et al. (2021)."""

import math

from keras import ops

BASE = 10_000.0


def rotate(x, start=0):
    """Turns each pair `(x_i, x_{i + H/2})` of a head by its position times `10000^(-2i/H)`.

    The product of a query and a key turned like this depends on the distance between them, not on
    where they are.

    Args:
        x: `(B, N, T, H)`, H even.
        start: position of the first element.
    """
    half = x.shape[-1] // 2
    frequencies = ops.exp(ops.arange(half, dtype="float32") * (-math.log(BASE) / half))
    positions = ops.cast(start + ops.arange(ops.shape(x)[2], dtype="int32"), "float32")
    angles = positions[:, None] * frequencies
    cos, sin = (ops.cast(f(angles), x.dtype) for f in (ops.cos, ops.sin))
    one, other = x[..., :half], x[..., half:]
    return ops.concatenate([one * cos - other * sin, one * sin + other * cos], axis=-1)
