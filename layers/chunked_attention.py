"""Exact attention in memory linear in the length, forward and backward."""

from keras import ops, random

from .dot_product import attention_weights, group, ungroup, weighted_sum
from .relative_position import diagonal_sums

# Weights held at a time: 2^22 float32 are 16 MiB, enough rows for the products to be fast.
ELEMENTS = 2**22


def chunked_attention(query, key, value, mask, bias=None, dropout=0.0, seed=None):
    """Attention over blocks of queries, each with all keys; their weights are never kept.

    Forward, a block's weights serve its output and are dropped; backward, they are computed again
    from the scores (Rabe and Staats, 2021; Dao et al., 2022). With `dO` the gradient of the output
    O, `dP = dO V^T` and weights P, that of the scores is `dS = P (dP - rowsum(dO O))`.

    Args:
        query: `(B, N, T, H)`, scaled.
        key: `(B, N_kv, S, H)`.
        value: `(B, N_kv, S, H_v)`.
        mask: an `AttentionMask`.
        bias: of each distance, `(N, T + S - 1)`, or `None`.
        dropout: share of the weights that is dropped.
        seed: integer tensor `(2,)`, from `SeedGenerator.next`, if there is dropout.

    Returns:
        `(B, N, T, H_v)`.
    """
    batch, num_heads, length, _ = ops.shape(query)
    key_length, kv_heads, value_dim = ops.shape(key)[2], key.shape[1], value.shape[3]
    rows = _rows(batch * num_heads * key_length, length)
    blocks = (length + rows - 1) // rows
    extra = blocks * rows - length
    whole = isinstance(extra, int) and extra == 0
    mask = mask if whole else mask.pad_rows(extra)
    biased = bias is not None
    dtype = query.dtype

    def pad(x):
        if whole:
            return x
        zeros = ops.zeros((batch, num_heads, extra, x.shape[3]), dtype=x.dtype)
        return ops.concatenate([x, zeros], axis=2)

    def block(x, i):
        return ops.slice(x, (0, 0, i * rows, 0), (batch, num_heads, rows, x.shape[3]))

    def put(x, i, part):
        return ops.slice_update(x, (0, 0, i * rows, 0), ops.cast(part, x.dtype))

    def weights_of(query, key, bias, i):
        """The weights of block `i`, and what dropout multiplies them with."""
        if biased:
            first = (blocks - 1 - i) * rows
            bias = ops.slice(bias, (0, first), (num_heads, rows + key_length - 1))
        merged = mask.rows(i * rows, rows, key_length)
        weights = attention_weights(block(query, i), key, merged, bias if biased else None)
        if not dropout:
            return weights, None
        kept = random.uniform(ops.shape(weights), seed=_BlockSeed(seed, i)) >= dropout
        return weights, ops.cast(kept, "float32") / (1 - dropout)

    def over_blocks(step, *state):
        _, *state = ops.while_loop(
            lambda i, *_: i < blocks, lambda i, *x: (i + 1, *step(i, *x)), (_index(0), *state)
        )
        return state

    @ops.custom_gradient
    def attention(query, key, value, bias):
        padded = pad(query)
        if biased and not whole:  # The padded queries are those furthest behind.
            bias = ops.concatenate([ops.zeros((num_heads, extra), dtype=bias.dtype), bias], axis=1)

        def forward(i, output):
            weights, kept = weights_of(padded, key, bias, i)
            weights = weights if kept is None else weights * kept
            return (put(output, i, weighted_sum(ops.cast(weights, dtype), value)),)

        shape = (batch, num_heads, blocks * rows, value_dim)
        (output,) = over_blocks(forward, ops.zeros(shape, dtype=dtype))

        def gradient(*args, upstream=None):
            upstream = pad(args[0] if upstream is None else upstream)
            product = ops.cast(upstream, "float32") * ops.cast(output, "float32")
            inner = ops.sum(product, axis=-1, keepdims=True)

            def backward(i, d_query, d_key, d_value, d_bias):
                weights, kept = weights_of(padded, key, bias, i)
                slope = block(upstream, i)
                d_scores = ungroup(
                    ops.matmul(group(slope, kv_heads), ops.swapaxes(value, 2, 3)), num_heads
                )
                d_scores = ops.cast(d_scores, "float32")
                dropped = weights
                if kept is not None:
                    dropped, d_scores = weights * kept, d_scores * kept
                d_scores = weights * (d_scores - block(inner, i))
                if biased:
                    first = (blocks - 1 - i) * rows
                    sums = diagonal_sums(ops.sum(d_scores, axis=0))
                    here = ops.slice(d_bias, (0, first), (num_heads, rows + key_length - 1))
                    d_bias = ops.slice_update(d_bias, (0, first), here + sums)
                d_scores = ops.cast(d_scores, dtype)
                d_query = put(d_query, i, weighted_sum(d_scores, key))
                d_key = d_key + _transposed_sum(d_scores, block(padded, i), kv_heads)
                d_value = d_value + _transposed_sum(ops.cast(dropped, dtype), slope, kv_heads)
                return d_query, d_key, d_value, d_bias

            zeros = [ops.zeros(ops.shape(x), dtype="float32") for x in (padded, key, value, bias)]
            d_query, d_key, d_value, d_bias = over_blocks(backward, *zeros)
            d_query = ops.cast(d_query[:, :, :length], dtype)
            d_bias = d_bias if whole or not biased else d_bias[:, extra:]
            return d_query, ops.cast(d_key, dtype), ops.cast(d_value, dtype), d_bias

        return output[:, :, :length], gradient

    return attention(query, key, value, bias if biased else ops.zeros((1,), dtype="float32"))


def _transposed_sum(weights, x, kv_heads):
    """`weights^T x`, summed over the heads of a group, in float32: `(B, N_kv, S, X)`."""
    product = ops.matmul(ops.swapaxes(group(weights, kv_heads), 2, 3), group(x, kv_heads))
    return ops.cast(product, "float32")


def _index(i):
    return ops.convert_to_tensor(i, dtype="int32")


def _rows(row_elements, length):
    """Rows of a block: as many as hold `ELEMENTS` weights, of all heads and examples."""
    if isinstance(row_elements, int) and isinstance(length, int):
        return max(1, min(ELEMENTS // row_elements, length))
    return ops.clip(ELEMENTS // row_elements, 1, length)


class _BlockSeed(random.SeedGenerator):
    """The seed of one block of weights: the same forward and backward, another for each block."""

    def __init__(self, seed, index):
        self.seed = seed
        self.index = index

    def next(self, ordered=True):
        return self.seed + ops.cast(ops.stack([self.index, 0]), self.seed.dtype)
