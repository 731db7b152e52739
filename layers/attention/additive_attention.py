import keras

from ..functional.tanh_scores import tanh_scores
from ..serialization import register
from .scored_attention import ScoredAttention, project


@register
class AdditiveAttention(ScoredAttention):
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

    def __init__(self, units, use_bias=True, dropout=0.0, seed=None, **kwargs):
        if not isinstance(units, int) or units <= 0:
            raise ValueError(f"`units` must be a positive integer. Received: units={units}")
        super().__init__(dropout=dropout, seed=seed, **kwargs)
        self.units = units
        self.use_bias = use_bias

    def _build_projections(self, query_shape, value_shape, key_shape):
        def dense(units, name, use_bias):
            return keras.layers.Dense(units, use_bias=use_bias, name=name, dtype=self.dtype_policy)

        self.query_projection = dense(self.units, "query_projection", self.use_bias)
        self.query_projection.build(query_shape)
        self.key_projection = dense(self.units, "key_projection", self.use_bias)
        self.key_projection.build(key_shape)
        self.score_projection = dense(1, "score_projection", False)
        self.score_projection.build((None, self.units))

    def project_key(self, key):
        return project(self.key_projection, key)

    def score(self, query, key):
        query = project(self.query_projection, query)
        return tanh_scores(query, key, self.score_projection.kernel)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "use_bias": self.use_bias}
