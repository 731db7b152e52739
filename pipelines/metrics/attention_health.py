"""Where the attention of decoded texts lies: its entropy, and its share on what tells nothing."""

import numpy as np


class AttentionHealth:
    """Measures the attention of decoded texts, some at a time.

    Args:
        with_end: Whether an end token is the last position of a source.
    """

    def __init__(self, with_end=False):
        self._with_end = with_end
        self._entropy, self._on_padding, self._on_end = [], [], []

    def add(self, weights):
        """Takes for each text the `(T, S)` weights of its tokens over the source alone."""
        rows = [np.asarray(each, "float32") for each in weights]
        rows = [each for each in rows if each.size]
        if not rows:
            return
        self._entropy.append(np.concatenate([_entropies(each) for each in rows]))
        self._on_padding.append(np.concatenate([1 - each.sum(-1) for each in rows]))
        self._on_end.append(np.concatenate([each[:, -1] for each in rows]))

    def metrics(self):
        """Returns the metrics of all, see `attention_health`."""
        health = {
            "attention_entropy": _mean(self._entropy),
            "attention_on_padding": abs(_mean(self._on_padding)),
        }
        if health["attention_on_padding"] <= 1e-3:  # Of rounding.
            health["attention_on_padding"] = 0.0
        if self._with_end:
            health["attention_on_end"] = _mean(self._on_end)
        return health


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
    health = AttentionHealth(with_end)
    health.add(weights)
    return health.metrics()


def _entropies(rows):
    logs = np.log(np.maximum(rows, 1e-20))
    return -(rows * logs).sum(-1) / max(np.log(rows.shape[1]), 1e-6)


def _mean(parts):
    return float(np.concatenate(parts).mean()) if parts else 0.0
