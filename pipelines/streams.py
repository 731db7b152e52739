"""The end of every `tf.data` pipeline."""

import tensorflow as tf


def finish(batches):
    """Prefetches, and turns the tuner of tf.data off.

    All sizes here are given, so it has nothing to tune, but its thread sleeps for up to a minute at
    a time, and the end of a `fit` or `predict` waits for it to wake.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)
