"""The captioner: an encoder of pictures, and a decoder that attends to their cells."""

import math

import keras
from keras import ops

import layers
from pipelines.images import backbones

PACKAGE = "attention_suite.captioning"


def build(config, inputs_shape, vocabulary_size):
    """Makes the captioner that a configuration describes.

    Args:
        config: A `Config`.
        inputs_shape: `(S, C)` of precomputed features, or `(size, size, 3)` of pixels.
        vocabulary_size: V.

    Raises:
        UserError: The backbone to fine-tune cannot be opened.
    """
    network, pretrained = None, len(inputs_shape) == 3 and config.backbone is not None
    if pretrained:
        network = backbones.open_backbone(config.backbone, config.image_size, trainable=True).model
    elif len(inputs_shape) == 3:
        network = convolutional_stem(inputs_shape)
    encoder = PictureEncoder(
        config.dim,
        network=network,
        pretrained=pretrained,
        num_layers=config.encoder_layers,
        num_heads=config.num_heads,
        dropout=config.dropout,
    )
    if config.decoder == "rnn":
        decoder = layers.RecurrentDecoder(
            vocabulary_size,
            config.dim,
            attention=config.mechanism,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
        )
    else:
        decoder = layers.TransformerDecoder(
            vocabulary_size,
            config.dim,
            num_layers=config.decoder_layers,
            num_heads=config.num_heads,
            cross_attention=config.mechanism,
            max_length=config.max_tokens,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
        )
    captioner = Captioner(encoder, decoder, config.concept_weight)
    captioner.build({"picture": (None, *inputs_shape), "tokens": (None, None, None)})
    return captioner


@keras.saving.register_keras_serializable(PACKAGE)
class Captioner(keras.Model):
    """Pictures and the words so far to the next words.

    Call arguments:
        inputs: a dict of `picture`, `(B, S, C)` features or `(B, size, size, 3)` pixels 0 to 255,
            and `tokens` `(B, K, T)`, K captions of each picture.

    Returns:
        Logits `(B, K, T, V)`.

    In training, `concept_weight` times `concept_loss` is added to the loss. `start` and `step` are
    what `pipelines.decoding.generator.Generator` asks for.
    """

    def __init__(self, encoder, decoder, concept_weight=0.0, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.concept_weight = concept_weight

    def build(self, inputs_shape):
        # Restored from their configurations, both come back built.
        if not self.encoder.built:
            self.encoder.build(inputs_shape["picture"])
        if not self.decoder.built:
            memory_shape = self.encoder.compute_output_shape(inputs_shape["picture"])
            self.decoder.build((None, None), memory_shape)
        if self.concept_weight:
            # Few tokens are in the captions of any one picture.
            rare = keras.initializers.Constant(-6.0)
            self.concepts = keras.layers.Dense(
                self.decoder.vocabulary_size, bias_initializer=rare, name="concepts"
            )
            self.concepts.build((None, self.encoder.cells_dim))
        self.built = True

    def call(self, inputs, training=None):
        memory, cells = self.encoder(inputs["picture"], return_cells=True, training=training)
        tokens = inputs["tokens"]
        if training and self.concept_weight:
            scores = strongest(self.concepts(cells))
            self.add_loss(self.concept_weight * concept_loss(tokens, scores))
        _, captions, length = ops.shape(tokens)
        logits = self.decoder(ops.reshape(tokens, (-1, length)), memory, training=training)
        return ops.reshape(logits, (-1, captions, length, logits.shape[-1]))

    def concept_detector(self):
        """The part of the model that learns from concepts, as a model of its own."""
        return ConceptDetector(self.encoder.network, self.concepts)

    def start(self, picture, candidates, max_length):
        memory = self.encoder(picture)
        projected, state = self.decoder.start(memory, candidates, max_length)
        return projected, state, memory.shape[1]

    def step(self, tokens, index, memory, state):
        return self.decoder.step(tokens, index, memory, state)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "concept_weight": self.concept_weight,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})

    def get_build_config(self):
        return {"inputs_shape": self._inputs_shape()}

    def build_from_config(self, config):
        self.build({name: tuple(shape) for name, shape in config["inputs_shape"].items()})

    def _inputs_shape(self):
        return {"picture": self.encoder.picture_shape, "tokens": (None, None, None)}


class ConceptDetector(keras.Model):
    """Which tokens the captions of a picture hold, as single cells tell it.

    Multiple-instance learning (Fang et al., 2015): it teaches the network what each cell holds
    before attention has to find out where to look.

    Args:
        network: From pixels to a map `(B, h, w, C)`.
        concepts: A dense layer from C to the vocabulary.

    Call arguments:
        inputs: a dict of `picture` `(B, size, size, 3)`, pixels 0 to 255.

    Returns:
        A score `(B, V)` of each token, for `concept_loss`.
    """

    def __init__(self, network, concepts):
        super().__init__()
        self.network = network
        self.concepts = concepts

    def call(self, inputs, training=None):
        cells = as_cells(self.network(inputs["picture"], training=training))
        return strongest(self.concepts(cells))


