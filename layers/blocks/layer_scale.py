from typing import Any

import keras
from keras import ops

from ..serialization import register
from ..types import Config, Shape, Tensor


@register
class LayerScale(keras.layers.Layer):
    """Multiplies each feature of a residual branch by a learned number, Touvron et al. (2021).

    `x + diag(s) f(x)`: with a small `s` to begin with, a deep network starts near the identity.

    Args:
        initial: The value of every `s` before training: 0.1 to 1e-6, smaller the deeper.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        branch: `(..., D)`. Its mask is passed on; a fully masked row is like any other.

    Returns:
        Of the shape of `branch`.

    Example:
    >>> branch = np.ones((2, 7, 16))
    >>> round(float(LayerScale(0.1)(branch)[0, 0, 0]), 6)
    0.1

    Reference:
        [Touvron et al., 2021](https://arxiv.org/abs/2103.17239)
    """

    def __init__(self, initial: float = 1e-4, **kwargs: Any) -> None:
        if initial <= 0:
            raise ValueError(f"`initial` must be greater than 0. Received: initial={initial}")
        super().__init__(**kwargs)
        self.supports_masking = True
        self.initial = initial

    def build(self, branch_shape: Shape) -> None:
        self.scale = self.add_weight(
            shape=(branch_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
            name="scale",
        )
        self.built = True

    def call(self, branch: Tensor) -> Any:
        return branch * ops.cast(ops.convert_to_tensor(self.scale), branch.dtype)

    def compute_output_shape(self, branch_shape: Shape) -> tuple:
        return branch_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "initial": self.initial}
