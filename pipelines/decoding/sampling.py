"""Sampling the next token: temperature, top-k, and top-p (nucleus) sampling."""

from keras import ops


def sample(logits, log_z, noise, temperature=1.0, top_k=None, top_p=1.0):
    """Draws one token a row, by inverting the cumulative distribution at `noise`.

    Of the `top_k` likeliest tokens those are kept, the likeliest first, that it takes to hold
    `top_p` of their probability.

    Args:
        logits: `(B, V)`, float32.
        log_z: What is subtracted from logits to make log-probabilities, broadcastable to them.
        noise: `(B,)`, uniform in [0, 1).
        temperature: Divides the logits.
        top_k: Number of tokens to choose from; `None` for all.
        top_p: Share of the probability to choose from.

    Returns:
        The tokens `(B,)`, and the log-probability `(B,)` that the model itself gives each.

    References:
        - [Holtzman et al., 2020](https://arxiv.org/abs/1904.09751)
    """
    # A V that only a run will tell is taken to be larger than `top_k`.
    kept = min(top_k, logits.shape[-1] or top_k) if top_k else ops.shape(logits)[-1]
    values, indices = ops.top_k(logits, kept)
    log_probs = values - log_z
    probs = ops.softmax(values / temperature, axis=-1)
    before = ops.cumsum(probs, axis=-1) - probs
    probs = ops.where(before < top_p, probs, 0.0)
    cumulative = ops.cumsum(probs, axis=-1)
    drawn = ops.cast(cumulative <= noise[:, None] * cumulative[:, -1:], "int32")
    # Rounding may carry the noise past the last token that was kept.
    last = ops.sum(ops.cast(probs > 0, "int32"), axis=-1, keepdims=True) - 1
    drawn = ops.minimum(ops.sum(drawn, axis=-1, keepdims=True), last)
    tokens = ops.take_along_axis(indices, drawn, axis=1)[:, 0]
    return ops.cast(tokens, "int32"), ops.take_along_axis(log_probs, drawn, axis=1)[:, 0]
