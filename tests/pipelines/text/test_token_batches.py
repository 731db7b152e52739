from collections import Counter

import numpy as np
import pytest

from pipelines.text import token_batches
from pipelines.text.tokenizer import END, START

TOKENS = 97


def make_pairs(count=211, longest=31, seed=0):
    """Pairs of ids, no source twice, many short and few long."""
    rng = np.random.default_rng(seed)
    sources, targets = [], []
    for number in range(count):
        source, target = 1 + (rng.beta(1, 3, 2) * (longest - 1)).astype(int)
        sources.append([3 + number, *rng.integers(3, 11, source - 1).tolist(), END])
        targets.append([START, *rng.integers(3, 11, target).tolist(), END])
    return sources, targets


def make_buckets(*given, **options):
    """The buckets, read whole."""
    return [
        token_batches.Bucket(np.asarray(one.sources), np.asarray(one.targets), one.batch_size)
        for one in token_batches.make_buckets(*given, **options)
    ]


def epochs_of(buckets, count, seed=0, **options):
    drawn = token_batches.training_batches(buckets, seed, **options)
    batches, steps, examples = drawn.open(), drawn.steps, drawn.examples
    assert examples == sum(len(bucket.sources) for bucket in buckets)
    assert steps == sum(map(turns_of, buckets))
    taken = [
        (inputs["source"].numpy(), inputs["tokens"].numpy(), labels.numpy())
        for inputs, labels in batches.take(count * steps)
    ]
    return [taken[i : i + steps] for i in range(0, len(taken), steps)]


def turns_of(bucket):
    return max(round(len(bucket.sources) / bucket.batch_size), 1)


def sources_of(batches):
    return Counter(int(source) for sources, _, _ in batches for source in sources[:, 0])


class TestBuckets:
    def test_every_pair_is_in_one_bucket(self):
        sources, targets = make_pairs()
        buckets = make_buckets(sources, targets, TOKENS)
        found = []
        for bucket in buckets:
            assert bucket.sources.dtype == bucket.targets.dtype == np.int32
            for source, target in zip(bucket.sources, bucket.targets, strict=True):
                found.append((source[source != 0].tolist(), target[target != 0].tolist()))
        assert sorted(found) == sorted(zip(sources, targets, strict=True))

    def test_few_buckets_of_about_one_length_each(self):
        buckets = make_buckets(*make_pairs(), TOKENS)
        assert 3 <= len(buckets) <= 14
        widths = [max(b.sources.shape[1], b.targets.shape[1] - 1) for b in buckets]
        assert widths == sorted(widths)
        for bucket, width in zip(buckets, widths, strict=True):
            sizes = np.maximum((bucket.sources != 0).sum(1), (bucket.targets != 0).sum(1) - 1)
            least = max((other for other in widths if other < width), default=0)
            assert sizes.max() == width and (sizes > least).all()

    def test_a_few_long_targets_do_not_pad_the_others(self):
        sources = [[5] * 30 + [END]] * 20
        targets = [[START, *[6] * length, END] for length in [3, 4] * 8 + [29] * 4]
        short, long = make_buckets(sources, targets, TOKENS)
        assert short.targets.shape == (16, 6) and long.targets.shape == (4, 31)
        assert len(make_buckets(sources, [targets[0]] * 20, TOKENS)) == 1

    def test_no_column_is_padding_alone(self):
        for bucket in make_buckets(*make_pairs(), TOKENS):
            assert bucket.sources.any(0).all() and bucket.targets.any(0).all()

    def test_a_batch_has_at_most_so_many_tokens(self):
        for bucket in make_buckets(*make_pairs(), TOKENS):
            width = max(bucket.sources.shape[1], bucket.targets.shape[1] - 1)
            assert bucket.batch_size * width <= TOKENS
            whole = bucket.batch_size == len(bucket.sources)
            assert whole or (bucket.batch_size + 1) * width > TOKENS

    @pytest.mark.parametrize(("count", "steps"), [(300, 5), (10_007, 156), (40_009, 301)])
    def test_without_a_size_an_epoch_has_about_300_steps(self, count, steps):
        sources, targets = [[5, 6, 7, END]] * count, [[START, 8, 9, 10, END]] * count
        buckets = make_buckets(sources, targets)
        assert sum(map(turns_of, buckets)) == pytest.approx(steps, rel=0.02)

    def test_without_a_size_a_large_set_has_the_largest_batches(self):
        sources, targets = [[5, 6, 7, END]] * 40_009, [[START, 8, 9, 10, END]] * 40_009
        (bucket,) = make_buckets(sources, targets, most=404)
        assert bucket.batch_size == 101

    def test_a_pair_that_is_longer_is_a_batch_of_its_own(self):
        sources, targets = make_pairs(count=13)
        sizes = [b.batch_size for b in make_buckets(sources, targets, 2)]
        assert set(sizes) == {1}

    def test_no_batch_is_larger_than_its_bucket(self):
        (bucket,) = make_buckets([[5, END]] * 3, [[START, 5, END]] * 3, 1_000)
        assert bucket.batch_size == 3


