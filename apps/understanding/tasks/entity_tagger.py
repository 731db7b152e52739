"""Tags of the words in a sentence, by attention and a conditional random field."""

import keras
from keras import ops

from apps.understanding.base import Understanding
from layers import AdditiveAttention, ConditionalRandomField
from pipelines.data.tags import allowed_transitions
from pipelines.training.distributed import replicas


@keras.saving.register_keras_serializable("attention_suite")
class EntityTagger(Understanding):
    """Tags of words: each, in the state of its first token, attends to the whole sentence.

    Args:
        encoder: See `Understanding`.
        tags: Their names in BIO.
        crf: Whether a conditional random field chooses the tags of a sentence together; else each
            is chosen by itself.
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

    @property
    def class_count(self):
        return len(self.tags)

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
        return -replicas.mean(total, ops.sum(real))

    def decode(self, scores, mask):
        """The tags `(B, W)` that score best."""
        return self.field.decode(scores, mask) if self.crf else ops.argmax(scores, axis=-1)

    def get_config(self):
        return {**super().get_config(), "tags": self.tags, "crf": self.crf}
