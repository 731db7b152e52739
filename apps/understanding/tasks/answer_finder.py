"""Answers as spans of a context, by context-to-question attention."""

import keras
from keras import ops

from apps.understanding.base import Understanding
from layers import RecurrentEncoder, get
from pipelines.training.distributed import replicas

IMPOSSIBLE = -1e9


def _with_tokens(inputs, tokens):
    """The inputs with other tokens, and without the shapes of those that are gone."""
    changed = {**inputs, "tokens": tokens}
    if "shapes" in inputs:
        kept = ops.equal(tokens, inputs["tokens"])
        changed["shapes"] = ops.where(kept, inputs["shapes"], 0)
    return changed


@keras.saving.register_keras_serializable("attention_suite")
class AnswerFinder(Understanding):
    """Where in a context an answer starts and ends, by context-to-question attention.

    A token `x` is compared with what it attended to in the question, `c`: `[x, c, x * c]`. Without
    attention question and context are encoded apart, and `c` is the mean of the question's states.

    Args:
        encoder: See `Understanding`.
        attention: A single-head name of `layers.mechanisms()`, or `None`.
        reading_layers: BiLSTM layers over what was compared.
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
        return -ops.mean(chosen) / replicas.count()

    def get_config(self):
        return {
            **super().get_config(),
            "attention": self.attention,
            "reading_layers": self.reading_layers,
        }
