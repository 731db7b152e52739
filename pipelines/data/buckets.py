"""The draw of training batches: examples of about one length together, shuffled, without end."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

QUANTILES = (0.99, 0.95, 0.85, 0.7, 0.5, 0.25)
# With half as many steps a recurrent decoder learns where to look epochs after a Transformer does.
STEPS = 300
LEAST = 256


class Batches(NamedTuple):
    """What `fit` draws from.

    Attributes:
        dataset: A `tf.data.Dataset` of batches, without end.
        steps: Batches in an epoch.
        examples: Examples in an epoch.
    """

    dataset: tf.data.Dataset
    steps: int
    examples: int


def draw(
    buckets: Sequence[tf.data.Dataset],
    batch_sizes: Sequence[int],
    seed: int,
    prepare: Callable | None = None,
    finalize: Callable | None = None,
) -> Batches:
    """Draws batches from buckets, each batch from one, in an order that the seed determines.

    A bucket's examples are shuffled anew whenever all have been drawn, and so are the turns that
    the buckets take: in an epoch, each has as many as it has batches.

    Args:
        buckets: For each bucket its examples, a finite dataset.
        batch_sizes: For each bucket the examples in a batch.
        seed: Of the order.
        prepare: Takes the number of a bucket and its shuffled, endless examples; returns the
            dataset that is batched. What it reads is read once an example is drawn.
        finalize: Takes a batch; returns what stands in its place.

    Returns:
        The batches; each has as many examples as its bucket's batch size.
    """
    streams, turns, count = [], [], 0
    for number, (examples, size) in enumerate(zip(buckets, batch_sizes, strict=True)):
        examples_of_bucket = int(examples.cardinality())
        count += examples_of_bucket
        turns += [number] * max(round(examples_of_bucket / size), 1)
        stream = examples.shuffle(examples_of_bucket, seed=seed + number).repeat()
        stream = stream if prepare is None else prepare(number, stream)
        streams.append(stream.batch(size, drop_remainder=True))
    order = tf.data.Dataset.from_tensor_slices(np.array(turns, "int64"))
    order = order.shuffle(len(turns), seed=seed).repeat()
    batches = tf.data.Dataset.choose_from_datasets(streams, order)
    if finalize is not None:
        batches = batches.map(finalize, num_parallel_calls=2)
    return Batches(finish(batches), len(turns), count)


def split(lengths: Sequence[int], quantiles: Sequence[float] = QUANTILES) -> list[np.ndarray]:
    """Splits examples into buckets by the `limits` of their lengths.

    Returns:
        For each bucket the places of its examples, in order; those of the shortest come first.
    """
    buckets = np.searchsorted(limits(lengths, quantiles), lengths)
    return [np.flatnonzero(buckets == bucket) for bucket in range(buckets.max() + 1)]


def limits(lengths: Sequence[int], quantiles: Sequence[float] = QUANTILES) -> list[int]:
    """Lengths to pad to: some quantiles, each at least a tenth below the next, as shapes cost too.

    The highest keep the few longest pairs from padding all that are long.

    Returns:
        Ascending lengths; the last is the largest of all.
    """
    chosen = [int(max(lengths))]
    for quantile in sorted(quantiles, reverse=True):
        limit = int(np.quantile(lengths, quantile, method="lower"))
        if limit <= 0.9 * chosen[0]:
            chosen.insert(0, limit)
    return chosen


def budget(total: int, most: int, steps: int = STEPS, least: int = LEAST) -> int:
    """Tokens or frames in a batch, so that an epoch has enough steps whatever the size of the set.

    Args:
        total: Tokens or frames of all examples, padding included.
        most: In a batch; a large set then has more steps.
        steps: Of an epoch.
        least: In a batch, as smaller ones are slow; a small set then has fewer steps.
    """
    return min(max(total // steps, least), most)


def batch_size(budget: int, length: int, count: int) -> int:
    """Examples of one length in a batch: what the budget allows, but one at least.

    Args:
        budget: Tokens or frames in a batch, padding included.
        length: Of each example.
        count: How many examples there are, and the most in a batch.
    """
    return min(max(budget // length, 1), count)


def padded_length(length: int) -> int:
    """The length to which a batch is padded: two for each doubling, and none below 8."""
    step = max(8, 2 ** (length - 1).bit_length() // 4)
    return -(-length // step) * step


def finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetches, and turns the tuner of tf.data off: the end of every pipeline.

    All sizes here are given, so it has nothing to tune, but its thread sleeps for up to a minute at
    a time, and the end of a `fit` or `predict` waits for it to wake.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)
