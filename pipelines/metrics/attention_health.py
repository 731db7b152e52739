"""Where the attention of decoded texts lies: its entropy, and its share on what tells nothing."""

import numpy as np


def attention_health(weights, with_end=False):
    """Measures the attention of decoded texts.

    Args:
        weights: For each text, `(T, S)` weights of the tokens written over the source alone,
            without its padding.
        with_end: Whether an end token is the last position of a source.

    Returns:
        `attention_entropy`: the mean entropy of a token's weights, as a share of the `log S` that
        even weights have: near 1, the decoder ignores the source; near 0, it sees one place of it.
        `attention_on_padding`: the mean share of the weights that lies on padding, which is to be
        0. With an end token `attention_on_end`: the mean share that lies on it.
    """
    rows = [np.asarray(each, "float32") for each in weights]
    rows = [each for each in rows if each.size]
    health = {
        "attention_entropy": _mean(_entropies(each) for each in rows),
        "attention_on_padding": abs(_mean(1 - each.sum(-1) for each in rows)),
    }
    if health["attention_on_padding"] <= 1e-3:  # Of rounding.
        health["attention_on_padding"] = 0.0
    if with_end:
        health["attention_on_end"] = _mean(each[:, -1] for each in rows)
    return health


def _entropies(rows):
    logs = np.log(np.maximum(rows, 1e-20))
    return -(rows * logs).sum(-1) / max(np.log(rows.shape[1]), 1e-6)


def _mean(parts):
    parts = list(parts)
    return float(np.concatenate(parts).mean()) if parts else 0.0
