from typing import Any

import keras
from keras import ops

from ..checks import check_mask, check_ranks, refuse_call_arguments
from ..devices import on_gpu
from ..functional.lstm_loop import lstm_loop
from ..functional.masking import boolean_mask
from ..serialization import register
from ..types import Config, Shape, Tensor


@register
class RecurrentEncoder(keras.layers.Layer):
    """Vectors of a sequence to a memory, by LSTMs that read it in both directions.

    An annotation tells of its own word first, and of the words around it: where sizes agree, what
    is read is added to what went in. Without that path annotations leak to their neighbours, and
    attention need not look at the word that it means.

    Args:
        dim: Size of the memory; half of it for each direction.
        num_layers: Pairs of LSTMs on top of each other.
        dropout: On the input of every pair, and on the memory.
        seed: Seed of the dropout.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, S, E)`.
        mask: boolean `(B, S)`; padding stands at the end. What is returned for padding means
            nothing, and of a fully masked sequence that is all.

    Returns:
        The memory `(B, S, dim)`.

    Example:
    >>> encoder = RecurrentEncoder(dim=16)
    >>> tuple(encoder(np.ones((2, 7, 5)), mask=np.ones((2, 7), "bool")).shape)
    (2, 7, 16)

    References:
        - [Bahdanau, Cho and Bengio, 2015](https://arxiv.org/abs/1409.0473)
        - The residual path: [Wu et al., 2016](https://arxiv.org/abs/1609.08144)
    """

    def __init__(
        self,
        dim: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if dim % 2:
            raise ValueError(f"`dim` must be even, half for each direction. Received: dim={dim}")
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dim = dim
        self.num_layers = num_layers
        self.dropout = dropout
        self.seed = seed

    def build(self, x_shape: Shape) -> None:
        check_ranks(self, x=x_shape)
        self.readers = []
        for i in range(self.num_layers):
            shape = tuple(x_shape) if i == 0 else (*x_shape[:2], self.dim)
            pair = []
            for direction in ("forward", "backward"):
                reader = keras.layers.LSTM(
                    self.dim // 2,
                    return_sequences=True,
                    dtype=self.dtype_policy,
                    name=f"{direction}_{i}",
                )
                reader.build(shape)
                pair.append(reader)
            self.readers.append(pair)
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.built = True

    def call(self, x: Tensor, mask: Tensor | None = None, training: bool | None = None) -> Any:
        check_ranks(self, x=x.shape)
        check_mask(self, "mask", mask, batch=x.shape[0], length=x.shape[1])
        x = self.dropout_layer(x, training=training)
        length = ops.shape(x)[1]
        positions = ops.arange(length, dtype="int32")[None, :, None]
        if mask is not None:
            mask = boolean_mask(mask)[..., None]
            # Also takes the mask off `x`: the LSTMs need none, and are faster on a GPU without.
            x = ops.where(mask, x, 0)
            length = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        # Padding stays at the end, where neither direction reads it before a word.
        order = ops.where(positions < length, length - 1 - positions, positions)
        for forward, backward in self.readers:
            there = _read(forward, x)
            back = _read(backward, ops.take_along_axis(x, order, axis=1))
            read = ops.concatenate([there, ops.take_along_axis(back, order, axis=1)], axis=-1)
            read = self.dropout_layer(read, training=training)
            x = x + read if x.shape[-1] == self.dim else read
        return x

    def compute_output_shape(self, x_shape: Shape) -> tuple:
        return (*x_shape[:2], self.dim)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _read(reader, x):
    """What a Keras LSTM reads, by its own kernel on a GPU and by a loop of ours elsewhere."""
    if on_gpu():
        return reader(x)
    cell = reader.cell
    return lstm_loop(ops.add(ops.matmul(x, cell.kernel), cell.bias), cell.recurrent_kernel)
