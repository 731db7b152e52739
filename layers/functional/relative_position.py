"""What a head adds to a score for the distance between query and key: ALiBi, and T5's buckets.

Both depend on the distance `d = j - i` alone, so T x S biases are held as T + S - 1 of them,
`(N, T + S - 1)`, from `d = -(T - 1)` to `d = S - 1`.
"""

import math

from keras import ops

from .sizes import is_expression

BUCKETS = 32
MAX_DISTANCE = 128


def distances(query_length, key_length, offset=0):
    """All distances `j - i` of T queries, the first at `offset`, and S keys: `(T + S - 1,)`."""
    return ops.arange(query_length + key_length - 1, dtype="int32") - (query_length - 1) - offset


def alibi_slopes(num_heads):
    """The slopes of Press et al. (2022): `2^(-8 n / N)`, n = 1 … N, where N is a power of two.

    For another N, those of the power of two below, then every second one of the power above.
    """
    below = 2 ** math.floor(math.log2(num_heads))
    slopes = [2 ** (-8 * n / below) for n in range(1, below + 1)]
    between = [2 ** (-4 * n / below) for n in range(1, 2 * (num_heads - below), 2)]
    return slopes + between


def alibi_bias(distance, num_heads):
    """`-slope * |j - i|`, `(N, distances)`; in causal attention as in the paper."""
    slopes = ops.convert_to_tensor(alibi_slopes(num_heads), dtype="float32")
    return -slopes[:, None] * ops.cast(ops.abs(distance), "float32")


def relative_buckets(distance):
    """T5's bucket of a distance: half for keys before the query, half for those after.

    In each half, one bucket for every distance below 8, then ever wider ones up to 128; all that is
    further away shares the last.
    """
    half = BUCKETS // 2
    exact = half // 2
    far = ops.abs(distance)
    ratio = ops.cast(ops.maximum(far, exact), "float32") / exact
    log = ops.log(ratio) / math.log(MAX_DISTANCE / exact) * (half - exact)
    wide = ops.minimum(exact + ops.cast(log, "int32"), half - 1)
    return ops.where(distance > 0, half, 0) + ops.where(far < exact, far, wide)


def toeplitz(bias, rows):
    """Biases of distances `(N, rows + S - 1)` laid out for each query and key: `(N, rows, S)`.

    Each row is the one above, moved by one. A copy for each row, cut one element later each time,
    is that, with neither an index nor a gather.
    """
    heads, length = bias.shape[0], ops.shape(bias)[1]
    if is_expression(rows):
        # A product of two expressions is more than JAX can compare.
        row = ops.arange(rows, dtype="int32")[:, None]
        column = ops.arange(length - rows + 1, dtype="int32")[None]
        return ops.take(bias, rows - 1 - row + column, axis=1)
    copies = ops.repeat(ops.pad(bias, [(0, 0), (0, 1)])[:, None], rows, axis=1)
    flat = ops.reshape(copies, (heads, rows * (length + 1)))
    flat = ops.slice(flat, (0, rows - 1), (heads, rows * length))
    return ops.reshape(flat, (heads, rows, length))[:, :, : length - rows + 1]


def diagonal_sums(x):
    """Sums of `(N, rows, S)` over diagonals, `(N, rows + S - 1)`: the gradient of `toeplitz`."""
    heads, (rows, keys) = x.shape[0], ops.shape(x)[1:]
    length = rows + keys - 1
    x = ops.concatenate([x, ops.zeros((heads, rows, rows - 1), dtype=x.dtype)], axis=2)
    flat = ops.reshape(x, (heads, rows * length))
    before = ops.zeros((heads, rows - 1), dtype=x.dtype)
    flat = ops.concatenate([before, flat, ops.zeros((heads, 1), dtype=x.dtype)], axis=1)
    return ops.sum(ops.reshape(flat, (heads, rows, length + 1)), axis=1)[:, :length]
