"""Encoders of the tokens of a text: from scratch, or a pretrained backbone."""

import keras
from keras import ops

from layers import RecurrentEncoder, TransformerEncoder


@keras.saving.register_keras_serializable("attention_suite")
class TextEncoder(keras.layers.Layer):
    """Tokens to states, from scratch: embeddings, then BiLSTMs or Transformer blocks.

    Args:
        vocabulary_size: V.
        dim: D.
        reader: "bilstm" or "transformer".
        num_layers: BiLSTM layers, or Transformer blocks.
        num_heads: N, of a Transformer.
        mlp_dim: Size of its feed-forward layers.
        attention: Its self-attention mechanism.
        max_length: Its maximum sequence length.
        embedding_dim: Size of the embeddings; `dim` if `None`.
        dropout: Dropout rate.
        shapes: How many `shapes` there are; 0 if tokens keep their case.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        tokens: `(B, S)`, integers.
        mask: boolean `(B, S)`; padding stands at the end.
        segments: `(B, S)`, 0 or 1: in a question, or in its context.
        shapes: `(B, S)`, integers: how each token is written, in capitals or not.

    Returns:
        `(B, S, D)`.
    """

    def __init__(
        self,
        vocabulary_size,
        dim,
        reader="bilstm",
        num_layers=2,
        num_heads=4,
        mlp_dim=256,
        attention="multi_head",
        max_length=512,
        embedding_dim=None,
        dropout=0.0,
        shapes=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.reader = reader
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.attention = attention
        self.max_length = max_length
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.shapes = shapes

    def build(self, tokens_shape=None):
        def table(rows, name):
            # Large enough that words differ from the first step on: between LSTMs attention stays
            # even for many epochs from Keras's +-0.05.
            layer = keras.layers.Embedding(
                rows,
                self.embedding_dim or self.dim,
                embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build((None, None))
            return layer

        self.embedding = table(self.vocabulary_size, "embedding")
        self.segment_embedding = table(2, "segment_embedding")
        self.shape_embedding = table(self.shapes, "shape_embedding") if self.shapes else None
        self.projection = None
        if self.embedding_dim is not None:
            self.projection = keras.layers.Dense(
                self.dim, dtype=self.dtype_policy, name="projection"
            )
            self.projection.build((None, None, self.embedding_dim))
        if self.reader == "bilstm":
            self.encoder = RecurrentEncoder(
                self.dim,
                self.num_layers,
                dropout=self.dropout,
                dtype=self.dtype_policy,
                name="encoder",
            )
        else:
            self.encoder = TransformerEncoder(
                self.num_layers,
                self.num_heads,
                self.mlp_dim,
                attention=self.attention,
                max_length=self.max_length,
                dropout=self.dropout,
                dtype=self.dtype_policy,
                name="encoder",
            )
        self.encoder.build((None, None, self.dim))
        self.built = True

    def call(self, tokens, mask=None, segments=None, shapes=None, training=None):
        x = self.embedding(tokens)
        if self.shape_embedding is not None:
            x = x + self.shape_embedding(shapes)
        if segments is not None:
            x = x + self.segment_embedding(segments)
        if self.projection is not None:
            x = self.projection(x)
        return self.encoder(x, mask=mask, training=training)

    def get_config(self):
        names = (
            *("vocabulary_size", "dim", "reader", "num_layers", "num_heads", "mlp_dim"),
            *("attention", "max_length", "embedding_dim", "dropout", "shapes"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("attention_suite")
class PretrainedEncoder(keras.layers.Layer):
    """Tokens to states by a backbone of KerasHub.

    Args:
        backbone: A `keras_hub.models.Backbone` of the BERT family.
        frozen: Whether its weights stay as they are, and its dropout is off.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments: see `TextEncoder`.

    Returns:
        `(B, S, D)`.
    """

    def __init__(self, backbone, frozen=False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.backbone = backbone
        self.frozen = frozen
        backbone.trainable = not frozen

    @property
    def dim(self):
        """Size of the states, D."""
        return self.backbone.hidden_dim

    @property
    def vocabulary_size(self):
        """Tokens that the backbone knows, V."""
        return self.backbone.vocabulary_size

    def build(self, tokens_shape=None):
        self.built = True

    def call(self, tokens, mask=None, segments=None, shapes=None, training=None):
        inputs = {"token_ids": tokens, "padding_mask": ops.cast(mask, "int32")}
        if "segment_ids" in self.backbone.input:
            inputs["segment_ids"] = ops.zeros_like(tokens) if segments is None else segments
        outputs = self.backbone(inputs, training=False if self.frozen else training)
        return outputs["sequence_output"] if isinstance(outputs, dict) else outputs

    def get_config(self):
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {**super().get_config(), "backbone": backbone, "frozen": self.frozen}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["backbone"] = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**config)
