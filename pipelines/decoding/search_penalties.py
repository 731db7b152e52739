"""Constraints and penalties of decoding: minimum length, repeated n-grams, coverage."""

from keras import ops

from pipelines.text.tokenizer import END

IMPOSSIBLE = -1e9
UNSEEN = 1e-6


def forbid(logits, ids):
    """Lowers the logits `(B, V)` of some ids by `-IMPOSSIBLE`."""
    numbers = ops.arange(logits.shape[-1] or ops.shape(logits)[-1], dtype="int32")
    found = ops.any(numbers[:, None] == ops.convert_to_tensor(ids, dtype="int32"), axis=-1)
    return ops.where(found, logits + IMPOSSIBLE, logits)


def forbid_early_end(logits, index, min_length):
    """Forbids the end before `min_length` tokens.

    Args:
        logits: `(B, V)`, float32.
        index: Tokens there are, an integer scalar.
        min_length: Fewest tokens before the end.

    Returns:
        The logits, that of the end lowered by `-IMPOSSIBLE` where it would come too early.
    """
    is_end = ops.arange(ops.shape(logits)[-1]) == END
    early = ops.logical_and(is_end, index < min_length)
    return logits + ops.where(early, IMPOSSIBLE, 0.0)


def forbid_repeated_ngrams(logits, tokens, index, size):
    """Forbids every token that would end an n-gram for the second time (Paulus et al., 2018).

    Args:
        logits: `(B, V)`, float32.
        tokens: `(B, T)`, of which the first `index` columns count.
        index: Tokens there are, an integer scalar.
        size: n, at least 1.

    Returns:
        The logits, those of forbidden tokens lowered by `-IMPOSSIBLE` or more.

    References:
        - [Paulus, Xiong and Socher, 2018](https://arxiv.org/abs/1705.04304)
    """
    before = size - 1
    starts = tokens.shape[1] - before
    if starts < 1:
        return logits
    # An n-gram that starts at i is whole if its last token stands before `index`.
    repeats = ops.broadcast_to(ops.arange(starts) < index - before, (ops.shape(tokens)[0], starts))
    for i in range(before):
        last = ops.take(tokens, ops.maximum(index - before + i, 0), axis=1)
        repeats = ops.logical_and(repeats, tokens[:, i : i + starts] == last[:, None])
    rows, vocabulary_size = ops.shape(logits)
    flat = ops.arange(rows, dtype="int32")[:, None] * vocabulary_size + tokens[:, before:]
    # `ops.scatter` is a loop in Python on PyTorch.
    forbidden = ops.segment_sum(
        ops.reshape(ops.where(repeats, IMPOSSIBLE, 0.0), (-1,)),
        ops.reshape(flat, (-1,)),
        num_segments=rows * vocabulary_size,
    )
    return logits + ops.reshape(forbidden, (rows, vocabulary_size))


def log_coverage(weights, mask=None):
    """How completely a sequence has looked at its source, equation 14 of Wu et al. (2016).

    `sum_j log(min(sum_t weights_tj, 1))`, where a position that nothing looked at counts as
    `log(UNSEEN)`.

    Args:
        weights: `(B, T, S')`, zero after the end.
        mask: boolean `(B, S)`, S at most S': which of the first S columns are the source's. `None`
            for all columns.

    Returns:
        `(B,)`, at most zero.

    References:
        - [Wu et al., 2016](https://arxiv.org/abs/1609.08144)
    """
    seen = ops.sum(weights, axis=1)
    if mask is None:
        return ops.sum(ops.log(ops.clip(seen, UNSEEN, 1.0)), axis=-1)
    seen = seen[:, : ops.shape(mask)[1]]
    return ops.sum(ops.where(mask, ops.log(ops.clip(seen, UNSEEN, 1.0)), 0.0), axis=-1)
