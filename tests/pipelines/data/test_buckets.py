from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import buckets


def drawn(count, seed=3, **options):
    """So many epochs of batches from five examples and from three."""
    datasets = [tf.data.Dataset.range(5), tf.data.Dataset.range(10, 13)]
    batches, steps, examples = buckets.draw(datasets, [2, 1], seed, **options)
    assert (steps, examples) == (5, 8)
    taken = [batch.tolist() for batch in batches.take(count * steps).as_numpy_iterator()]
    return [taken[i : i + steps] for i in range(0, len(taken), steps)]


class TestDraw:
    def test_a_seed_gives_the_batches_that_it_always_gave(self):
        tf.random.set_seed(0)
        assert drawn(2) == [[[1, 4], [12], [10], [11], [3, 2]], [[11], [0, 2], [10], [12], [0, 4]]]

    def test_seeds_and_epochs_differ(self):
        assert drawn(2) == drawn(2) != drawn(2, seed=4)
        first, second = drawn(2)
        assert first != second

    def test_a_bucket_has_as_many_turns_as_batches(self):
        for epoch in drawn(9):
            assert Counter(map(len, epoch)) == {2: 2, 1: 3}
            assert sorted(batch for batch in epoch if len(batch) == 1) == [[10], [11], [12]]

    def test_every_example_of_a_bucket_comes_before_one_comes_again(self):
        order = [x for epoch in drawn(10) for batch in epoch if len(batch) == 2 for x in batch]
        for start in range(0, 40, 5):
            assert sorted(order[start : start + 5]) == [0, 1, 2, 3, 4]

    def test_a_bucket_smaller_than_half_a_batch_has_a_turn(self):
        batches, steps, _ = buckets.draw([tf.data.Dataset.range(2)], [5], seed=0)
        (batch,) = batches.take(1).as_numpy_iterator()
        assert steps == 1 and Counter(batch.tolist()).most_common()[0][1] == 3

    def test_examples_are_prepared_after_the_shuffle_and_batches_at_last(self):
        def prepare(bucket, examples):
            return examples.enumerate().map(lambda count, x: 1000 * bucket + 100 * count + x)

        plain, prepared = drawn(1)[0], drawn(1, prepare=prepare)[0]
        counts = [0, 0]
        for one, other in zip(plain, prepared, strict=True):
            bucket = int(one[0] >= 10)
            for x, y in zip(one, other, strict=True):
                assert y == 1000 * bucket + 100 * counts[bucket] + x
                counts[bucket] += 1
        doubled = drawn(1, finalize=lambda batch: 2 * batch)[0]
        assert doubled == [[2 * x for x in batch] for batch in plain]


class TestLimits:
    def test_quantiles_and_the_largest(self):
        assert buckets.limits(range(1, 102)) == [26, 51, 71, 86, 101]
        assert buckets.limits(range(1, 102), quantiles=(0.5, 0.2)) == [21, 51, 101]

    def test_near_ones_share_a_limit(self):
        assert buckets.limits([10] * 5 + [11] * 5) == [11]
        assert buckets.limits([7]) == [7]
        assert buckets.limits([5] * 19 + [97]) == [5, 97]


def test_each_example_is_in_the_bucket_of_the_next_limit():
    lengths = np.array([97, 5, 4, *[5] * 17, 60])
    assert buckets.limits(lengths) == [5, 60, 97]
    short, middle, long = buckets.split(lengths)
    assert short.tolist() == [*range(1, 20)] and middle.tolist() == [20] and long.tolist() == [0]


@pytest.mark.parametrize(
    ("total", "tokens"),
    [(202_527, 675), (280_171, 933), (722_528, 2048), (4_800, 256), (0, 256)],
)
def test_a_budget_leaves_an_epoch_300_steps_where_it_can(total, tokens):
    assert buckets.budget(total, most=2048) == tokens
    assert buckets.budget(total, most=tokens) == tokens


def test_a_batch_fits_the_budget_and_holds_no_example_twice():
    assert [buckets.batch_size(100, length, 30) for length in (1, 33, 34, 51, 101)] == [
        30,
        3,
        2,
        1,
        1,
    ]


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
