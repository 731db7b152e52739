from typing import Any

import keras
from keras import ops

from ..checks import check_ranks
from ..serialization import register
from ..types import Shape, Tensor


@register
class ClassToken(keras.layers.Layer):
    """Puts a learned vector before a sequence, Devlin et al. (2019), Dosovitskiy et al. (2021).

    A model gathers in it, by attention, what it says of the whole sequence.

    Args:
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, S, D)`. Their mask, boolean `(B, S)`, is passed on with a True for the token,
            so that a sequence that is fully masked still has a position to attend to.

    Returns:
        `(B, 1 + S, D)`.

    Example:
    >>> patches = np.ones((2, 9, 16))
    >>> tuple(ClassToken()(patches).shape)
    (2, 10, 16)

    References:
        - [Devlin et al., 2019](https://arxiv.org/abs/1810.04805)
        - [Dosovitskiy et al., 2021](https://arxiv.org/abs/2010.11929)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, inputs_shape: Shape) -> None:
        check_ranks(self, inputs=inputs_shape)
        self.token = self.add_weight(shape=(inputs_shape[-1],), initializer="zeros", name="token")
        self.built = True

    def call(self, inputs: Tensor) -> Any:
        check_ranks(self, inputs=inputs.shape)
        token = ops.cast(ops.convert_to_tensor(self.token), inputs.dtype)
        token = ops.broadcast_to(token, (ops.shape(inputs)[0], 1, inputs.shape[-1]))
        return ops.concatenate([token, inputs], axis=1)

    def compute_mask(self, inputs: Tensor, previous_mask: Any = None) -> Any:
        if previous_mask is None:
            return None
        return ops.pad(previous_mask, [(0, 0), (1, 0)], constant_values=True)

    def compute_output_shape(self, inputs_shape: Shape) -> tuple:
        batch, length, dim = inputs_shape
        return batch, None if length is None else 1 + length, dim
