from typing import Any

import keras
from keras import ops

from ..attention.scored_attention import project
from ..checks import check_positive
from ..serialization import register
from ..types import Config, Tensor
from .aligned_attention import AlignedAttention


@register
class LocationSensitiveAttention(AlignedAttention):
    """Additive attention that also sees where it looked before, by Chorowski et al. (2015).

    1. Location features `f_i = F * a_{i-1}`, a convolution of the weights of the step before over
       the keys (equation 8).
    2. Scores `e_ij = v^T tanh(W q_i + V k_j + U f_ij + b)` (equation 9).
    3. Weights `a_i = softmax(e_i)` over the keys, and context `c_i = sum_j a_ij v_j`.

    So it can move on by so many keys from where it was, which is what speech asks for: the content
    of a key does not tell apart two places that sound alike.

    Args:
        units: Size of the space in which queries, keys and locations are compared.
        filters: How many features a location has.
        kernel_size: How many keys the convolution spans.
        cumulative: Whether the convolution sees the sum of all weights so far in place of the last
            ones alone, as in Tacotron 2.
        use_bias: Whether `query_projection` and `key_projection` add a bias, which is `b`.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments: see `AttentionLayer`, and
        previous_weights: `(B, S)`, the weights of the step before the first query, or their sum if
            `cumulative`; zeros if `None`.

    Queries are taken one after the other. A masked query, or one without any key, has zero weights
    and a zero context, and the next one sees the weights of the one before it. Weights are
    `(B, T, S)`, the output is `(B, T, Dv)`.

    Example:
    >>> decoder_states, encoder_states = np.ones((2, 5, 16)), np.ones((2, 7, 32))
    >>> layer = LocationSensitiveAttention(64)
    >>> context, weights = layer(decoder_states, encoder_states, return_attention_scores=True)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 5, 32), (2, 5, 7))

    References:
        - [Chorowski et al., 2015](https://arxiv.org/abs/1506.07503)
        - Tacotron 2: [Shen et al., 2018](https://arxiv.org/abs/1712.05884)
    """

    def __init__(
        self,
        units: int,
        filters: int = 32,
        kernel_size: int = 31,
        cumulative: bool = False,
        use_bias: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive(filters=filters, kernel_size=kernel_size)
        super().__init__(units, use_bias=use_bias, dropout=dropout, seed=seed, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.cumulative = cumulative

    def _build_projections(self, query_shape, value_shape, key_shape):
        super()._build_projections(query_shape, value_shape, key_shape)
        self.location_convolution = keras.layers.Conv1D(
            self.filters,
            self.kernel_size,
            padding="same",
            use_bias=False,
            name="location_convolution",
            dtype=self.dtype_policy,
        )
        self.location_convolution.build((None, None, 1))
        self.location_projection = self._dense(
            self.units, "location_projection", (None, self.filters)
        )

    def location(self, alignment: Tensor) -> Any:
        shape = ops.shape(alignment)
        features = self.location_convolution(ops.reshape(alignment, (-1, shape[-1], 1)))
        features = project(self.location_projection, features)
        return ops.reshape(features, (*shape, self.units))

    def next_alignment(self, alignment: Tensor, weights: Tensor) -> Any:
        return alignment + weights if self.cumulative else weights

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "cumulative": self.cumulative,
        }
