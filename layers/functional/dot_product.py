"""Scaled dot-product attention over heads, with all its rows at once."""

from keras import ops

from .masking import masked_softmax
from .relative_position import toeplitz


def group(x, kv_heads):
    """`(B, N, T, X)` to `(B, N_kv, N / N_kv * T, X)`.

    The queries of one group stand one below the other, so that one product serves them all.
    """
    if x.shape[1] == kv_heads:
        return x
    batch, _, length, size = ops.shape(x)
    return ops.reshape(x, (batch, kv_heads, x.shape[1] // kv_heads * length, size))


def ungroup(x, num_heads):
    """Undoes `group`."""
    if x.shape[1] == num_heads:
        return x
    batch, _, rows, size = ops.shape(x)
    return ops.reshape(x, (batch, num_heads, rows * x.shape[1] // num_heads, size))


def attention_weights(query, key, mask=None, bias=None):
    """Softmax of `q k^T + bias` where `mask` is True, in float32.

    Args:
        query: `(B, N, T, H)`, scaled.
        key: `(B, N_kv, H, S)`, transposed: for a product on a CPU, better once than for each block.
        mask: boolean, broadcastable to `(B, T, S)` or `(B, N, T, S)`, or `None`.
        bias: of each distance, `(N, T + S - 1)`, for `toeplitz`; or `None`.

    Returns:
        `(B, N, T, S)`.
    """
    num_heads, length = query.shape[1], ops.shape(query)[2]
    scores = ops.matmul(group(query, key.shape[1]), key)
    scores = ungroup(scores, num_heads)
    if bias is not None:
        scores = ops.cast(scores, "float32") + toeplitz(bias, length)
    if mask is not None and len(mask.shape) == 3:
        mask = mask[:, None]
    return masked_softmax(scores, mask)


def weighted_sum(weights, value):
    """Weights `(B, N, T, S)` times values `(B, N_kv, S, H)`: `(B, N, T, H)`."""
    return ungroup(ops.matmul(group(weights, value.shape[1]), value), weights.shape[1])
