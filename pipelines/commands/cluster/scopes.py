"""Models of one device beside one that several train."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_device() -> Iterator[None]:
    """Has the models that are built and used inside live on one device of their process.

    So a process can use one by itself, while several train another.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
        if strategy is None:
            yield
            return
        tf.distribute.experimental_set_strategy(None)
        try:
            yield
        finally:
            tf.distribute.experimental_set_strategy(strategy)
        return
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)
