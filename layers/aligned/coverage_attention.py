from typing import Any

from keras import ops

from ..attention.scored_attention import project
from ..serialization import register
from ..types import Tensor
from .aligned_attention import AlignedAttention


@register
class CoverageAttention(AlignedAttention):
    """Additive attention that knows how much of each key it has used, by See et al. (2017).

    1. Coverage `c_i = a_1 + ... + a_{i-1}`, the sum of the weights of all steps before
       (equation 10).
    2. Scores `e_ij = v^T tanh(W_h k_j + W_s q_i + w_c c_ij + b)` (equation 11).
    3. Weights `a_i = softmax(e_i)` over the keys, and context `sum_j a_ij v_j`.

    So it need not look at the same place again, nor a decoder say the same thing twice. The paper's
    coverage loss, `sum_j min(a_ij, c_ij)`, is a function of the weights, which are returned.

    Args:
        units: Size of the space in which queries, keys and coverage are compared.
        use_bias: Whether `query_projection` and `key_projection` add a bias, which is `b`.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments: see `AttentionLayer`, and
        previous_weights: `(B, S)`, the coverage before the first query; zeros if `None`.

    Queries are taken one after the other. A masked query, or one without any key, has zero weights
    and a zero context, and covers nothing. Weights are `(B, T, S)`, the output is `(B, T, Dv)`.

    Example:
    >>> decoder_states, encoder_states = np.ones((2, 5, 16)), np.ones((2, 7, 32))
    >>> layer = CoverageAttention(64)
    >>> context, weights = layer(decoder_states, encoder_states, return_attention_scores=True)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 5, 32), (2, 5, 7))

    Reference:
        [See, Liu and Manning, 2017](https://arxiv.org/abs/1704.04368)
    """

    def _build_projections(self, query_shape, value_shape, key_shape):
        super()._build_projections(query_shape, value_shape, key_shape)
        self.coverage_projection = self._dense(self.units, "coverage_projection", (None, 1))

    def use_coverage(self, use: bool) -> None:
        """Whether the score knows of the coverage, and learns from it.

        Without, the projection of the coverage is zero and not trained: the attention is plain
        additive. To be called once the layer is built, and before `compile`.
        """
        self.coverage_projection.trainable = use
        if not use:
            kernel = self.coverage_projection.kernel
            kernel.assign(0 * kernel)

    def location(self, alignment: Tensor) -> Any:
        return project(self.coverage_projection, ops.expand_dims(alignment, axis=-1))

    def next_alignment(self, alignment: Tensor, weights: Tensor) -> Any:
        return alignment + weights
