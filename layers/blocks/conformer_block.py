from typing import Any

import keras
from keras import ops

from ..checks import check_ranks
from ..functional.masking import boolean_mask
from ..functional.rematerialize import rematerialized
from ..serialization import register
from ..types import Activation, Config, Shape, Tensor
from .transformer_block import AttentionBlock


@register
class ConformerBlock(AttentionBlock):
    """Self-attention for what is far, a convolution for what is near, Gulati et al. (2020).

    1. `x + mlp(x) / 2`
    2. `x + attention(x)`; any mechanism inside.
    3. `x + convolution(x)`: a layer to `2 D`, a gated linear unit, a depthwise convolution over
       time, the activation, and a layer back.
    4. `x + mlp(x) / 2`, a second perceptron.
    5. Normalization of the sum.

    Each branch normalizes its input first. The convolution is followed by layer normalization where
    the paper has batch normalization: without statistics of the batch, neither padding nor a small
    batch changes an output. The paper's attention has relative positions; here that is up to the
    layer given as `attention`.

    Args:
        num_heads: N, for mechanisms with heads.
        mlp_dim: Size of the perceptrons' hidden layers.
        kernel_size: Of the depthwise convolution, in positions.
        attention: A name of `layers.mechanisms()`, or an attention layer.
        activation: Of the perceptrons' hidden layers and after the depthwise convolution.
        dropout: On the branches, the hidden layers and, of a mechanism given by name, the weights.
        norm_epsilon: Of the layer normalizations.
        seed: Seed of the dropout.
        remat: Whether training computes the activations inside again in the backward pass, which
            saves the memory to keep them.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: Of the
            feed-forward layers, the convolution and of the projections of mechanisms given by name.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, T, D)`.
        mask: boolean `(B, T)` over positions; True = attend. Masked positions are hidden from the
            attention and zero to the convolution, so they have no influence on others. A fully
            masked sequence has zero weights, and finite outputs of each position by itself. A mask
            `(B, T, T)`, query by key, is for the attention alone.
        return_attention_scores: whether to return the weights as well.
        training: whether dropout is active.

    Returns:
        `(B, T, D)`, and the weights if asked for.

    Example:
    >>> frames = np.ones((2, 50, 16))
    >>> block = ConformerBlock(num_heads=4, mlp_dim=64, kernel_size=7)
    >>> output, weights = block(frames, return_attention_scores=True)
    >>> tuple(output.shape), tuple(weights.shape)
    ((2, 50, 16), (2, 4, 50, 50))

    Reference:
        [Gulati et al., 2020](https://arxiv.org/abs/2005.08100)
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        kernel_size: int = 31,
        attention: str | keras.layers.Layer = "multi_head",
        activation: Activation = "silu",
        dropout: float = 0.0,
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(kernel_size, int) or kernel_size <= 0:
            raise ValueError(
                f"`kernel_size` must be a positive integer. Received: kernel_size={kernel_size}"
            )
        super().__init__(
            num_heads,
            mlp_dim,
            attention=attention,
            activation=activation,
            dropout=dropout,
            norm_epsilon=norm_epsilon,
            seed=seed,
            remat=remat,
            **kwargs,
        )
        self.kernel_size = kernel_size

    def build(self, x_shape: Shape) -> None:
        check_ranks(self, x=x_shape)
        shape, dim = tuple(x_shape), x_shape[-1]
        hidden_shape = (*shape[:-1], self.mlp_dim)

        self.first_mlp_norm = self._make_norm(shape, "first_mlp_norm")
        self.first_mlp_hidden = self._make_dense(
            self.mlp_dim, shape, "first_mlp_hidden", self.activation
        )
        self.first_mlp_output = self._make_dense(dim, hidden_shape, "first_mlp_output")

        self.self_attention_norm = self._make_norm(shape, "self_attention_norm")
        self.self_attention = self._make_attention(self.attention, shape, shape, "self_attention")

        self.convolution_norm = self._make_norm(shape, "convolution_norm")
        self.convolution_gate = self._make_dense(2 * dim, shape, "convolution_gate")
        options = self._initialization()
        self.depthwise = keras.layers.DepthwiseConv1D(
            self.kernel_size,
            padding="same",
            data_format="channels_last",
            depthwise_initializer=options.pop("kernel_initializer"),
            depthwise_regularizer=options.pop("kernel_regularizer"),
            dtype=self.dtype_policy,
            name="depthwise",
            **options,
        )
        self.depthwise.build(shape)
        self.depthwise_norm = self._make_norm(shape, "depthwise_norm")
        self.convolution_output = self._make_dense(dim, shape, "convolution_output")

        self.second_mlp_norm = self._make_norm(shape, "second_mlp_norm")
        self.second_mlp_hidden = self._make_dense(
            self.mlp_dim, shape, "second_mlp_hidden", self.activation
        )
        self.second_mlp_output = self._make_dense(dim, hidden_shape, "second_mlp_output")

        self.output_norm = self._make_norm(shape, "output_norm")
        self.residual_dropout = self._make_dropout()
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

        def drop(branch):
            return self.residual_dropout(branch, training=training)

        hidden = drop(self.first_mlp_hidden(self.first_mlp_norm(x)))
        x = x + 0.5 * drop(self.first_mlp_output(hidden))
        attended, weights = self._self_attend(
            self.self_attention_norm(x), mask, return_attention_scores, training
        )
        x = x + drop(attended)
        x = x + drop(self._convolve(self.convolution_norm(x), mask))
        hidden = drop(self.second_mlp_hidden(self.second_mlp_norm(x)))
        x = x + 0.5 * drop(self.second_mlp_output(hidden))
        x = self.output_norm(x)
        return (x, weights) if return_attention_scores else x

    def _convolve(self, x, mask):
        x = ops.glu(self.convolution_gate(x), axis=-1)
        if mask is not None and len(mask.shape) == 2:
            x = ops.where(boolean_mask(mask)[:, :, None], x, ops.zeros_like(x))
        x = self.activation(self.depthwise_norm(self.depthwise(x)))
        return self.convolution_output(x)

    def get_config(self) -> Config:
        return {**super().get_config(), "kernel_size": self.kernel_size}
