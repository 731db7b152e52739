"""Cross-entropy loss of a pointer-generator, which may generate a token or copy it."""

import keras
from keras import ops

from pipelines.text.tokenizer import PAD
from pipelines.training.distributed import replicas


@keras.saving.register_keras_serializable("attention_suite")
class PointerCrossentropy(keras.losses.Loss):
    """Cross-entropy of the next token over all ways to write it, See et al. (2017).

    `-log (p_gen P_vocab(y) + (1 - p_gen) sum of a_j where the source has y)`, in float32, averaged
    over real tokens. No sum over the source is scattered into the vocabulary: only the target's
    own probability is needed.

    Args:
        vocabulary_size: V.
        label_smoothing: Share of the target that is spread over the vocabulary evenly.

    Call arguments:
        y_true: `(B, T + S)`, the targets and behind them the source, ids below V + S.
        y_pred: `(B, T, V + S)`, log-probabilities of generating and of copying each.

    References:
        - [See, Liu and Manning, 2017](https://arxiv.org/abs/1704.04368)
    """

    def __init__(self, vocabulary_size, label_smoothing=0.0, name="pointer_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        log_probs = ops.cast(y_pred, "float32")
        length, size = ops.shape(log_probs)[1], self.vocabulary_size
        y_true = ops.cast(y_true, "int32")
        targets, source = y_true[:, :length], y_true[:, length:]
        generated, copied = log_probs[..., :size], log_probs[..., size:]
        known = ops.take_along_axis(generated, ops.minimum(targets, size - 1)[..., None], axis=-1)
        known = ops.where(targets < size, known[..., 0], -1e9)
        copied = ops.where(targets[..., None] == source[:, None], copied, -1e9)
        target = ops.logaddexp(known, ops.logsumexp(copied, axis=-1))
        losses = -target
        if self.label_smoothing:  # The mean of so many costs as much as all else here.
            even = -ops.mean(generated, axis=-1)
            losses = losses + self.label_smoothing * (even - losses)
        real = ops.cast(targets != PAD, "float32")
        return replicas.mean(ops.sum(losses * real), ops.sum(real))

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "label_smoothing": self.label_smoothing,
        }