class TestTrainingBatches:
    def test_labels_are_one_step_later(self):
        buckets = make_buckets(*make_pairs(), TOKENS)
        whole = {bucket.targets.shape[1] for bucket in buckets}
        (epoch,) = epochs_of(buckets, 1)
        for _, tokens, labels in epoch:
            assert tokens.shape == labels.shape and tokens.shape[1] + 1 in whole
            assert (tokens[:, 0] == START).all()
            before = labels[:, :-1]
            np.testing.assert_array_equal(tokens[:, 1:], np.where(before == END, 0, before))
            np.testing.assert_array_equal(tokens != 0, labels != 0)
            assert ((labels == END).sum(1) == 1).all()

    def test_copying_puts_the_source_behind_the_labels(self):
        buckets = make_buckets(*make_pairs(), TOKENS)
        plain, copying = (epochs_of(buckets, 1, copying=copying)[0] for copying in (False, True))
        for (source, tokens, labels), (_, _, both) in zip(plain, copying, strict=True):
            assert both.shape[1] == tokens.shape[1] + source.shape[1]
            np.testing.assert_array_equal(both, np.concatenate([labels, source], axis=1))

    def test_pairs_stay_together(self):
        sources, targets = make_pairs()
        wanted = {pair[0][0]: pair for pair in zip(sources, targets, strict=True)}
        (epoch,) = epochs_of(make_buckets(sources, targets, TOKENS), 1)
        for batch in epoch:
            for source, tokens, labels in zip(*batch, strict=True):
                found = (source[source != 0].tolist(), [START, *labels[labels != 0].tolist()])
                assert found == wanted[source[0]]
                assert set(tokens[tokens != 0]) <= set(found[1])

    def test_every_pair_of_a_bucket_has_as_many_turns(self):
        sources, targets = make_pairs()
        buckets = make_buckets(sources, targets, TOKENS)
        taken = [batch for epoch in epochs_of(buckets, 3) for batch in epoch]
        for bucket in buckets:
            own = [b for b in taken if b[0][0, 0] in bucket.sources[:, 0]]
            assert len(own) == 3 * turns_of(bucket)
            turns = sources_of(own)
            assert max(turns.values()) - min(turns[pair] for pair in bucket.sources[:, 0]) <= 1

    def test_an_epoch_is_every_pair_where_batches_come_out_even(self):
        sources = [[3 + i, *[7] * (2 if i < 24 else 12)] for i in range(36)]
        targets = [[START, 5, END]] * 36
        buckets = make_buckets(sources, targets, 26)
        assert [(b.batch_size, turns_of(b)) for b in buckets] == [(8, 3), (2, 6)]
        epochs = epochs_of(buckets, 3)
        assert [sources_of(epoch) for epoch in epochs] == 3 * [Counter(range(3, 39))]
        orders = [[source.shape[1] for source, _, _ in epoch] for epoch in epochs]
        assert len(set(map(tuple, orders))) > 1
        assert all(order != sorted(order) for order in orders)

    def test_few_shapes(self):
        buckets = make_buckets(*make_pairs(), TOKENS)
        taken = [batch for epoch in epochs_of(buckets, 2) for batch in epoch]
        shapes = {(source.shape, tokens.shape) for source, tokens, _ in taken}
        assert len(shapes) == len(buckets)

    def test_the_seed_fixes_the_order(self):
        buckets = make_buckets(*make_pairs(), TOKENS)

        def order(seed):
            (epoch,) = epochs_of(buckets, 1, seed)
            return [source.tolist() for source, _, _ in epoch]

        assert order(1) == order(1) != order(2)


@pytest.mark.parametrize("count", [1, 2])
def test_hardly_any_pairs(count):
    buckets = make_buckets(*make_pairs(count), TOKENS)
    for epoch in epochs_of(buckets, 2):
        assert sum(sources_of(epoch).values()) == count
