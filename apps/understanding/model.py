"""The models of the three tasks: an encoder, and a head with attention that one can read."""

import keras
from keras import ops

from apps.understanding.encoders import PretrainedEncoder, TextEncoder
from layers import (
    AdditiveAttention,
    AttentionPooling,
    ConditionalRandomField,
    RecurrentEncoder,
    get,
)
from pipelines.data.tags import allowed_transitions
from pipelines.text.lower_words import SHAPES

IMPOSSIBLE = -1e9


def build(config, subwords, classes):
    """The model that a configuration describes, built.

    Args:
        config: A `Config`.
        subwords: Of `pipelines.text.subwords`.
        classes: Names of the labels, or of the tags in BIO, "O" first; none of answers.
    """
    encoder, special = _encoder(config, subwords), (subwords.pad, subwords.start, subwords.end)
    shared = {"special": special, "dropout": config.dropout}
    if config.task == "sentiment":
        model = TextClassifier(
            encoder,
            len(classes),
            multi_label=config.multi_label,
            label_smoothing=config.label_smoothing,
            **shared,
        )
    elif config.task == "ner":
        model = EntityTagger(encoder, list(classes), crf=config.crf, **shared)
    else:
        model = AnswerFinder(
            encoder,
            attention=config.matching if config.question_attention else None,
            reading_layers=0 if config.backbone else 1,
            **shared,
        )
    model.build()
    return model


def _encoder(config, subwords):
    if config.backbone is not None:
        from pipelines.text.language_backbones import open_backbone

        return PretrainedEncoder(
            open_backbone(config.backbone, config.max_length), frozen=config.freeze
        )
    return TextEncoder(
        subwords.vocabulary_size,
        config.dim,
        reader=config.model,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        mlp_dim=config.mlp_dim,
        attention=config.attention,
        max_length=config.max_length,
        embedding_dim=config.embedding_dim,
        dropout=config.dropout,
        shapes=len(SHAPES) if subwords.has_shapes else 0,
    )


