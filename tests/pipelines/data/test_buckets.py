import numpy as np
import tensorflow as tf

from pipelines.data import buckets


def test_the_batches_are_the_same_and_nothing_is_left_to_the_tuner():
    batches = tf.data.Dataset.range(13).batch(5).map(lambda x: 2 * x, num_parallel_calls=2)
    finished = buckets.finish(batches)
    assert finished.element_spec == batches.element_spec
    np.testing.assert_array_equal(
        np.concatenate([batch.numpy() for batch in finished]), np.arange(0, 26, 2)
    )
    # Its thread would hold up the end of every `fit`; `map` keeps the setting.
    for dataset in (finished, finished.map(lambda x: x)):
        assert dataset.options().autotune.enabled is False  # None would leave it on.
