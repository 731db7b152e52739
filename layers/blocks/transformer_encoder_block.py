from typing import Any

from ..checks import check_ranks
from ..functional.rematerialize import rematerialized
from ..serialization import register
from ..types import Shape, Tensor
from .transformer_block import TransformerBlock


@register
class TransformerEncoderBlock(TransformerBlock):
    """Self-attention and a two-layer perceptron, each on a residual path; any mechanism inside.

    With `norm_first`, `x + f(norm(x))` (Xiong et al., 2020); without, `norm(x + f(x))` as in
    Vaswani et al. (2017).

    Args:
        num_heads: N, for mechanisms with heads.
        mlp_dim: Size of the perceptron's hidden layer.
        attention: A name of `layers.mechanisms()`, or an attention layer.
        norm_first: Whether normalization stands before each branch or after each sum.
        activation: Of the perceptron's hidden layer.
        dropout: On the branches, the hidden layer and, of a mechanism given by name, the weights.
        layer_scale: What the learned factors of `LayerScale` on the branches start with; `None`
            for no such factors.
        stochastic_depth: Rate at which `StochasticDepth` leaves out branches in training.
        norm_epsilon: Of the layer normalizations.
        seed: Seed of the dropout.
        remat: Whether training computes the activations inside again in the backward pass, which
            saves the memory to keep them.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: Of the
            feed-forward layers and of the projections of mechanisms given by name.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, T, D)`.
        mask: boolean `(B, T)` over positions, or `(B, T, T)`, query by key; True = attend. What a
            fully masked row gets from the attention, `AttentionLayer` says; the residual path
            remains.
        return_attention_scores: whether to return the weights as well.

    Returns:
        `(B, T, D)`, and the weights if asked for.

    Example:
    >>> words = np.ones((2, 7, 16))
    >>> block = TransformerEncoderBlock(num_heads=4, mlp_dim=64)
    >>> output, weights = block(words, return_attention_scores=True)
    >>> tuple(output.shape), tuple(weights.shape)
    ((2, 7, 16), (2, 4, 7, 7))

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745)
        - LayerScale: [Touvron et al., 2021](https://arxiv.org/abs/2103.17239)
        - Stochastic depth: [Huang et al., 2016](https://arxiv.org/abs/1603.09382)
    """

    def build(self, x_shape: Shape) -> None:
        check_ranks(self, x=x_shape)
        x_shape = tuple(x_shape)
        self.self_attention_norm = self._make_norm(x_shape, "self_attention_norm")
        self.self_attention = self._make_attention(
            self.attention, x_shape, x_shape, "self_attention"
        )
        self.self_attention_scale = self._make_scale(x_shape, "self_attention_scale")
        self._build_mlp(x_shape)
        self.built = True

    @rematerialized
    def call(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_ranks(self, x=x.shape)
        self._check_mask(x.shape, mask)
        h = self.self_attention_norm(x) if self.norm_first else x
        attended, weights = self._self_attend(h, mask, return_attention_scores, training)
        x = self._add(x, attended, self.self_attention_scale, self.self_attention_norm, training)
        x = self._mlp(x, training)
        return (x, weights) if return_attention_scores else x