def strongest(scores):
    """The highest score of any cell, `(B, S, V)` to `(B, V)`; all cells near it learn from it."""
    return ops.logsumexp(2 * ops.cast(scores, "float32"), axis=1) / 2


def concept_loss(tokens, scores):
    """Binary cross-entropy of the tokens in the captions `(B, K, T)` of a picture, for each."""
    present = ops.one_hot(ops.reshape(tokens, (ops.shape(tokens)[0], -1)), scores.shape[-1])
    present = ops.max(present, axis=1)
    losses = ops.softplus(scores) - present * scores
    return ops.sum(losses) / ops.sum(present)


def as_cells(feature_map):
    """`(B, h, w, C)` to `(B, h * w, C)`."""
    return ops.reshape(feature_map, (-1, math.prod(feature_map.shape[1:3]), feature_map.shape[3]))


@keras.saving.register_keras_serializable(PACKAGE)
class PictureEncoder(keras.layers.Layer):
    """Pictures, or their features, to a memory of one vector for each cell.

    Args:
        dim: D.
        network: A model from pixels 0 to 255 to a map `(B, h, w, C)`; `None` for features.
        pretrained: Whether the network keeps its trained statistics, and no dropout, in training.
        num_layers: Transformer blocks over the cells.
        num_heads: Of these blocks.
        dropout: On the memory, and in the blocks.
        **kwargs: Of `keras.layers.Layer`.

    Returns:
        The memory `(B, h * w, D)`, cells by rows: what each holds, and in the last quarter of D
        where it is.
    """

    def __init__(
        self,
        dim,
        network=None,
        pretrained=False,
        num_layers=0,
        num_heads=8,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = dim
        self.network = network
        self.pretrained = pretrained
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout

    def build(self, picture_shape):
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
            layers.TransformerEncoderBlock(
                self.num_heads, 4 * self.dim, dropout=self.dropout, dtype=policy, name=f"block_{i}"
            )
            for i in range(self.num_layers)
        ]
        for block in self.blocks:
            block.build(memory_shape)
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=policy, name="dropout")
        self.built = True

    @property
    def grid(self):
        """Rows and columns of the cells, `(h, w)`; features do not tell theirs."""
        return tuple(self.network.compute_output_shape(self.picture_shape)[1:3])

    @property
    def cells_dim(self):
        """Size of a cell before its projection."""
        return self._cells_shape(self.picture_shape)[-1]

    def _cells_shape(self, picture_shape):
        if self.network is None:
            return picture_shape
        _, height, width, channels = self.network.compute_output_shape(picture_shape)
        return (picture_shape[0], height * width, channels)

    def call(self, picture, return_cells=False, training=None):
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

    def compute_output_shape(self, picture_shape):
        return (*self._cells_shape(picture_shape)[:2], self.dim)

    def get_config(self):
        network = self.network and keras.saving.serialize_keras_object(self.network)
        return {
            **super().get_config(),
            "dim": self.dim,
            "network": network,
            "pretrained": self.pretrained,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if config["network"] is not None:
            config["network"] = keras.saving.deserialize_keras_object(config["network"])
        return cls(**config)


def grid_positions(cells, dim):
    """Sinusoids of row and column of the cells of a square, standardized: `(cells, dim)`.

    The learned positions begin here, so that from the first step on nearby cells are alike, and
    distant ones as different as by what they hold.
    """
    side = math.isqrt(cells)
    half = layers.sinusoids(ops.arange(side), (dim + 1) // 2, base=max(side, 2))
    half = (half - ops.mean(half, axis=0)) / ops.maximum(ops.std(half, axis=0), 1e-3)
    rows, columns = ops.repeat(half, side, axis=0), ops.tile(half, (side, 1))
    return ops.concatenate([rows, columns], axis=-1)[:, :dim]


def convolutional_stem(inputs_shape):
    """A small network for small pictures: cells of 12 x 12 pixels, each sees 39 x 39 around it.

    A larger field of view blurs what lies where, and the attention with it.
    """

    def convolution(filters, kernel, strides=1):
        return [
            keras.layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.98),
            keras.layers.Activation("relu"),
        ]

    return keras.Sequential(
        [
            keras.Input(inputs_shape),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            *convolution(32, 5, strides=2),
            keras.layers.MaxPooling2D(2),
            *convolution(64, 3),
            *convolution(64, 3),
            *convolution(64, 3),
            keras.layers.MaxPooling2D(3),
            *convolution(128, 1),
        ],
        name="convolutional_stem",
    )
