from typing import Any

from ..checks import check_positive
from ..functional.tables import kernel_of
from ..functional.tanh_scores import tanh_scores
from ..initialization import InitializedParts
from ..serialization import register
from ..types import Config, Tensor
from .scored_attention import ScoredAttention, project


@register
class AdditiveAttention(InitializedParts, ScoredAttention):
    """Additive attention of Bahdanau et al. (2015), with its projections.

    1. Scores `e_ij = v^T tanh(W q_i + U k_j)` (appendix A.1.2 of the paper).
    2. Weights `a_i = softmax(e_i)` over the keys (equation 6).
    3. Context `c_i = sum_j a_ij v_j` (equation 5).

    `keras.layers.AdditiveAttention` has neither `W` nor `U`, so its queries and keys must already
    live in one space; here they may differ in size.

    Args:
        units: Size of the space in which queries and keys are compared.
        use_bias: Whether `query_projection` and `key_projection` add a bias. `score_projection`
            never does: a constant on all scores does not change a softmax.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout.
        scale: What scores are multiplied by. With `units ** -0.5` the first steps of Adam, which
            move all entries of `v` and of the hidden layer together, cannot saturate the softmax.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: Of each
            projection.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments and masks: see `AttentionLayer`. Weights are `(B, T, S)`, the output is `(B, T,
        Dv)`.

    Example:
    >>> decoder_states, encoder_states = np.ones((2, 5, 16)), np.ones((2, 7, 32))
    >>> context, weights = AdditiveAttention(64)(
    ...     decoder_states, encoder_states, return_attention_scores=True
    ... )
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 5, 32), (2, 5, 7))

    Reference:
        [Bahdanau, Cho and Bengio, 2015](https://arxiv.org/abs/1409.0473)
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_positive(units=units)
        super().__init__(dropout=dropout, seed=seed, **kwargs)
        self.units = units
        self.use_bias = use_bias
        self.scale = scale

    def _build_projections(self, query_shape, value_shape, key_shape):
        units, use_bias = self.units, self.use_bias
        self.query_projection = self._dense(units, "query_projection", query_shape, use_bias)
        self.key_projection = self._dense(units, "key_projection", key_shape, use_bias)
        self.score_projection = self._dense(1, "score_projection", (None, units))

    def project_key(self, key: Tensor) -> Any:
        return project(self.key_projection, key)

    def score(self, query: Tensor, key: Tensor) -> Any:
        query = project(self.query_projection, query)
        return self.scale * tanh_scores(query, key, kernel_of(self.score_projection))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "scale": self.scale,
        }
