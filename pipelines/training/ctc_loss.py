"""CTC loss: connectionist temporal classification (Graves et al., 2006)."""

import keras
from keras import ops

from pipelines.text.tokenizer import PAD

IMPOSSIBLE = -1e8  # Less than any log-probability of a real frame.


@keras.saving.register_keras_serializable("attention_suite")
class CtcLoss(keras.losses.Loss):
    """Negative log-likelihood of a transcript over all its alignments, by its length, in float32.

    Takes log-probabilities `(B, S, V + 1)`, of which the last is the blank, as `SpeechToText` gives
    them: frames that are padding are blank with certainty, so that all frames count. Labels `(B,
    L)` are ids, padded with `PAD` at the end. The loss of a batch is the mean of the utterances'
    losses per label: that of one utterance is the same alone and in any batch.

    An utterance with too few frames for its labels, which no alignment fits, counts as zero.
    """

    def __init__(self, name="ctc", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        log_probs = ops.cast(y_pred, "float32")
        lengths = ops.sum(ops.cast(labels != PAD, "int32"), axis=-1)
        repeats = ops.logical_and(labels[:, 1:] == labels[:, :-1], labels[:, 1:] != PAD)
        needed = lengths + ops.sum(ops.cast(repeats, "int32"), axis=-1)
        real = ops.any(log_probs[..., :-1] > IMPOSSIBLE, axis=-1)
        fits = needed <= ops.sum(ops.cast(real, "int32"), axis=-1)
        labels, lengths = ops.where(fits[:, None], labels, PAD), ops.where(fits, lengths, 0)
        losses = _ctc(labels, lengths, log_probs)
        return ops.where(fits, losses, 0.0) / ops.cast(ops.maximum(lengths, 1), "float32")


def _ctc(labels, lengths, log_probs):
    blank = log_probs.shape[-1] - 1
    frames = ops.full((ops.shape(log_probs)[0],), ops.shape(log_probs)[1], dtype="int32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Keras takes TensorFlow's dense form, which is slower on a CPU than the sparse kernel.
        # That one refuses a row without labels.
        rows = tf.RaggedTensor.from_tensor(labels, lengths=tf.maximum(lengths, 1))
        losses = tf.compat.v1.nn.ctc_loss(
            labels=rows.to_sparse(),
            inputs=log_probs,
            sequence_length=frames,
            time_major=False,
        )
        return tf.where(lengths > 0, losses, -tf.reduce_sum(log_probs[..., blank], axis=-1))
    return ops.ctc_loss(labels, log_probs, lengths, frames, mask_index=blank)
