from typing import Any

import keras

from ..blocks.transformer_block import serialize_attention
from ..blocks.transformer_encoder_block import TransformerEncoderBlock
from ..checks import check_mask, check_ranks, refuse_call_arguments
from ..embeddings.position_embedding import PositionEmbedding
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor


@register
class TransformerEncoder(QuantizedParts, keras.layers.Layer):
    """Vectors of a sequence to a memory: positions, Transformer blocks, a last normalization.

    Args:
        num_layers: Number of blocks.
        num_heads: N.
        mlp_dim: Size of the perceptrons' hidden layers; `4 * D` if `None`.
        attention: A name of `layers.mechanisms()`, or a layer, of which each block gets a copy:
            "local" and "linear" read long sequences in time linear in their length.
        max_length: Longest sequence.
        dropout: On the input, the branches and the attention weights.
        seed: Seed of the dropout.
        remat: Whether training computes the activations of blocks again in the backward pass,
            which saves the memory to keep them.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, S, D)`.
        mask: boolean `(B, S)`, True = attend. A fully masked sequence has a finite memory that
            means nothing.

    Returns:
        The memory `(B, S, D)`.

    Example:
    >>> encoder = TransformerEncoder(num_layers=2, num_heads=4, attention="linear")
    >>> tuple(encoder(np.ones((2, 7, 16)), mask=np.ones((2, 7), "bool")).shape)
    (2, 7, 16)

    Reference:
        [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
    """

    def __init__(
        self,
        num_layers: int = 2,
        num_heads: int = 8,
        mlp_dim: int | None = None,
        attention: str | keras.layers.Layer = "multi_head",
        max_length: int = 512,
        dropout: float = 0.0,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.attention = attention
        self.max_length = max_length
        self.dropout = dropout
        self.seed = seed
        self.remat = remat

    def build(self, x_shape: Shape) -> None:
        check_ranks(self, x=x_shape)
        self.positions = PositionEmbedding(
            self.max_length, kind="sinusoidal", dtype=self.dtype_policy, name="positions"
        )
        self.positions.build(x_shape)
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.blocks = []
        for i in range(self.num_layers):
            block = TransformerEncoderBlock(
                self.num_heads,
                self.mlp_dim or 4 * x_shape[-1],
                attention=self._attention_of(i),
                dropout=self.dropout,
                seed=self.seed,
                remat=self.remat,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            block.build(x_shape)
            self.blocks.append(block)
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build(x_shape)
        self.built = True

    def _attention_of(self, block):
        if block == 0 or isinstance(self.attention, str):
            return self.attention
        return self.attention.from_config(self.attention.get_config())

    def call(self, x: Tensor, mask: Tensor | None = None, training: bool | None = None) -> Any:
        check_ranks(self, x=x.shape)
        check_mask(self, "mask", mask, batch=x.shape[0], length=x.shape[1])
        x = self.dropout_layer(self.positions(x), training=training)
        for block in self.blocks:
            x = block(x, mask=mask, training=training)
        return self.norm(x)

    def compute_output_shape(self, x_shape: Shape) -> tuple:
        return tuple(x_shape)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "attention": serialize_attention(self.attention),
            "max_length": self.max_length,
            "dropout": self.dropout,
            "seed": self.seed,
            "remat": self.remat,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        if isinstance(config["attention"], dict):
            config["attention"] = keras.saving.deserialize_keras_object(config["attention"])
        return cls(**config)
