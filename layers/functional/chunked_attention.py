"""Exact attention in memory linear in the length, forward and backward."""

from keras import ops, random

from .dot_product import attention_weights, group, ungroup, weighted_sum
from .relative_position import diagonal_sums
from .row_blocks import RowBlocks

# Queries of a block: products of more rows are faster, but backward holds three arrays of weights.
ROWS = {"forward": 512, "backward": 128}
ELEMENTS = 2**25  # 128 MiB of float32: of a large batch, blocks have fewer rows.


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
    key_length, kv_heads = ops.shape(key)[2], key.shape[1]
    dtype, biased = query.dtype, bias is not None
    row = batch * num_heads * key_length
    blocks = RowBlocks(length, row, ELEMENTS, ROWS["backward"])
    # Forward holds less than backward does; but dropout is drawn for a block, the same in both.
    forward_blocks = blocks if dropout else RowBlocks(length, row, ELEMENTS, ROWS["forward"])

    def distances(blocks, i):
        """Where the biases of block `i` lie: those of the last queries come first."""
        return (0, (blocks.count - 1 - i) * blocks.rows), (num_heads, blocks.rows + key_length - 1)

    def pad_bias(blocks, bias):
        if blocks.whole or not biased:
            return bias
        before = ops.zeros((num_heads, blocks.extra), dtype=bias.dtype)
        return ops.concatenate([before, bias], axis=1)

    def by_blocks(blocks, query, columns, bias, mask, seed):
        """A function of `i`: the weights of block `i`, and what dropout multiplies them with."""
        query, bias = blocks.pad(query), pad_bias(blocks, bias)
        padded_mask = mask if blocks.whole else mask.pad_rows(blocks.extra)

        def weights_of(i):
            merged = padded_mask.rows(i * blocks.rows, blocks.rows, key_length)
            here = ops.slice(bias, *distances(blocks, i)) if biased else None
            weights = attention_weights(blocks.get(query, i), columns, merged, here)
            if not dropout:
                return weights, None
            kept = random.uniform(ops.shape(weights), seed=BlockSeed(seed, i)) >= dropout
            return weights, ops.cast(kept, "float32") / (1 - dropout)

        return weights_of

    parts = mask.tensors()

    @ops.custom_gradient
    def attention(query, key, value, bias, *others):
        columns = ops.swapaxes(key, 2, 3)
        # What is not differentiated: given, as JAX cannot differentiate around what is closed over.
        fixed = (
            mask.with_tensors(dict(zip(parts, others, strict=False))),
            others[-1] if dropout else None,
        )
        weights_of = by_blocks(forward_blocks, query, columns, bias, *fixed)

        def forward(i, output):
            weights, kept = weights_of(i)
            weights = weights if kept is None else weights * kept
            part = weighted_sum(ops.cast(weights, dtype), value)
            return (forward_blocks.put(output, i, part),)

        output = forward_blocks.empty((batch, num_heads, value.shape[3]), dtype)
        output = forward_blocks.joined(*forward_blocks.each(forward, output))

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            product = ops.cast(upstream, "float32") * ops.cast(output, "float32")
            inner = blocks.pad(ops.sum(product, axis=-1, keepdims=True))
            upstream, value_columns = blocks.pad(upstream), ops.swapaxes(value, 2, 3)
            weights_of = by_blocks(blocks, query, columns, bias, *fixed)
            padded = blocks.pad(query)

            def backward(i, d_query, d_key, d_value, d_bias):
                weights, kept = weights_of(i)
                slope = blocks.get(upstream, i)
                d_scores = ops.matmul(group(slope, kv_heads), value_columns)
                d_scores = ops.cast(ungroup(d_scores, num_heads), "float32")
                dropped = weights
                if kept is not None:
                    dropped, d_scores = weights * kept, d_scores * kept
                d_scores = weights * (d_scores - blocks.get(inner, i))
                if biased:
                    start, shape = distances(blocks, i)
                    sums = diagonal_sums(ops.sum(d_scores, axis=0))
                    sums = ops.slice(d_bias, start, shape) + sums
                    d_bias = ops.slice_update(d_bias, start, sums)
                d_scores = ops.cast(d_scores, dtype)
                d_query = blocks.put(d_query, i, weighted_sum(d_scores, key))
                d_key = d_key + _transposed_sum(d_scores, blocks.get(padded, i), kv_heads)
                d_value = d_value + _transposed_sum(ops.cast(dropped, dtype), slope, kv_heads)
                return d_query, d_key, d_value, d_bias

            # What is summed over many blocks is summed in float32.
            summed = key, value, pad_bias(blocks, bias)
            zeros = [ops.zeros(ops.shape(x), dtype="float32") for x in summed]
            d_query = blocks.empty((batch, num_heads, query.shape[3]))
            d_query, d_key, d_value, d_bias = blocks.each(backward, d_query, *zeros)
            if biased and not blocks.whole:
                d_bias = d_bias[:, blocks.extra :]
            d_inputs = (ops.cast(x, dtype) for x in (blocks.joined(d_query), d_key, d_value))
            return *d_inputs, d_bias, *[None] * len(others)

        return output, gradient

    bias = bias if biased else ops.zeros((1,), dtype="float32")
    return attention(query, key, value, bias, *parts.values(), *([seed] if dropout else []))


def _transposed_sum(weights, x, kv_heads):
    """`weights^T x`, summed over the heads of a group, in float32: `(B, N_kv, S, X)`."""
    product = ops.matmul(ops.swapaxes(group(weights, kv_heads), 2, 3), group(x, kv_heads))
    return ops.cast(product, "float32")


class BlockSeed(random.SeedGenerator):
    """The seed of one block of weights: the same forward and backward, another for each block."""

    def __init__(self, seed, index):
        self.seed = seed
        self.index = index

    def next(self, ordered=True):
        return self.seed + ops.cast(ops.stack([self.index, 0]), self.seed.dtype)
