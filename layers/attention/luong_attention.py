from typing import Any

from keras import ops

from ..functional.tables import kernel_of
from ..functional.tanh_scores import tanh_scores
from ..initialization import InitializedParts
from ..serialization import register
from ..types import Config, Tensor
from .scored_attention import ScoredAttention, project

SCORES = ("dot", "general", "concat")


@register
class LuongAttention(InitializedParts, ScoredAttention):
    """Multiplicative attention of Luong et al. (2015): the scores *dot*, *general* and *concat*.

    The three scores of section 3.1 of the paper, query `q` and key `k`:

    - `dot`: `q^T k`; both must have the same size.
    - `general`: `q^T W k`; `W` is `key_projection`.
    - `concat`: `v^T tanh(W [q; k])`. `W` is held as its two halves, `query_projection` and
      `key_projection`, so that the half on the keys is computed once for all queries; `v` is
      `score_projection`.

    Weights are the softmax of the scores, the output is the weighted sum of the values. Luong's
    attentional vector `tanh(W_c [c; h])` belongs to the decoder, not to this layer.

    Args:
        score: "dot", "general" or "concat".
        units: Size of the hidden layer of *concat*; the size of the query if `None`. The other
            scores have none.
        use_bias: Whether the projections of *general* and *concat* add a bias.
        scale: What scores are multiplied by: `True` for a learned scalar that starts at one, or a
            number. With that of Vaswani et al. (2017), the size of the query to the power of -0.5,
            *dot* and *general* stand the steps of Adam: all entries of a product move together.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: Of each
            projection.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments and masks: see `AttentionLayer`. Weights are `(B, T, S)`, the output is `(B, T,
        Dv)`.

    Example:
    >>> decoder_states, encoder_states = np.ones((2, 5, 16)), np.ones((2, 7, 32))
    >>> context, weights = LuongAttention("general")(
    ...     decoder_states, encoder_states, return_attention_scores=True
    ... )
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 5, 32), (2, 5, 7))

    Reference:
        [Luong, Pham and Manning, 2015](https://arxiv.org/abs/1508.04025)
    """

    def __init__(
        self,
        score: str = "dot",
        units: int | None = None,
        use_bias: bool = False,
        scale: bool | float = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if score not in SCORES:
            raise ValueError(f"`score` must be one of {SCORES}. Received: score={score!r}")
        if units is not None and score != "concat":
            raise ValueError(f"Only the score 'concat' has `units`. Received: score={score!r}")
        if units is not None and (not isinstance(units, int) or units <= 0):
            raise ValueError(f"`units` must be a positive integer. Received: units={units}")
        super().__init__(dropout=dropout, seed=seed, **kwargs)
        # Not `self.score`: that is the method.
        self.score_mode = score
        self.units = units
        self.use_bias = use_bias
        self.scale = scale

    def _build_projections(self, query_shape, value_shape, key_shape):
        if self.score_mode == "dot" and query_shape[-1] != key_shape[-1]:
            raise ValueError(
                "The score 'dot' needs queries and keys of one size; 'general' does not. Received: "
                f"query of shape {query_shape}, key of shape {key_shape}"
            )
        units = self.units or query_shape[-1]
        if self.score_mode == "concat":
            self.query_projection = self._dense(
                units, "query_projection", query_shape, self.use_bias
            )
        if self.score_mode != "dot":
            self.key_projection = self._dense(units, "key_projection", key_shape, self.use_bias)
        if self.score_mode == "concat":
            self.score_projection = self._dense(1, "score_projection", (None, units))
        if self.scale is True:
            self.score_scale = self.add_weight(shape=(), initializer="ones", name="score_scale")

    def project_key(self, key: Tensor) -> Any:
        return key if self.score_mode == "dot" else project(self.key_projection, key)

    def score(self, query: Tensor, key: Tensor) -> Any:
        if self.score_mode == "concat":
            query = project(self.query_projection, query)
            scores = tanh_scores(query, key, kernel_of(self.score_projection))
        else:
            scores = ops.matmul(query, ops.swapaxes(key, 1, 2))
        if self.scale is False:
            return scores
        return scores * (self.score_scale if self.scale is True else self.scale)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "score": self.score_mode,
            "units": self.units,
            "use_bias": self.use_bias,
            "scale": self.scale,
        }
