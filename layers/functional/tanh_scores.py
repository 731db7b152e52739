"""Scores through a hidden layer, of Bahdanau and of Luong's *concat*, that keep no hidden layer."""

from keras import ops

from .row_blocks import RowBlocks
from .sizes import is_for_xla, known, static_shape

ELEMENTS = 2**20  # Of the hidden layer in one block; two are held at a time.
# Of the hidden layers that give one part of the scores: a block is put into its part, the part into
# the whole, as TensorFlow copies all that it puts something into.
PART = 2**27
# Candidates of one decoding step: not worth a loop, unless their sources are very long.
FEW_ROWS, FEW_ELEMENTS = 16, 2**24


def tanh_scores(query, key, kernel):
    """`v^T tanh(q_i + k_j)`, in blocks of queries whose tanh is computed again backward.

    Forward and backward take memory for the scores alone. With `g` the gradient of the scores and
    `t` the tanh, that of `q_i` is `v (sum_j g_ij - sum_j g_ij t_ij^2)`, and so for `k_j`.

    Args:
        query: `(B, T, U)`.
        key: `(B, S, U)`.
        kernel: v, `(U, 1)`.

    Returns:
        `(B, T, S)`.
    """
    kernel = ops.cast(kernel, query.dtype)
    shape, key_length = static_shape(query), static_shape(key)[1]
    # In the loop of a decoder XLA has no gradient of blocks whose number it does not know.
    if _is_small(shape, key_length) or (shape[1] is None and is_for_xla(query)):
        return _scores(_hidden(query, key), kernel)

    batch, length, units = ops.shape(query)
    key_length = ops.shape(key)[1]
    row = batch * key_length * units
    blocks, parts = RowBlocks(length, row, ELEMENTS), RowBlocks(length, row, PART)
    blocks_of_part = RowBlocks(parts.rows, row, ELEMENTS)

    @ops.custom_gradient
    def scores(query, key, kernel):
        def of_block(query):
            return _scores(_hidden(query, key), kernel)

        def of_part(query):
            return _by_blocks(of_block, query, key_length, blocks_of_part, ahead=1)

        output = _by_blocks(of_part, query, key_length, parts)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            padded, padded_slope = blocks.pad(query), blocks.pad(upstream)

            def backward(i, d_query, d_key, d_kernel):
                hidden = _hidden(blocks.get(padded, i), key)
                slope = blocks.get(padded_slope, i)
                rows = ops.reshape(hidden, (-1, units))
                product = ops.matmul(ops.reshape(slope, (1, -1)), rows)
                d_kernel = d_kernel + ops.cast(ops.swapaxes(product, 0, 1), "float32")
                square = hidden * hidden
                part = ops.matmul(slope[:, :, None], square)[:, :, 0]
                d_query = blocks.put(d_query, i, part)
                part = ops.sum(square * slope[..., None], axis=1)
                return d_query, d_key + ops.cast(part, "float32"), d_kernel

            zeros = [ops.zeros(ops.shape(x), dtype="float32") for x in (key, kernel)]
            d_query = blocks.empty((batch, units))
            d_query, d_key, d_kernel = blocks.each(backward, d_query, *zeros, ahead=1)
            slope, v = ops.cast(upstream, "float32"), ops.cast(kernel, "float32")[:, 0]
            d_query = v * (ops.sum(slope, axis=2)[..., None] - blocks.joined(d_query))
            d_key = v * (ops.sum(slope, axis=1)[..., None] - d_key)
            return tuple(ops.cast(x, query.dtype) for x in (d_query, d_key, d_kernel))

        return output, gradient

    return scores(query, key, kernel)


def _is_small(query_shape, key_length):
    """Whether the whole hidden layer may be kept, as far as sizes are known."""
    batch, length, units = query_shape
    if length is None:
        return False
    few = length <= FEW_ROWS
    if key_length is None:
        return few
    elements = length * key_length * units
    if batch is None:
        return few or elements <= ELEMENTS // 4
    return batch * elements <= (FEW_ELEMENTS if few else ELEMENTS)


def _by_blocks(compute, query, key_length, blocks, ahead=0):
    """`compute` of blocks of the rows of a query `(B, T, U)`, as one: `(B, T, S)`."""
    if known(blocks.count) and blocks.count == 1:
        return compute(query)
    padded = blocks.pad(query)

    def step(i, output):
        return (blocks.put(output, i, compute(blocks.get(padded, i))),)

    output = blocks.empty((ops.shape(query)[0], key_length), query.dtype)
    return blocks.joined(*blocks.each(step, output, ahead=ahead))


def _hidden(query, key):
    return ops.tanh(query[:, :, None] + key[:, None])


def _scores(hidden, kernel):
    """One plain product: over more axes Keras on TensorFlow contracts with transposes."""
    shape = ops.shape(hidden)[:-1]
    return ops.reshape(ops.matmul(ops.reshape(hidden, (-1, hidden.shape[-1])), kernel), shape)
