"""What the networks of all tasks share, and what shows their attention."""

import keras
from keras import ops


class Understanding(keras.Model):
    """The networks of the tasks share their encoder, and what tells text from special tokens.

    A subclass has `build_head(states_shape)`, `call` and `loss_of(labels, outputs)`.

    Args:
        encoder: A `TextEncoder` or `PretrainedEncoder`.
        special: The ids of padding, start and end.
        dropout: Rate of the dropout in the head.
        **kwargs: Of `keras.Model`.
    """

    def __init__(self, encoder, special=(0, 1, 2), dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.special = tuple(special)
        self.dropout = dropout

    def build(self, inputs_shape=None):
        if not self.encoder.built:
            self.encoder.build((None, None))
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="dropout"
        )
        self.build_head((None, None, self.encoder.dim))
        self.built = True

    def encode(self, inputs, training=None):
        """The states `(B, S, D)` of the tokens."""
        tokens = inputs["tokens"]
        others = {name: inputs[name] for name in ("segments", "shapes") if name in inputs}
        return self.encoder(tokens, mask=self.is_token(tokens), training=training, **others)

    def dense(self, units, input_dim, name, activation=None):
        """A built dense layer."""
        layer = keras.layers.Dense(units, activation=activation, dtype=self.dtype_policy, name=name)
        layer.build((None, None, input_dim))
        return layer

    def is_token(self, tokens):
        """`(B, S)`, boolean: what is not padding."""
        return ops.not_equal(tokens, self.special[0])

    @property
    def class_count(self):
        """How many classes the outputs are of; none of answers."""
        return 0

    def is_text(self, tokens):
        """`(B, S)`, boolean: what is no special token."""
        pad, start, end = (ops.not_equal(tokens, id) for id in self.special)
        return ops.logical_and(ops.logical_and(pad, start), end)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.loss_of(y, y_pred)

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "special": self.special,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["encoder"] = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**config)

    def get_build_config(self):
        return {"inputs_shape": None}

    def build_from_config(self, config):
        self.build(**config)


class Looking(keras.Model):
    """The attention weights of a model alone, so that `predict_on_batch` gives them.

    Args:
        model: An `Understanding`.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def call(self, inputs):
        weights = self.model(inputs, return_attention_scores=True, training=False)[1]
        return ops.cast(weights, "float32")
