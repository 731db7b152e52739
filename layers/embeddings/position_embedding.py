import math
from typing import Any

import keras
from keras import initializers, ops

from ..checks import check_ranks
from ..functional.sizes import is_sample, known
from ..serialization import register
from ..types import Config, Initializer, Shape, Tensor

KINDS = ("learned", "sinusoidal")


@register
class PositionEmbedding(keras.layers.Layer):
    """Adds to each element of a sequence a vector that tells its position.

    - `sinusoidal`: `p[t, 2i] = sin(t / 10000^(2i/D))`, `p[t, 2i+1] = cos(t / 10000^(2i/D))`,
      section 3.5 of Vaswani et al. (2017). No weights.
    - `learned`: a table of `max_length` vectors.

    Args:
        max_length: Longest sequence, in positions; only the sinusoids need none.
        kind: "learned" or "sinusoidal".
        initializer: Of the learned table.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, T, D)`. Their mask is passed on; a fully masked row gets its positions too.
        start_index: position of the first element, an integer scalar; for decoding step by step.

    Returns:
        `inputs + positions`, `(B, T, D)`.

    Example:
    >>> words = np.ones((2, 7, 16))
    >>> tuple(PositionEmbedding(max_length=50)(words).shape)
    (2, 7, 16)
    >>> positions = PositionEmbedding(kind="sinusoidal")
    >>> bool(ops.all(positions(words)[:, 3:4] == positions(words[:, 3:4], start_index=3)))
    True

    Reference:
        [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
    """

    def __init__(
        self,
        max_length: int | None = None,
        kind: str = "learned",
        initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: kind={kind!r}")
        unlimited = max_length is None and kind == "sinusoidal"
        if not unlimited and (not isinstance(max_length, int) or max_length <= 0):
            raise ValueError(
                f"`max_length` must be a positive integer. Received: max_length={max_length}"
            )
        super().__init__(**kwargs)
        self.supports_masking = True
        self.max_length = max_length
        self.kind = kind
        self.initializer = initializers.get(initializer)

    def build(self, inputs_shape: Shape) -> None:
        check_ranks(self, inputs=inputs_shape)
        if self.kind == "learned":
            self.positions = self.add_weight(
                shape=(self.max_length, inputs_shape[-1]),
                initializer=self.initializer,
                name="positions",
            )
        self.built = True

    def call(self, inputs: Tensor, start_index: Any = 0) -> Any:
        check_ranks(self, inputs=inputs.shape)
        length = ops.shape(inputs)[1]
        end = start_index + length if known(start_index) else length
        checked = self.max_length is not None and known(end) and not is_sample(inputs)
        if checked and end > self.max_length:
            raise ValueError(
                f"This PositionEmbedding holds {self.max_length} positions. Received: inputs of "
                f"shape {tuple(inputs.shape)}, start_index={start_index}"
            )
        indices = start_index + ops.arange(length, dtype="int32")
        if self.kind == "learned":
            positions = ops.take(ops.convert_to_tensor(self.positions), indices, axis=0)
        else:
            positions = sinusoids(indices, inputs.shape[-1])
        return inputs + ops.cast(positions, self.compute_dtype)

    def compute_output_shape(self, inputs_shape: Shape) -> tuple:
        return inputs_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "kind": self.kind,
            "initializer": initializers.serialize(self.initializer),
        }


def sinusoids(indices: Tensor, dim: int, base: float = 10_000.0) -> Any:
    """The sinusoids of positions `(T,)`: float32, `(T, dim)`, of wavelengths 2 pi to 2 pi base.

    Example:
    >>> print(ops.convert_to_numpy(sinusoids(np.array([0, 100]), dim=2)).round(2))
    [[ 0.    1.  ]
     [-0.51  0.86]]
    """
    frequencies = ops.exp(ops.arange(0, dim, 2, dtype="float32") * (-math.log(base) / dim))
    angles = ops.cast(indices, "float32")[:, None] * frequencies
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(pairs, (-1, 2 * frequencies.shape[0]))[:, :dim]
