"""What the copies of a model that TensorFlow trains have to compute together."""

import keras
from keras import ops


def count():
    """How many copies of the model are trained, each on its part of the batch.

    On JAX it is always one: an operation sees the whole batch, whatever devices it is spread over.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def mean(total, number):
    """`total / number`, where `number` is counted over the parts of all copies.

    So the losses of all copies, which Keras adds up as they are, make that of the whole batch.

    Args:
        total: The sum of the losses of this part.
        number: How many they are of, perhaps none.
    """
    if count() > 1:
        import tensorflow as tf

        # A model that is traced is no copy, and has no part.
        if context := tf.distribute.get_replica_context():
            number = context.all_reduce(tf.distribute.ReduceOp.SUM, number)
    return total / ops.maximum(number, 1.0)


class ReplicatedAdamW(keras.optimizers.AdamW):
    """AdamW for several copies of a model: clips the gradient of the whole batch.

    Keras clips what each copy finds in its part, and adds up after that. Here the parts come
    together first.

    Args:
        global_clipnorm: Largest global norm of the gradient of the batch.
        **kwargs: Of `keras.optimizers.AdamW`.
    """

    def __init__(self, *args, global_clipnorm, **kwargs):
        # What is clipped is the mean over the copies, which Keras then adds up again.
        super().__init__(*args, global_clipnorm=global_clipnorm / count(), **kwargs)
        self.copies = count()

    def apply(self, grads, trainable_variables=None):
        import tensorflow as tf

        if context := tf.distribute.get_replica_context():
            found = [grad for grad in grads if grad is not None]  # None of what has no part.
            means = iter(context.all_reduce(tf.distribute.ReduceOp.MEAN, found))
            grads = [None if grad is None else next(means) for grad in grads]
        return super().apply(grads, trainable_variables)

    def get_config(self):
        config = super().get_config()
        return {**config, "global_clipnorm": config["global_clipnorm"] * self.copies}
