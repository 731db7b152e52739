"""Attention as one kernel of the backend."""

from typing import Any

import keras
from keras import ops

from ..types import Tensor
from .masking import AttentionMask


def fused_attention(
    query: Tensor, keys: Tensor, values: Tensor, mask: AttentionMask, flash: bool = False
) -> Any:
    """Attends by the backend's own kernel, made to give zero where nothing may be seen.

    Args:
        query: `(B, N, T, H)`, scaled.
        keys: `(B, K, S, H)`, where K divides N.
        values: `(B, K, S, H)`.
        mask: of all of it.
        flash: whether the kernel has to be that of FlashAttention.

    Returns:
        The contexts `(B, N, T, H)`.
    """
    merged = None
    only_causal = mask.only_causal()
    if not only_causal:
        merged = mask.rows(0, ops.shape(query)[2], ops.shape(keys)[2])
    if merged is not None:
        if flash:
            raise ValueError(
                "implementation='flash' takes no mask other than `use_causal_mask`; "
                "'chunked' takes them all."
            )
        merged = merged[:, None] if len(merged.shape) == 3 else merged
        if keras.backend.backend() == "jax":  # Its kernel takes masks of every query and key alone.
            lengths = ops.shape(query)[2], ops.shape(keys)[2]
            merged = ops.broadcast_to(merged, (*ops.shape(merged)[:2], *lengths))
        seen = ops.any(merged, axis=-1, keepdims=True)
        merged = ops.logical_or(merged, ops.logical_not(seen))
    repeats = query.shape[1] // keys.shape[1]
    if repeats > 1:
        keys, values = (ops.repeat(x, repeats, axis=1) for x in (keys, values))
    context = ops.dot_product_attention(
        *(ops.swapaxes(x, 1, 2) for x in (query, keys, values)),
        mask=merged,
        scale=1.0,
        is_causal=only_causal,
        flash_attention=True if flash else None,
    )
    context = ops.swapaxes(context, 1, 2)
    return context if merged is None else ops.where(seen, context, 0)


def has_gradient(query: Tensor, length: int | None, key_length: int | None) -> bool:
    """Whether the kernel can be trained through: that of JAX, in half precision, if both are even.

    Args:
        query: the queries, of the precision that is computed in.
        length: T, or `None` if it is not known yet.
        key_length: S, or `None`.
    """
    if keras.backend.backend() != "jax":
        return True
    half = keras.backend.standardize_dtype(query.dtype) != "float32"
    return not (half and any(size is not None and size % 2 for size in (length, key_length)))
