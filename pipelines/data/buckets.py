"""The draw of training batches: examples of about one length together, shuffled, without end."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

QUANTILES = (0.99, 0.95, 0.85, 0.7, 0.5, 0.25)
# With half as many steps a recurrent decoder learns where to look epochs after a Transformer does.
STEPS = 300
LEAST = 256
_ORDER = -1  # In place of a bucket's number, where turns are shuffled.


@dataclass(frozen=True, kw_only=True)
class Batches:
    """Batches that `fit` draws without end; each is a pure function of its step.

    Each is of one bucket. A bucket's examples are shuffled anew whenever all have been drawn, and
    so are the turns that the buckets take: in a cycle, each has as many as it has batches. Nothing
    of that is kept anywhere, so the stream opens at any step at once, and a run that was killed
    goes on with the batch that would have been next.

    Attributes:
        counts: Examples of each bucket.
        sizes: Examples in a batch of each bucket.
        seed: Of the order.
        read: Takes the number of a bucket, `()`, and two vectors `(B,)`, all int64: the running
            numbers of the examples among all that are drawn from this bucket, which is what
            whatever is random about them has to depend on, and their places in the bucket. Returns
            the batch. It is traced once, inside `tf.data`.
        steps: Batches in an epoch; by default a whole cycle.
        examples: Examples in an epoch; by default all.
        parallel: Batches that are read at a time.
    """

    counts: Sequence[int]
    sizes: Sequence[int]
    seed: int
    read: Callable
    steps: int = 0
    examples: int = 0
    parallel: int = 2

    def __post_init__(self):
        object.__setattr__(self, "steps", self.steps or int(self._turns.sum()))
        object.__setattr__(self, "examples", self.examples or int(np.sum(self.counts)))

    @property
    def _turns(self) -> np.ndarray:
        """The batches of each bucket in a cycle."""
        pairs = zip(self.counts, self.sizes, strict=True)
        return np.array([max(round(count / size), 1) for count, size in pairs], "int64")

    def over(self, copies: int) -> "Batches":
        """Returns batches whose sizes are multiples of the number of copies that share them."""
        sizes = [max(size // copies, 1) * copies for size in self.sizes]
        if sizes == list(self.sizes):
            return self
        steps = 0 if self.steps == self._turns.sum() else self.steps
        return dataclasses.replace(self, sizes=sizes, steps=steps)

    def open(self, start: int = 0, part: int = 0, parts: int = 1) -> tf.data.Dataset:
        """Opens the stream.

        Args:
            start: The step that comes first.
            part: Which part of each batch is read.
            parts: How many parts there are; the sizes must be multiples of it.

        Returns:
            A dataset of batches, without end.
        """
        counts, sizes = np.array(self.counts, "int64"), np.array(self.sizes, "int64")
        turns = self._turns
        ends, cycle = np.cumsum(turns), turns.sum()

        def batch(step):
            turn = _shuffled(step % cycle, cycle, self.seed, _ORDER, step // cycle)
            bucket = tf.searchsorted(ends, turn[None], side="right", out_type=tf.int64)[0]
            count, size, own = (tf.gather(each, bucket) for each in (counts, sizes, turns))
            number = step // cycle * own + turn - (tf.gather(ends, bucket) - own)
            first, last = part * size // parts, (part + 1) * size // parts
            counters = number * size + tf.range(first, last)
            passes = counters // count
            rows = _shuffled(counters % count, count, self.seed, bucket, passes)
            size = shared([size // parts for size in self.sizes])
            return self.read(bucket, *(tf.ensure_shape(each, [size]) for each in (counters, rows)))

        steps = tf.data.Dataset.range(start, np.iinfo("int64").max)
        return finish(steps.map(batch, num_parallel_calls=self.parallel, deterministic=True))


def _shuffled(places, count, seed, bucket, passes):
    """Where places among `count` lie after the shuffle of a bucket in each pass over it."""
    # A small set is shuffled by the low bits of its keys, so all bits have to depend on all.
    key = _mixed(_mixed(_mixed(passes) + tf.cast(bucket, tf.uint64)) + tf.cast(seed, tf.uint64))
    keys = tf.concat([tf.bitcast(each, tf.uint32) for each in (key, _mixed(key))], axis=-1)
    # What `tf.random.experimental.index_shuffle` calls with two of these numbers.
    return tf.raw_ops.RandomIndexShuffle(index=places, seed=keys[..., :3], max_index=count - 1)


def _mixed(number):
    """The numbers of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on all."""
    number = tf.cast(number, tf.uint64) + tf.constant(0x9E3779B97F4A7C15, tf.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        number = _folded(number, shift) * tf.constant(factor, tf.uint64)
    return _folded(number, 31)


def _folded(number, shift):
    return tf.bitwise.bitwise_xor(number, number // tf.constant(1 << shift, tf.uint64))


def reader(buckets: Sequence[Sequence[np.ndarray]]) -> Callable:
    """Returns what reads a batch of examples that lie in memory, see `Batches.read`.

    Args:
        buckets: For each bucket its arrays `(n, ...)`, padded to the same length; each bucket has
            as many, of the same types and ranks.

    Returns:
        A function that takes the number of a bucket and places in it, and returns the arrays'
        rows.
    """
    types = [array.dtype for array in buckets[0]]
    shapes = [
        [shared(sizes) for sizes in zip(*(array.shape[1:] for array in each), strict=True)]
        for each in zip(*buckets, strict=True)
    ]

    def gather(bucket, rows):
        return [array[rows] for array in buckets[bucket]]

    def read(bucket, rows):
        found = tf.numpy_function(gather, [bucket, rows], types, stateful=False)
        pairs = zip(found, shapes, strict=True)
        return [tf.ensure_shape(array, [rows.shape[0], *shape]) for array, shape in pairs]

    return read


def shared(sizes: Sequence[int]) -> int | None:
    """Returns the size that all buckets have, if they do: its graph is smaller than for any."""
    return sizes[0] if len(set(sizes)) == 1 else None


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
