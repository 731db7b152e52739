from typing import Any

import keras
from keras import ops

from ..serialization import register
from ..types import Config, Shape, Tensor


@register
class StochasticDepth(keras.layers.Layer):
    """Leaves out whole branches of a residual network in training, Huang et al. (2016).

    The branch of an example is zero with probability `rate`; the others are divided by `1 - rate`,
    so that the expectation is that of inference, in which all are there.

    Args:
        rate: Probability that a branch is left out.
        seed: Seed of the draws.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        branch: `(B, ...)`, what is to be added to the residual path. Its mask is passed on; a fully
            masked row is like any other.
        training: whether branches are left out.

    Returns:
        Of the shape of `branch`.

    Example:
    >>> branch = np.ones((1000, 5, 16))
    >>> kept = ops.convert_to_numpy(StochasticDepth(0.2, seed=1)(branch, training=True))
    >>> print(np.unique(kept), abs(kept.any(axis=(1, 2)).mean() - 0.8) < 0.1)
    [0.   1.25] True

    Reference:
        [Huang et al., 2016](https://arxiv.org/abs/1603.09382)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        super().__init__(**kwargs)
        self.supports_masking = True
        self.rate = rate
        self.seed = seed
        if rate:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, branch: Tensor, training: bool | None = None) -> Any:
        if not (training and self.rate):
            return branch
        shape = (ops.shape(branch)[0], *[1] * (len(branch.shape) - 1))
        # Drawn for an example, not for each of its numbers, and multiplied by broadcasting.
        ones = ops.ones(shape, dtype=branch.dtype)
        return branch * keras.random.dropout(ones, self.rate, seed=self.seed_generator)

    def compute_output_shape(self, branch_shape: Shape) -> tuple:
        return branch_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
