"""Cross-entropy loss of the next token, with label smoothing."""

import keras
from keras import ops

from pipelines.text.tokenizer import PAD
from pipelines.training.distributed import replicas


@keras.saving.register_keras_serializable("attention_suite")
class TokenCrossentropy(keras.losses.Loss):
    """Label-smoothed cross-entropy of the next token, in float32, averaged over real tokens.

    Padding does not count: the loss of a batch is that of its sequences, whatever they are padded
    to.

    Args:
        label_smoothing: Share of the target that is spread over the vocabulary evenly.
    """

    def __init__(self, label_smoothing=0.0, name="token_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        targets = ops.cast(y_true, "int32")
        log_z = ops.logsumexp(logits, axis=-1)
        target = ops.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        smooth = self.label_smoothing
        losses = log_z - (1 - smooth) * target - smooth * ops.mean(logits, axis=-1)
        real = ops.cast(targets != PAD, "float32")
        return replicas.mean(ops.sum(losses * real), ops.sum(real))

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
