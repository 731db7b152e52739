from typing import Any

import keras


def word_dropout(rate: float, **kwargs: Any) -> Any:
    """A dropout of whole tokens: of embeddings `(B, T, D)` it hides some of the T vectors.

    Args:
        rate: Share of the vectors that training hides.
        **kwargs: Of `keras.layers.Dropout`.

    References:
        - [Bowman et al., 2016](https://arxiv.org/abs/1511.06349)
    """
    return keras.layers.Dropout(rate, noise_shape=(None, None, 1), name="word_dropout", **kwargs)
