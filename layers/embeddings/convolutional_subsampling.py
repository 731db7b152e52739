from typing import Any

import keras
from keras import ops

from ..checks import check_ranks
from ..functional.halving import halved, pad_ends
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor


@register
class ConvolutionalSubsampling(QuantizedParts, keras.layers.Layer):
    """Frames of sound to a quarter as many vectors, by two convolutions over time and frequency.

    Each has a kernel of 3 x 3, a stride of 2 and a ReLU; a dense layer brings what is left of the
    frequencies to the model's size. Padding has no influence: a frame that is masked is zero to
    both convolutions, and an utterance gives the same vectors alone and in a batch.

    Args:
        dim: D.
        filters: Channels of the convolutions.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, F, M)`, F frames of M frequencies.
        frames: `(B,)`, the number of real frames of each utterance; all if `None`. Of a fully
            masked one, with no frames, come what the biases make of zeros.

    Returns:
        `(B, S, D)` with `S = ceil(F / 4)`; `mask_of` tells which of them are real.

    Example:
    >>> tuple(ConvolutionalSubsampling(dim=16)(np.ones((2, 11, 80))).shape)
    (2, 3, 16)

    Reference:
        [Dong et al., 2018](https://doi.org/10.1109/ICASSP.2018.8462506)
    """

    def __init__(self, dim: int, filters: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.filters = filters

    def build(self, x_shape: Shape, frames_shape: Shape | None = None) -> None:
        check_ranks(self, x=x_shape)
        self.convolutions = []
        channels, frequencies = 1, x_shape[-1]
        for i in range(2):
            convolution = keras.layers.Conv2D(
                self.filters,
                3,
                strides=2,
                activation="relu",
                data_format="channels_last",
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            convolution.build((None, None, None, channels))
            self.convolutions.append(convolution)
            channels, frequencies = self.filters, -(-frequencies // 2)
        self.output_dense = keras.layers.Dense(self.dim, dtype=self.dtype_policy, name="output")
        self.output_dense.build((None, None, frequencies * channels))
        self.built = True

    def call(self, x: Tensor, frames: Tensor | None = None) -> Any:
        check_ranks(self, x=x.shape)
        x = x[..., None]
        frames = None if frames is None else ops.cast(frames, "int32")
        for convolution in self.convolutions:
            if frames is not None:
                mask = ops.arange(ops.shape(x)[1], dtype="int32")[None] < frames[:, None]
                x = ops.where(mask[..., None, None], x, 0)
                frames = halved(frames)
            x = convolution(pad_ends(ops.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))))
        batch, length = ops.shape(x)[:2]
        return self.output_dense(ops.reshape(x, (batch, length, x.shape[2] * x.shape[3])))

    def mask_of(self, x: Tensor, frames: Tensor) -> Any:
        """Which vectors are real: boolean `(B, S)`.

        Args:
            x: The vectors `(B, S, D)`.
            frames: `(B,)`, as for the call.
        """
        positions = halved(halved(ops.cast(frames, "int32")))
        return ops.arange(ops.shape(x)[1], dtype="int32")[None] < positions[:, None]

    def compute_output_shape(self, x_shape: Shape, frames_shape: Shape | None = None) -> tuple:
        batch, frames, _ = x_shape
        return batch, None if frames is None else halved(halved(frames)), self.dim

    def get_config(self) -> Config:
        return {**super().get_config(), "dim": self.dim, "filters": self.filters}
