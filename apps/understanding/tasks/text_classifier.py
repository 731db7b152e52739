"""Labels of a text, by attention pooling."""

import keras
from keras import ops

from apps.understanding.base import Understanding
from layers import AttentionPooling
from pipelines.training.distributed import replicas


@keras.saving.register_keras_serializable("attention_suite")
class TextClassifier(Understanding):
    """Labels of a text, by attention pooling over its tokens.

    Args:
        encoder: See `Understanding`.
        classes: Number of labels, K.
        multi_label: Whether each label is there or not, whatever the others.
        label_smoothing: Share of the target distribution spread evenly over all labels.
        **kwargs: See `Understanding`.

    Call arguments:
        inputs: a dict of `tokens` `(B, S)`.
        return_attention_scores: whether to return the weights `(B, S)` of the tokens as well.

    Returns:
        Logits `(B, K)`, in float32.

    Reference:
        [Yang et al., 2016](https://aclanthology.org/N16-1174)
    """

    def __init__(self, encoder, classes, multi_label=False, label_smoothing=0.0, **kwargs):
        super().__init__(encoder, **kwargs)
        self.classes = classes
        self.multi_label = multi_label
        self.label_smoothing = label_smoothing

    @property
    def class_count(self):
        return self.classes

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
        return ops.mean(losses) / replicas.count()

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "multi_label": self.multi_label,
            "label_smoothing": self.label_smoothing,
        }