class Understanding(keras.Model):
    """What the three models share: their encoder, and what tells text from special tokens.

    Args:
        encoder: A `TextEncoder` or `PretrainedEncoder`.
        special: The ids of padding, start and end.
        dropout: In the head.
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
        model: Of the three below.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def call(self, inputs):
        weights = self.model(inputs, return_attention_scores=True, training=False)[1]
        return ops.cast(weights, "float32")


@keras.saving.register_keras_serializable("attention_suite")
class TextClassifier(Understanding):
    """Labels of a text, out of one vector that attention makes of its tokens.

    Args:
        encoder: See `Understanding`.
        classes: Number of labels, K.
        multi_label: Whether each label is there or not, whatever the others.
        label_smoothing: Share of the target that is spread over all labels.
        **kwargs: See `Understanding`.

    Call arguments:
        inputs: a dict of `tokens` `(B, S)`.
        return_attention_scores: whether to return the weights `(B, S)` of the tokens as well.

    Returns:
        Logits `(B, K)`, in float32.
    """

    def __init__(self, encoder, classes, multi_label=False, label_smoothing=0.0, **kwargs):
        super().__init__(encoder, **kwargs)
        self.classes = classes
        self.multi_label = multi_label
        self.label_smoothing = label_smoothing

    def build_head(self, states_shape):
        self.pooling = AttentionPooling(
            max(self.encoder.dim // 2, 1), dtype=self.dtype_policy, name="pooling"
        )
        self.pooling.build(states_shape)
        self.logits = self.dense(self.classes, states_shape[-1], "logits")

    def call(self, inputs, return_attention_scores=False, training=None):
        tokens = inputs["tokens"]
        states = self.encode(inputs, training=training)
        vector, weights = self.pooling(
            states, mask=self.is_text(tokens), return_attention_scores=True, training=training
        )
        logits = ops.cast(self.logits(self.dropout_layer(vector, training=training)), "float32")
        return (logits, weights) if return_attention_scores else logits

    def loss_of(self, labels, logits):
        """Cross-entropy; `labels` `(B, K)` are 0 or 1."""
        crossentropy = (
            keras.losses.binary_crossentropy
            if self.multi_label
            else keras.losses.categorical_crossentropy
        )
        losses = crossentropy(
            labels, logits, from_logits=True, label_smoothing=self.label_smoothing
        )
        return ops.mean(losses)

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "multi_label": self.multi_label,
            "label_smoothing": self.label_smoothing,
        }


@keras.saving.register_keras_serializable("attention_suite")
class EntityTagger(Understanding):
    """Tags of words: each word, in the state of its first token, looks at the whole sentence.

    Args:
        encoder: See `Understanding`.
        tags: Their names in BIO.
        crf: Whether the tags of a sentence are chosen together; else each by itself.
        **kwargs: See `Understanding`.

    Call arguments:
        inputs: a dict of `tokens` `(B, S)`, and `words` `(B, W)`, the positions of the first tokens
            of all words, padded with -1.
        return_attention_scores: whether to return the weights `(B, W, S)` as well.

    Returns:
        Scores of the tags `(B, W, K)`, in float32.

    Reference:
        [Lample et al., 2016](https://arxiv.org/abs/1603.01360)
    """

    def __init__(self, encoder, tags, crf=True, **kwargs):
        super().__init__(encoder, **kwargs)
        self.tags = list(tags)
        self.crf = crf

    def build_head(self, states_shape):
        dim = states_shape[-1]
        self.attention = AdditiveAttention(
            max(dim // 2, 1), dtype=self.dtype_policy, name="attention"
        )
        self.attention.build(states_shape, states_shape)
        self.hidden = self.dense(dim, 2 * dim, "hidden", activation="tanh")
        self.scores = self.dense(len(self.tags), dim, "scores")
        if self.crf:
            allowed = allowed_transitions(self.tags)
            self.field = ConditionalRandomField(len(self.tags), *allowed, name="field")
            self.field.build((None, None, len(self.tags)))

    def call(self, inputs, return_attention_scores=False, training=None):
        tokens, words = inputs["tokens"], inputs["words"]
        states = self.encode(inputs, training=training)
        places = ops.maximum(words, 0)[..., None]
        heads = ops.take_along_axis(states, places, axis=1)
        context, weights = self.attention(
            heads,
            states,
            query_mask=ops.greater_equal(words, 0),
            value_mask=self.is_text(tokens),
            return_attention_scores=True,
            training=training,
        )
        hidden = self.hidden(ops.concatenate([heads, context], axis=-1))
        scores = ops.cast(self.scores(self.dropout_layer(hidden, training=training)), "float32")
        return (scores, weights) if return_attention_scores else scores

    def loss_of(self, labels, scores):
        """Negative log-likelihood of the tags `(B, W)`, -1 for padding, per word."""
        mask = ops.greater_equal(labels, 0)
        labels = ops.maximum(labels, 0)
        real = ops.cast(mask, "float32")
        if self.crf:
            total = ops.sum(self.field.log_likelihood(scores, labels, mask))
        else:
            chosen = ops.take_along_axis(ops.log_softmax(scores), labels[..., None], axis=-1)
            total = ops.sum(chosen[..., 0] * real)
        return -total / ops.maximum(ops.sum(real), 1.0)

    def decode(self, scores, mask):
        """The tags `(B, W)` that score best."""
        return self.field.decode(scores, mask) if self.crf else ops.argmax(scores, axis=-1)

    def get_config(self):
        return {**super().get_config(), "tags": self.tags, "crf": self.crf}


def _with_tokens(inputs, tokens):
    """The inputs with other tokens, and without the shapes of those that are gone."""
    changed = {**inputs, "tokens": tokens}
    if "shapes" in inputs:
        kept = ops.equal(tokens, inputs["tokens"])
        changed["shapes"] = ops.where(kept, inputs["shapes"], 0)
    return changed


@keras.saving.register_keras_serializable("attention_suite")
class AnswerFinder(Understanding):
    """Where in a context an answer starts and ends: every token looks at the question's.

    What a token `x` sees of the question, `c`, is compared with it: `[x, c, x * c]`. Without
    attention question and context are read apart, and `c` is the mean of the question's states.

    Args:
        encoder: See `Understanding`.
        attention: A single-head name of `layers.mechanisms()`, or `None`.
        reading_layers: Pairs of LSTMs that read what was compared.
        **kwargs: See `Understanding`.

    Call arguments:
        inputs: a dict of `tokens` `(B, S)`, `[START] question [END] context [END]`; `segments`
            `(B, S)`, 1 for the context and its end; and `question` `(B, Q)`, 1 for each token of
            the question.
        return_attention_scores: whether to return the weights `(B, S, Q)` as well.

    Returns:
        Logits `(B, S, 2)` of start and end, in float32. The start token stands for no answer.

    Reference:
        Comparing after attention: [Seo et al., 2017](https://arxiv.org/abs/1611.01603)
    """

    def __init__(self, encoder, attention="luong_dot", reading_layers=1, **kwargs):
        super().__init__(encoder, **kwargs)
        self.attention = attention
        self.reading_layers = reading_layers

    def build_head(self, states_shape):
        dim = states_shape[-1]
        self.matching = None
        if self.attention is not None:
            self.matching = get(
                self.attention, dim=max(dim // 2, 1), dtype=self.dtype_policy, name="matching"
            )
            self.matching.build(states_shape, states_shape)
        self.comparison = self.dense(dim, 3 * dim, "comparison", activation="gelu")
        self.reader = None
        if self.reading_layers:
            self.reader = RecurrentEncoder(
                dim,
                self.reading_layers,
                dropout=self.dropout,
                dtype=self.dtype_policy,
                name="reader",
            )
            self.reader.build(states_shape)
        self.logits = self.dense(2, dim, "logits")

    def call(self, inputs, return_attention_scores=False, training=None):
        tokens, segments = inputs["tokens"], inputs["segments"]
        question = ops.cast(inputs["question"], "bool")
        mask = self.is_token(tokens)
        if self.matching is None:
            states, seen = self._read_apart(inputs, question, mask, training)
            weights = ops.zeros((*ops.shape(tokens), ops.shape(question)[1]))
        else:
            states = self.encode(inputs, training=training)
            # The question stands behind the start token.
            asked = states[:, 1 : 1 + ops.shape(question)[1]]
            seen, weights = self.matching(
                states,
                asked,
                query_mask=mask,
                value_mask=question,
                return_attention_scores=True,
                training=training,
            )
        x = self.comparison(ops.concatenate([states, seen, states * seen], axis=-1))
        if self.reader is not None:
            x = self.reader(x, mask=mask, training=training)
        logits = ops.cast(self.logits(self.dropout_layer(x, training=training)), "float32")
        in_context = ops.logical_and(segments > 0, self.is_text(tokens))
        at_start = ops.equal(tokens, self.special[1])
        eligible = ops.logical_or(in_context, at_start)
        logits = ops.where(eligible[..., None], logits, IMPOSSIBLE)
        return (logits, weights) if return_attention_scores else logits

    def _read_apart(self, inputs, question, mask, training):
        """States of the context alone, and the mean of those of the question alone."""
        tokens, segments = inputs["tokens"], inputs["segments"]
        pad, start, end = self.special
        alone = ops.where(segments > 0, tokens, ops.where(mask, end, pad))
        alone = ops.where(ops.equal(tokens, start), tokens, alone)
        states = self.encode(_with_tokens(inputs, alone), training)
        asked = _with_tokens(inputs, ops.where(segments > 0, pad, tokens))
        asked["segments"] = ops.zeros_like(segments)
        asked = {name: x[:, : 2 + ops.shape(question)[1]] for name, x in asked.items()}
        asked = self.encode(asked, training)[:, 1 : 1 + ops.shape(question)[1]]
        real = ops.cast(question, asked.dtype)[..., None]
        mean = ops.sum(asked * real, axis=1, keepdims=True)
        mean = mean / ops.maximum(ops.sum(real, axis=1, keepdims=True), 1)
        return states, ops.broadcast_to(mean, ops.shape(states))

    def loss_of(self, labels, logits):
        """Cross-entropy of the positions `(B, 2)` of first and last token."""
        chosen = ops.take_along_axis(ops.log_softmax(logits, axis=1), labels[:, None], axis=1)
        return -ops.mean(chosen)

    def get_config(self):
        return {
            **super().get_config(),
            "attention": self.attention,
            "reading_layers": self.reading_layers,
        }
