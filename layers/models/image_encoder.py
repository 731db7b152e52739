import math
from typing import Any

import keras
from keras import ops

from ..blocks.transformer_encoder_block import TransformerEncoderBlock
from ..embeddings.position_embedding import sinusoids
from ..serialization import QuantizedParts, register
from ..types import Config, Tensor


@register(package="attention_suite.captioning", name="PictureEncoder")
class ImageEncoder(QuantizedParts, keras.layers.Layer):
    """Images, or their features, to a memory of one vector for each cell.

    Args:
        dim: D.
        network: A model from pixels 0 to 255 to a map `(B, h, w, C)`; `None` for features.
        pretrained: Whether the network's batch normalization keeps its statistics, and its dropout
            stays off, in training too; `freeze_statistics` turns this on later.
        num_layers: Transformer blocks over the cells.
        num_heads: Of these blocks.
        dropout: On the memory, and in the blocks.
        remat: Whether training computes the activations of blocks again in the backward pass,
            which saves the memory to keep them.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        picture: `(B, size, size, 3)` pixels 0 to 255, or features `(B, S, C)`. There is no mask:
            every cell is seen.
        return_cells: whether to return the network's features `(B, S, C)` as well.

    Returns:
        The memory `(B, S, D)`, cells by rows: what each holds, and in the last quarter of D where
        it is. The features if asked for.

    Example:
    >>> tuple(ImageEncoder(dim=8)(np.ones((2, 9, 5))).shape)
    (2, 9, 8)

    Reference:
        [Xu et al., 2015](https://arxiv.org/abs/1502.03044)
    """

    def __init__(
        self,
        dim: int,
        network: keras.Model | None = None,
        pretrained: bool = False,
        num_layers: int = 0,
        num_heads: int = 8,
        dropout: float = 0.0,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.network = network
        self.pretrained = pretrained
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.remat = remat

    def build(self, picture_shape: Any) -> None:
        self.picture_shape = tuple(picture_shape)
        cells_shape = self._cells_shape(self.picture_shape)
        memory_shape = (*cells_shape[:2], self.dim)
        policy = self.dtype_policy
        # Where a cell is stands beside what it holds: a sum of the two hides the weaker, for long.
        where = self.dim // 4
        self.projection = keras.layers.Dense(self.dim - where, dtype=policy, name="projection")
        self.projection.build(cells_shape)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm")
        self.norm.build((*cells_shape[:2], self.dim - where))
        self.positions = self.add_weight(shape=(cells_shape[1], where), name="positions")
        self.positions.assign(grid_positions(cells_shape[1], where))
        self.blocks = [
            TransformerEncoderBlock(
                self.num_heads,
                4 * self.dim,
                dropout=self.dropout,
                remat=self.remat,
                dtype=policy,
                name=f"block_{i}",
            )
            for i in range(self.num_layers)
        ]
        for block in self.blocks:
            block.build(memory_shape)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=policy, name="dropout")
        self.built = True

    @property
    def grid(self) -> Any:
        """Rows and columns of the cells, `(h, w)`; features do not tell theirs."""
        return tuple(self.network.compute_output_shape(self.picture_shape)[1:3])

    @property
    def cells_dim(self) -> Any:
        """Size of a cell before its projection."""
        return self._cells_shape(self.picture_shape)[-1]

    def freeze_statistics(self) -> Any:
        """From here on batch normalization keeps its statistics, and dropout stays off.

        The weights are trained as before. To be called before `compile`: what is compiled already
        goes on as it was.
        """
        self.pretrained = True

    def _cells_shape(self, picture_shape):
        if self.network is None:
            return picture_shape
        _, height, width, channels = self.network.compute_output_shape(picture_shape)
        return (picture_shape[0], height * width, channels)

    def call(
        self, picture: Tensor, return_cells: bool = False, training: bool | None = None
    ) -> Any:
        cells = picture
        if self.network is not None:
            # Keras hands `training` down to every layer, over what a functional model has fixed.
            cells = as_cells(self.network(picture, training=False if self.pretrained else training))
        what = self.norm(self.projection(cells))
        where = ops.cast(ops.convert_to_tensor(self.positions), what.dtype)
        where = ops.broadcast_to(where, (ops.shape(what)[0], *where.shape))
        memory = ops.concatenate([what, where], axis=-1)
        memory = self.dropout_layer(memory, training=training)
        for block in self.blocks:
            memory = block(memory, training=training)
        return (memory, cells) if return_cells else memory

    def compute_output_shape(self, picture_shape: Any) -> tuple:
        return (*self._cells_shape(picture_shape)[:2], self.dim)

    def get_config(self) -> Config:
        network = self.network and keras.saving.serialize_keras_object(self.network)
        return {
            **super().get_config(),
            "dim": self.dim,
            "network": network,
            "pretrained": self.pretrained,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "remat": self.remat,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        if config["network"] is not None:
            config["network"] = keras.saving.deserialize_keras_object(config["network"])
        return cls(**config)


def as_cells(feature_map: str) -> Any:
    """`(B, h, w, C)` to `(B, h * w, C)`."""
    return ops.reshape(feature_map, (-1, math.prod(feature_map.shape[1:3]), feature_map.shape[3]))


def grid_positions(cells: Tensor, dim: int) -> Any:
    """Sinusoids of row and column of the cells of a square, standardized: `(cells, dim)`.

    The learned positions begin here, so that from the first step on nearby cells are alike, and
    distant ones as different as by what they hold.
    """
    side = math.isqrt(cells)
    half = sinusoids(ops.arange(side), (dim + 1) // 2, base=max(side, 2))
    half = (half - ops.mean(half, axis=0)) / ops.maximum(ops.std(half, axis=0), 1e-3)
    rows, columns = ops.repeat(half, side, axis=0), ops.tile(half, (side, 1))
    return ops.concatenate([rows, columns], axis=-1)[:, :dim]
