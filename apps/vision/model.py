"""The Vision Transformer and its compact kin: pixels to tokens, tokens to classes."""

import keras
from keras import ops

import layers
from pipelines.images import backbones

PACKAGE = "attention_suite.vision"


def build(config, channels, classes, trained=None):
    """Makes the classifier that a configuration describes.

    Args:
        config: A `Config`, with `image_size` and, for patches, `patch_size`.
        channels: 1 or 3, of the pictures.
        classes: How many there are.
        trained: A classifier of the same configuration, but for `image_size`, to start from: its
            weights are carried over and its positions resized. Its head only if it has as many
            classes.
    """
    config = config.resolved
    shape = (config.image_size, config.image_size, channels)
    if config.backbone:
        tokenizer = backbone_tokenizer(config, shape)
    elif config.model == "compact":
        tokenizer = convolutional_tokenizer(config, shape)
    else:
        tokenizer = patch_tokenizer(config, shape)
    classifier = VisionTransformer(
        tokenizer,
        classes,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_dim=int(config.mlp_ratio * config.dim),
        attention=config.attention,
        positions=config.positions,
        pool=config.pool,
        layer_scale=config.layer_scale or None,
        stochastic_depth=config.stochastic_depth,
        dropout=config.dropout,
    )
    classifier.build((None, *shape))
    if trained is not None:
        carry_over(trained, classifier)
    return classifier


@keras.saving.register_keras_serializable(PACKAGE)
class VisionTransformer(keras.Model):
    """Pictures to classes, Dosovitskiy et al. (2021).

    1. A tokenizer turns pixels into a grid of S tokens; a class token may stand before them.
    2. Each token is told where it is.
    3. Blocks of self-attention and a perceptron, normalized first, and a last normalization.
    4. One vector, of which the head tells the class: the class token's, the mean, or what learned
       attention gathers (Hassani et al., 2021).

    Args:
        tokenizer: A model from pixels 0 to 255 `(B, size, size, C)` to a map `(B, h, w, D)`.
        classes: How many there are.
        depth: Blocks.
        num_heads: N, of mechanisms with heads.
        mlp_dim: Size of the perceptrons' hidden layer.
        attention: A name of `layers.mechanisms()`. `local` sees two rows of tokens up and down.
        positions: "learned" or "sinusoidal".
        pool: "token", "mean" or "attention".
        layer_scale: What the factors of `LayerScale` start with; `None` for none.
        stochastic_depth: Rate of the last block; that of the first is 0.
        dropout: On tokens, branches, hidden layers and attention weights.
        **kwargs: Of `keras.Model`.

    Call arguments:
        pixels: `(B, size, size, C)`, 0 to 255.
        return_attention_scores: whether to return the weights as well.

    Returns:
        Logits `(B, classes)`, float32; and, if asked for, a dict of the weights of the `blocks`, a
        list of `(B, N, T, T)`, and the part of each token in the vector that the head sees,
        `pooling`, `(B, T)`. T is S, or 1 + S with a class token, which comes first.

    References:
        - [Dosovitskiy et al., 2021](https://arxiv.org/abs/2010.11929)
        - [Hassani et al., 2021](https://arxiv.org/abs/2104.05704)
    """

    def __init__(
        self,
        tokenizer,
        classes,
        depth,
        num_heads,
        mlp_dim,
        attention="multi_head",
        positions="learned",
        pool="token",
        layer_scale=None,
        stochastic_depth=0.0,
        dropout=0.0,
        **kwargs,
    ):
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

    @property
    def grid(self):
        """Rows and columns of the tokens."""
        return tuple(self.tokenizer.output_shape[1:3])

    @property
    def length(self):
        """T, the tokens that attend to one another."""
        return self.grid[0] * self.grid[1] + (self.pool == "token")

    def build(self, pixels_shape):
        (rows, columns), dim = self.grid, self.tokenizer.output_shape[3]
        policy, has_token = self.dtype_policy, self.pool == "token"
        self.class_token = (
            layers.ClassToken(dtype=policy, name="class_token") if has_token else None
        )
        self.positions = layers.GridPositionEmbedding(
            self.grid, self.positions_kind, class_token=has_token, dtype=policy, name="positions"
        )
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=policy, name="dropout")
        self.blocks = [
            layers.TransformerEncoderBlock(
                self.num_heads,
                self.mlp_dim,
                attention=self._make_attention(dim, columns, has_token),
                dropout=self.dropout,
                layer_scale=self.layer_scale,
                stochastic_depth=self.stochastic_depth * i / max(self.depth - 1, 1),
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
            self.pooling = layers.AttentionPooling(dim, dtype=policy, name="pooling")
            self.pooling.build(shape)
        self.head.build((None, dim))
        self.built = True

    def _make_attention(self, dim, columns, has_token):
        options = {
            "local": {"window": 2 * columns, "global_tokens": int(has_token)},
            "block_sparse": {"block_size": columns},
        }.get(self.attention, {})
        return layers.get(
            self.attention,
            dim=dim,
            num_heads=self.num_heads,
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name="self_attention",
            **options,
        )

    def call(self, pixels, return_attention_scores=False, training=None):
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

    def get_config(self):
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
        }

    @classmethod
    def from_config(cls, config):
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})


def patch_tokenizer(config, shape):
    """Patches, flattened and projected."""
    side = config.image_size // config.patch_size
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            layers.PatchEmbedding(config.patch_size, config.dim),
            keras.layers.Reshape((side, side, config.dim)),
        ],
        name="patch_tokenizer",
    )


def convolutional_tokenizer(config, shape):
    """Convolutions and pooling, each of which halves the picture: Hassani et al. (2021)."""
    halvings = []
    for i in range(config.convolutions):
        halvings += [
            keras.layers.Conv2D(
                config.dim if i == config.convolutions - 1 else 64,
                config.kernel_size,
                padding="same",
                use_bias=False,
                activation="relu",
                kernel_initializer="he_normal",
            ),
            keras.layers.MaxPooling2D(3, strides=2, padding="same"),
        ]
    return keras.Sequential(
        [keras.Input(shape), keras.layers.Rescaling(1 / 127.5, offset=-1), *halvings],
        name="convolutional_tokenizer",
    )


def backbone_tokenizer(config, shape):
    """The features of a pretrained network, which is fine-tuned, projected."""
    network = backbones.open_backbone(config.backbone, config.image_size, trainable=True).model
    pixels = keras.Input(shape)
    colour = pixels if shape[-1] == 3 else keras.layers.Concatenate()([pixels] * 3)
    cells = keras.layers.Dense(config.dim, name="projection")(network(colour, training=False))
    return keras.Model(pixels, cells, name="backbone_tokenizer")


def carry_over(trained, classifier):
    """Gives a classifier the weights of one for pictures of another size, or of other classes.

    Raises:
        ValueError: They are no models of the same weights.
    """
    counts = [len(each.weights) for each in (trained, classifier)]
    if counts[0] != counts[1]:
        raise ValueError(f"it has {counts[0]} weights, not {counts[1]}: another model")
    for old, new in zip(trained.weights, classifier.weights, strict=True):
        if new.path.endswith("positions/positions"):
            token = int(classifier.class_token is not None)
            cells = layers.resize_positions(old[token:], trained.grid, classifier.grid)
            new.assign(ops.concatenate([old[:token], cells]))
        elif old.shape == new.shape:
            new.assign(old)
        elif "/head/" not in new.path:
            raise ValueError(f"{new.path} has shape {new.shape}, not {old.shape}: another model")
