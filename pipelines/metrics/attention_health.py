"""Entropy of the attention weights of decoded texts, and the share of them on padding."""

import numpy as np


def attention_health(weights):
    """Measures the attention of decoded texts.

    Args:
        weights: For each text, `(T, S)` weights of the tokens written over the source alone,
            without its padding.

    Returns:
        `attention_entropy`: the mean entropy of a token's weights, as a share of the `log S` that
        even weights have: near 1, the decoder ignores the source. `attention_on_padding`: the mean
        share of the weights that lies on padding, which is to be 0.
    """
    entropies, strays = [], []
    for rows in weights:
        rows = np.asarray(rows, "float32")
        if not rows.size:
            continue
        logs = np.log(np.maximum(rows, 1e-20))
        entropies.append(-(rows * logs).sum(-1) / max(np.log(rows.shape[1]), 1e-6))
        strays.append(1 - rows.sum(-1))
    if not entropies:
        return {"attention_entropy": 0.0, "attention_on_padding": 0.0}
    stray = np.concatenate(strays).mean()
    return {
        "attention_entropy": float(np.concatenate(entropies).mean()),
        "attention_on_padding": float(abs(stray) if abs(stray) > 1e-3 else 0.0),
    }
