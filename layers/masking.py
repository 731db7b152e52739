"""The one mask function and the one softmax of this package.

Masks are boolean and True means *attend*. They are selected with, never added: a large negative
constant overflows float16, and leaves a row without keys with uniform weights.
"""

from keras import ops
from keras.src.backend import set_keras_mask


def causal_mask(query_length, key_length, offset=0):
    """Boolean `(T, S)`: query `i`, which stands at `offset + i`, sees keys `j <= offset + i`."""
    queries = ops.arange(query_length, dtype="int32")[:, None] + offset
    keys = ops.arange(key_length, dtype="int32")[None, :]
    return keys <= queries


def combine_masks(
    query_length,
    key_length,
    query_mask=None,
    value_mask=None,
    key_mask=None,
    attention_mask=None,
    use_causal_mask=False,
    offset=0,
):
    """Merges all masks with AND.

    Args:
        query_length: T.
        key_length: S.
        query_mask: `(B, T)`.
        value_mask: `(B, S)`.
        key_mask: `(B, S)`.
        attention_mask: broadcastable to `(B, T, S)` or, per head, to `(B, N, T, S)`.
        use_causal_mask: whether a query sees no key after its own position.
        offset: position of the first query among the keys, for decoding with a cache.

    Returns:
        `None` if nothing is masked, else a boolean tensor that broadcasts to `(B, T, S)`, of rank 4
        if `attention_mask` has rank 4.
    """
    masks = []
    if query_mask is not None:
        masks.append(ops.cast(query_mask, "bool")[:, :, None])
    for mask in (value_mask, key_mask):
        if mask is not None:
            masks.append(ops.cast(mask, "bool")[:, None, :])
    if use_causal_mask:
        masks.append(causal_mask(query_length, key_length, offset)[None])
    if attention_mask is not None:
        attention_mask = ops.cast(attention_mask, "bool")
        if len(attention_mask.shape) == 4:
            masks = [mask[:, None] for mask in masks]
        elif len(attention_mask.shape) == 2:
            attention_mask = attention_mask[None]
        masks.append(attention_mask)
    if not masks:
        return None
    merged = masks[0]
    for mask in masks[1:]:
        merged = ops.logical_and(merged, mask)
    return merged


def carry_mask(output, query_mask):
    """Makes `output` carry the query's mask on to the next layer, an explicit one too."""
    if query_mask is not None:
        set_keras_mask(output, ops.cast(query_mask, "bool"))


def masked_softmax(scores, mask=None):
    """Softmax over the last axis, in float32, over the positions where `mask` is True.

    Masked positions get exactly zero; a row in which everything is masked is all zeros, and its
    gradient is zero.

    Args:
        scores: `(..., T, S)`, any float dtype.
        mask: boolean, broadcastable to `scores`, or `None`.

    Returns:
        float32 weights of the shape of `scores`.
    """
    scores = ops.cast(scores, "float32")
    if mask is None:
        return ops.softmax(scores, axis=-1)
    # Finite, so that an empty row stays finite on its way through the softmax and its gradient.
    weights = ops.softmax(ops.where(mask, scores, -1e30), axis=-1)
    return ops.where(mask, weights, 0.0)
