from typing import Any

import keras
from keras import ops

from ..attention.attention_pooling import AttentionPooling
from ..blocks.transformer_encoder_block import TransformerEncoderBlock
from ..embeddings.class_token import ClassToken
from ..embeddings.grid_position_embedding import GridPositionEmbedding, resize_positions
from ..registry import get
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor


@register(package="attention_suite.vision")
class VisionTransformer(QuantizedParts, keras.Model):
    """Images to classes, Dosovitskiy et al. (2021).

    1. A tokenizer turns pixels into a grid of S tokens; a class token may stand before them.
    2. Each token is told where it is.
    3. Blocks of self-attention and feed-forward layers, normalized first, and a last normalization.
    4. One vector, of which the head tells the class: the class token's, the mean, or what learned
       attention gathers (Hassani et al., 2021).

    Args:
        tokenizer: A model from pixels 0 to 255 `(B, size, size, C)` to a map `(B, h, w, D)`.
        classes: How many there are.
        depth: Blocks.
        num_heads: N, of mechanisms with heads.
        mlp_dim: Size of the feed-forward layers.
        attention: A name of `layers.mechanisms()`. `local` sees two rows of tokens up and down.
        positions: "learned" or "sinusoidal".
        pool: "token", "mean" or "attention": where the head's vector comes from.
        layer_scale: What the factors of `LayerScale` start with; `None` for none.
        stochastic_depth: Rate of the last block; that of the first is 0.
        dropout: On tokens, branches, hidden layers and attention weights.
        remat: Whether training computes the activations of blocks again in the backward pass,
            which saves the memory to keep them.
        **kwargs: Of `keras.Model`.

    Call arguments:
        pixels: `(B, size, size, C)`, 0 to 255.
        return_attention_scores: whether to return the weights as well.

    Returns:
        Logits `(B, classes)`, float32; and, if asked for, a dict of the weights of the `blocks`, a
        list of `(B, N, T, T)`, and the part of each token in the vector that the head sees,
        `pooling`, `(B, T)`. T is S, or 1 + S with a class token, which comes first. There are no
        masks: every token is seen.

    Example:
    >>> tokenizer = patch_tokenizer((12, 12, 3), patch_size=4, dim=16)
    >>> model = VisionTransformer(tokenizer, classes=5, depth=1, num_heads=2, mlp_dim=32)
    >>> model.build((None, 12, 12, 3))
    >>> logits, weights = model(np.ones((2, 12, 12, 3)), return_attention_scores=True)
    >>> tuple(logits.shape), tuple(weights["blocks"][0].shape), tuple(weights["pooling"].shape)
    ((2, 5), (2, 2, 10, 10), (2, 10))

    References:
        - [Dosovitskiy et al., 2021](https://arxiv.org/abs/2010.11929)
        - [Hassani et al., 2021](https://arxiv.org/abs/2104.05704)
    """

    def __init__(
        self,
        tokenizer: str,
        classes: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        attention: str = "multi_head",
        positions: Tensor = "learned",
        pool: str = "token",
        layer_scale: float | None = None,
        stochastic_depth: float = 0.0,
        dropout: float = 0.0,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.classes = classes
        self.depth = depth
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.attention = attention
        self.positions_kind = positions
        self.pool = pool
        self.layer_scale = layer_scale
        self.stochastic_depth = stochastic_depth
        self.dropout = dropout
        self.remat = remat

    @property
    def grid(self) -> Any:
        """Rows and columns of the tokens."""
        return tuple(self.tokenizer.output_shape[1:3])

    @property
    def length(self) -> Any:
        """T, the tokens that attend to one another."""
        return self.grid[0] * self.grid[1] + (self.pool == "token")

    def build(self, pixels_shape: Shape) -> None:
        (rows, columns), dim = self.grid, self.tokenizer.output_shape[3]
        policy, has_token = self.dtype_policy, self.pool == "token"
        self.class_token = ClassToken(dtype=policy, name="class_token") if has_token else None
        self.positions = GridPositionEmbedding(
            self.grid, self.positions_kind, class_token=has_token, dtype=policy, name="positions"
        )
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=policy, name="dropout")
        self.blocks = [
            TransformerEncoderBlock(
                self.num_heads,
                self.mlp_dim,
                attention=self._make_attention(dim, columns, has_token),
                dropout=self.dropout,
                layer_scale=self.layer_scale,
                stochastic_depth=self.stochastic_depth * i / max(self.depth - 1, 1),
                remat=self.remat,
                dtype=policy,
                name=f"block_{i}",
            )
            for i in range(self.depth)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm")
        self.head = keras.layers.Dense(self.classes, dtype="float32", name="head")
        shape = (None, rows * columns, dim)
        if has_token:
            self.class_token.build(shape)
            shape = (None, 1 + rows * columns, dim)
        for layer in (self.positions, *self.blocks, self.norm):
            layer.build(shape)
        if self.pool == "attention":
            self.pooling = AttentionPooling(dim, dtype=policy, name="pooling")
            self.pooling.build(shape)
        self.head.build((None, dim))
        self.built = True

    def _make_attention(self, dim, columns, has_token):
        options = {
            "local": {"window": 2 * columns, "global_tokens": int(has_token)},
            "block_sparse": {"block_size": columns},
        }.get(self.attention, {})
        return get(
            self.attention,
            dim=dim,
            num_heads=self.num_heads,
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name="self_attention",
            **options,
        )

    def call(
        self, pixels: Tensor, return_attention_scores: bool = False, training: bool | None = None
    ) -> Any:
        # A pretrained network keeps its statistics; no other tokenizer knows of training.
        cells = self.tokenizer(pixels, training=False)
        x = ops.reshape(cells, (-1, self.grid[0] * self.grid[1], cells.shape[3]))
        if self.pool == "token":
            x = self.class_token(x)
        x = self.dropout_layer(self.positions(x), training=training)
        weights = []
        for block in self.blocks:
            if return_attention_scores:
                x, seen = block(x, return_attention_scores=True, training=training)
                weights.append(seen if len(seen.shape) == 4 else seen[:, None])
            else:
                x = block(x, training=training)
        vector, parts = self._gather(self.norm(x))
        logits = self.head(vector)
        if not return_attention_scores:
            return logits
        return logits, {"blocks": weights, "pooling": parts}

    def _gather(self, x):
        """One vector of all tokens, `(B, D)`, and the part `(B, T)` that each has in it."""
        if self.pool == "attention":
            return self.pooling(x, return_attention_scores=True)
        if self.pool == "mean":
            return ops.mean(x, axis=1), ops.ones_like(x[..., 0]) / x.shape[1]
        first = ops.one_hot(ops.zeros_like(x[:, 0, 0], dtype="int32"), x.shape[1], dtype=x.dtype)
        return x[:, 0], first

    def initialize_from(self, trained: Any) -> Any:
        """Takes the weights of a model for images of another size, or of other classes.

        Positions are resized; the head is taken only if it has as many classes.

        Args:
            trained: A `VisionTransformer` of the same depth and sizes, built.

        Raises:
            ValueError: They are no models of the same weights.
        """
        counts = [len(each.weights) for each in (trained, self)]
        if counts[0] != counts[1]:
            raise ValueError(f"it has {counts[0]} weights, not {counts[1]}: another model")
        for old, new in zip(trained.weights, self.weights, strict=True):
            if new.path.endswith("positions/positions"):
                token = int(self.class_token is not None)
                cells = resize_positions(old[token:], trained.grid, self.grid)
                new.assign(ops.concatenate([old[:token], cells]))
            elif old.shape == new.shape:
                new.assign(old)
            elif "/head/" not in new.path:
                raise ValueError(
                    f"{new.path} has shape {new.shape}, not {old.shape}: another model"
                )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "classes": self.classes,
            "depth": self.depth,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "attention": self.attention,
            "positions": self.positions_kind,
            "pool": self.pool,
            "layer_scale": self.layer_scale,
            "stochastic_depth": self.stochastic_depth,
            "dropout": self.dropout,
            "remat": self.remat,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})
