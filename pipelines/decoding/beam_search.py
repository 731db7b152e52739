"""Beam search: the best K continuations of each example, and the ranking of the candidates.

Candidates are rows, K for each of the B examples, those of an example side by side: `(B * K, …)`.
"""

from keras import ops

from pipelines.decoding.search_penalties import IMPOSSIBLE


def normalized(log_probs, lengths, length_penalty):
    """Log-probabilities of sequences by `length^length_penalty`, which makes lengths comparable."""
    return log_probs / ops.maximum(lengths, 1.0) ** length_penalty


def best_continuations(logits, log_z, log_probs, lengths, finished, beams, length_penalty):
    """Chooses the best K continuations of each example by one token.

    A finished candidate has one continuation, itself, and competes with the others.

    Args:
        logits: `(B * K, V)`, float32.
        log_z: What is subtracted from logits to make log-probabilities, broadcastable to them.
        log_probs: `(B * K,)` of the candidates so far.
        lengths: `(B * K,)`, their tokens, as floats.
        finished: `(B * K,)`, boolean.
        beams: K, the beam width.
        length_penalty: As for `normalized`.

    Returns:
        For each new candidate `(B * K,)`: the token, the row of the candidate it continues, and the
        log-probability of the sequence.
    """
    # The best K of each candidate are enough, and they need no softmax over the vocabulary. A V
    # that only a run will tell is taken to be larger.
    options = min(beams, logits.shape[-1] or beams)
    values, indices = ops.top_k(logits, options)
    values = values - log_z
    itself = ops.where(ops.arange(options) == 0, 0.0, IMPOSSIBLE)
    totals = log_probs[:, None] + ops.where(finished[:, None], itself, values)
    new_lengths = lengths + ops.cast(ops.logical_not(finished), "float32")
    ranks = normalized(totals, new_lengths[:, None], length_penalty)
    _, winners = ops.top_k(ops.reshape(ranks, (-1, beams * options)), beams)
    flat = ops.reshape(_rows(winners, beams * options), (-1,))
    tokens = ops.take(ops.reshape(indices, (-1,)), flat)
    return (
        ops.cast(tokens, "int32"),
        flat // options,
        ops.take(ops.reshape(totals, (-1,)), flat),
    )


def best_candidates(scores, beams):
    """Returns the row of the best candidate of each example, `(B,)`, by scores `(B * K,)`."""
    best = ops.argmax(ops.reshape(scores, (-1, beams)), axis=1)
    return _rows(best[:, None], beams)[:, 0]


def runners_up(scores, best, eligible, beams, count):
    """Ranks the candidates behind the best.

    Args:
        scores: `(B * K,)`.
        best: `(B,)`, of `best_candidates`.
        eligible: `(B * K,)`, boolean: which candidates may be returned.
        beams: K.
        count: A, at most K - 1.

    Returns:
        Rows and scores `(B, A)` of candidates, best first; the score is -inf where there are fewer.
    """
    own_rows = ops.arange(ops.shape(scores)[0], dtype="int32")
    others = ops.logical_and(eligible, own_rows != ops.repeat(best, beams))
    scores = ops.where(others, scores, float("-inf"))
    scores, candidates = ops.top_k(ops.reshape(scores, (-1, beams)), count)
    return _rows(candidates, beams), scores


def _rows(indices, width):
    """Flat indices into `(B * width,)` of indices `(B, N)` into `(B, width)`."""
    examples = ops.arange(ops.shape(indices)[0], dtype="int32")[:, None]
    return examples * width + ops.cast(indices, "int32")
