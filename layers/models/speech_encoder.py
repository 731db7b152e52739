from typing import Any

import keras

from ..blocks.conformer_block import ConformerBlock
from ..blocks.transformer_encoder_block import TransformerEncoderBlock
from ..embeddings.convolutional_subsampling import ConvolutionalSubsampling
from ..embeddings.position_embedding import PositionEmbedding
from ..registry import get
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor
from .recurrent_encoder import RecurrentEncoder

BLOCKS = ("conformer", "transformer", "lstm")


@register
class SpeechEncoder(QuantizedParts, keras.layers.Layer):
    """Frames of sound to a memory of a quarter as many vectors.

    `ConvolutionalSubsampling`, then Conformer blocks, Transformer blocks, or LSTMs that read in
    both directions, and a normalization.

    Args:
        dim: D.
        num_layers: Blocks, or pairs of LSTMs.
        block: "conformer", "transformer" or "lstm".
        num_heads: N.
        mlp_dim: Hidden size of the perceptrons; `4 * dim` if `None`.
        kernel_size: Of the convolution in a Conformer block.
        attention: A name of `layers.mechanisms()`.
        position: "sinusoidal" is added to what the blocks read; "rotary", "alibi" or "relative" are
            positions inside of the attention, for the multi-head family.
        filters: Channels of the subsampling.
        dropout: Everywhere in the blocks.
        seed: Seed of the dropout.
        remat: Whether training computes the activations of blocks again in the backward pass,
            which saves the memory to keep them.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, F, M)`, F frames of M frequencies.
        frames: `(B,)`, integers: the real frames of each utterance.

    Returns:
        The memory `(B, S, D)` and its mask `(B, S)`, S = ceil(F / 4). Padding has no influence; a
        fully masked utterance has a finite memory.

    Example:
    >>> encoder = SpeechEncoder(dim=16, num_layers=1, num_heads=2)
    >>> memory, mask = encoder(np.ones((2, 11, 80)), np.array([11, 4]))
    >>> tuple(memory.shape), np.array(mask).tolist()
    ((2, 3, 16), [[True, True, True], [True, False, False]])

    References:
        - [Gulati et al., 2020](https://arxiv.org/abs/2005.08100)
        - LSTMs: [Chan et al., 2015](https://arxiv.org/abs/1508.01211)
    """

    def __init__(
        self,
        dim: int,
        num_layers: int = 4,
        block: str = "conformer",
        num_heads: int = 4,
        mlp_dim: int | None = None,
        kernel_size: int = 15,
        attention: str = "multi_head",
        position: str = "sinusoidal",
        filters: int = 32,
        dropout: float = 0.0,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        if block not in BLOCKS:
            raise ValueError(f"`block` must be one of {BLOCKS}. Received: block={block!r}")
        super().__init__(**kwargs)
        self.dim = dim
        self.num_layers = num_layers
        self.block = block
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.kernel_size = kernel_size
        self.attention = attention
        self.position = position
        self.filters = filters
        self.dropout = dropout
        self.seed = seed
        self.remat = remat

    def build(self, x_shape: Shape, frames_shape: Shape | None = None) -> None:
        self.subsampling = ConvolutionalSubsampling(
            self.dim, self.filters, dtype=self.dtype_policy, name="subsampling"
        )
        self.subsampling.build(x_shape)
        shape = self.subsampling.compute_output_shape(x_shape)
        # As loud as the positions that are added, whatever the filters make of the sound.
        self.input_norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="input_norm"
        )
        self.input_norm.build(shape)
        self.positions = None
        if self.block != "lstm" and self.position == "sinusoidal":
            self.positions = PositionEmbedding(
                kind="sinusoidal", dtype=self.dtype_policy, name="positions"
            )
            self.positions.build(shape)
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build(shape)
        if self.block == "lstm":
            self.blocks = [
                RecurrentEncoder(
                    self.dim,
                    self.num_layers,
                    dropout=self.dropout,
                    seed=self.seed,
                    dtype=self.dtype_policy,
                    name="lstms",
                )
            ]
        else:
            self.blocks = [self._make_block(i) for i in range(self.num_layers)]
        for block in self.blocks:
            block.build(shape)
        self.built = True

    def _make_block(self, i):
        attention = self.attention
        options = {"dropout": self.dropout, "seed": self.seed, "dtype": self.dtype_policy}
        if self.position != "sinusoidal":
            inside = {"position": self.position, "name": "self_attention", **options}
            attention = get(attention, self.dim, self.num_heads, **inside)
        sizes = {"num_heads": self.num_heads, "mlp_dim": self.mlp_dim or 4 * self.dim}
        options |= {**sizes, "attention": attention, "remat": self.remat, "name": f"block_{i}"}
        if self.block == "conformer":
            return ConformerBlock(kernel_size=self.kernel_size, **options)
        return TransformerEncoderBlock(**options)

    def call(self, x: Tensor, frames: Tensor, training: bool | None = None) -> Any:
        x = self.subsampling(x, frames)
        mask = self.subsampling.mask_of(x, frames)
        x = self.input_norm(x)
        if self.positions is not None:
            x = self.positions(x)
        x = self.dropout_layer(x, training=training)
        for block in self.blocks:
            x = block(x, mask=mask, training=training)
        return self.norm(x), mask

    def compute_output_spec(self, x: Tensor, frames: Tensor, training: bool | None = None) -> Any:
        shape = self.subsampling.compute_output_shape(x.shape)
        return (
            keras.KerasTensor(shape, dtype=self.compute_dtype),
            keras.KerasTensor(shape[:2], dtype="bool"),
        )

    def get_config(self) -> Config:
        names = (
            "dim num_layers block num_heads mlp_dim kernel_size attention position filters "
            "dropout seed remat"
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}
