from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import buckets
from pipelines.data.buckets import Batches


def batches_of(counts=(5, 3), sizes=(2, 1), seed=3, **options):
    """Batches that are the number of their bucket, and the numbers and places of their examples."""
    return Batches(
        counts=counts, sizes=sizes, seed=seed, read=lambda *found: tf.tuple(found), **options
    )


def drawn(batches, count, start=0, **part):
    return [
        (int(bucket), counters.tolist(), rows.tolist())
        for bucket, counters, rows in batches.open(start, **part).take(count).as_numpy_iterator()
    ]


class TestBatches:
    def test_an_epoch_has_about_every_example(self):
        assert (batches_of().steps, batches_of().examples) == (5, 8)
        few = batches_of(steps=2, examples=3)
        assert (few.steps, few.examples) == (2, 3)
        assert drawn(few, 11) == drawn(batches_of(), 11)

    def test_a_seed_gives_the_batches_that_it_always_gave(self):
        tf.random.set_seed(0)
        assert drawn(batches_of(), 7) == [
            (1, [0], [0]),
            (1, [1], [1]),
            (1, [2], [2]),
            (0, [0, 1], [0, 2]),
            (0, [2, 3], [1, 4]),
            (0, [4, 5], [3, 2]),
            (1, [4], [1]),
        ]

    def test_every_batch_is_a_function_of_its_step(self):
        whole = drawn(batches_of(), 40)
        for start in (0, 1, 7, 23):
            assert drawn(batches_of(), 40 - start, start) == whole[start:]
        far = 10**12 + 7
        assert drawn(batches_of(), 3, far)[1:] == drawn(batches_of(), 2, far + 1)

    def test_seeds_and_epochs_differ(self):
        first, second = (drawn(batches_of(), 5, start) for start in (0, 5))
        rows = [[found[2] for found in epoch] for epoch in (first, second)]
        assert rows[0] != rows[1]
        assert first != drawn(batches_of(seed=4), 5)
        assert drawn(batches_of(seed=2**32 - 1), 5) == drawn(batches_of(seed=2**32 - 1), 5)

    def test_a_bucket_has_as_many_turns_as_batches(self):
        for epoch in range(9):
            found = drawn(batches_of(), 5, 5 * epoch)
            assert Counter(bucket for bucket, _, _ in found) == {0: 2, 1: 3}
            assert sorted(rows for bucket, _, rows in found if bucket) == [[0], [1], [2]]

    def test_every_example_of_a_bucket_comes_once_in_each_pass(self):
        found = [
            pair
            for bucket, counters, rows in drawn(batches_of(), 50)
            for pair in zip(counters, rows, strict=True)
            if not bucket
        ]
        rows = [row for _, row in sorted(found)]
        assert [counter for counter, _ in sorted(found)] == list(range(40))
        for start in range(0, 40, 5):
            assert sorted(rows[start : start + 5]) == [0, 1, 2, 3, 4]
        assert len({tuple(rows[start : start + 5]) for start in range(0, 40, 5)}) > 4

    def test_parts_are_those_of_the_whole_batch(self):
        batches = batches_of((7, 5), (6, 3))
        whole = drawn(batches, 11, 2)
        parts = [drawn(batches, 11, 2, part=part, parts=3) for part in range(3)]
        for (bucket, counters, rows), *found in zip(whole, *parts, strict=True):
            assert {part[0] for part in found} == {bucket}
            assert [number for part in found for number in part[1]] == counters
            assert [row for part in found for row in part[2]] == rows

    def test_a_bucket_smaller_than_half_a_batch_has_a_turn(self):
        ((_, _, rows),) = drawn(batches_of([2], [5]), 1)
        assert batches_of([2], [5]).steps == 1 and Counter(rows).most_common()[0][1] == 3

    def test_examples_in_memory(self):
        rows_of = buckets.reader([(np.arange(5), np.eye(5)), (np.arange(3) + 10, np.ones((3, 7)))])
        batches = Batches(
            counts=[5, 3], sizes=[2, 1], seed=3, read=lambda bucket, _, rows: rows_of(bucket, rows)
        )
        assert [spec.shape.rank for spec in batches.open().element_spec] == [1, 2]
        found = batches.open().take(20).as_numpy_iterator()
        for (bucket, _, rows), (numbers, matrix) in zip(
            drawn(batches_of(), 20), found, strict=True
        ):
            assert numbers.tolist() == [row + 10 * bucket for row in rows]
            np.testing.assert_array_equal(matrix, np.ones((1, 7)) if bucket else np.eye(5)[rows])


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


def test_sizes_are_multiples_of_the_copies_that_share_a_batch():
    batches = buckets.Batches(counts=[23, 7, 5], sizes=[7, 4, 1], seed=0, read=None)
    over = batches.over(3)
    assert over.sizes == [6, 3, 3] and over.counts == [23, 7, 5]
    assert (batches.steps, over.steps) == (3 + 2 + 5, 4 + 2 + 2)
    assert over.over(3) is over and batches.over(1) is batches
    chosen = buckets.Batches(counts=[23], sizes=[7], seed=0, read=None, steps=11)
    assert chosen.over(2).steps == 11
