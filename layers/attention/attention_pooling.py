from typing import Any

import keras
from keras import ops

from ..checks import check_mask, check_positive, check_ranks, refuse_call_arguments
from ..functional.masking import masked_softmax
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor
from .scored_attention import project


@register
class AttentionPooling(QuantizedParts, keras.layers.Layer):
    """A sequence to one vector by learned attention, Yang et al. (2016).

    1. Scores `e_t = v^T tanh(W h_t + b)`: the learned `v` stands where a query would (equation 5).
    2. Weights `a = softmax(e)` over the positions (equation 6).
    3. The vector `sum_t a_t h_t` (equation 7).

    Args:
        units: Size of the space in which positions are compared with `v`.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, T, D)`.
        mask: boolean `(B, T)`; True = attend. A masked position has weight zero and no influence; a
            fully masked sequence gives zero weights and a zero vector.
        return_attention_scores: whether to return the weights as well.
        training: whether dropout is active.

    Returns:
        `(B, D)`, without a mask, and, if asked for, the weights after the softmax and before
        dropout, `(B, T)`.

    Example:
    >>> words = np.ones((2, 7, 16))
    >>> sentence, weights = AttentionPooling(32)(words, return_attention_scores=True)
    >>> tuple(sentence.shape), tuple(weights.shape)
    ((2, 16), (2, 7))

    Reference:
        [Yang et al., 2016](https://aclanthology.org/N16-1174)
    """

    def __init__(
        self, units: int, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        check_positive(units=units)
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.units = units
        self.dropout = dropout
        self.seed = seed

    def build(self, inputs_shape: Shape) -> None:
        check_ranks(self, inputs=inputs_shape)
        self.hidden_projection = keras.layers.Dense(
            self.units, activation="tanh", dtype=self.dtype_policy, name="hidden_projection"
        )
        self.hidden_projection.build(inputs_shape)
        self.score_projection = keras.layers.Dense(
            1, use_bias=False, dtype=self.dtype_policy, name="score_projection"
        )
        self.score_projection.build((None, self.units))
        self.weights_dropout = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="weights_dropout"
        )
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_ranks(self, inputs=inputs.shape)
        check_mask(self, "mask", mask, batch=inputs.shape[0], length=inputs.shape[1])
        hidden = project(self.hidden_projection, inputs)
        scores = ops.squeeze(project(self.score_projection, hidden), axis=-1)
        weights = ops.cast(masked_softmax(scores, mask), self.compute_dtype)
        dropped = self.weights_dropout(weights, training=training)
        output = ops.squeeze(ops.matmul(dropped[:, None], inputs), axis=1)
        return (output, weights) if return_attention_scores else output

    def compute_mask(self, inputs: Tensor, previous_mask: Any = None) -> Any:
        return None  # Of the sequence no positions are left.

    def compute_output_shape(self, inputs_shape: Shape) -> tuple:
        return inputs_shape[0], inputs_shape[-1]

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_ranks(self, inputs=inputs.shape)
        check_mask(self, "mask", mask, batch=inputs.shape[0], length=inputs.shape[1])
        shape = self.compute_output_shape(inputs.shape)
        output = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, keras.KerasTensor(inputs.shape[:2], dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
            "seed": self.seed,
        }
