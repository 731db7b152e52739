"""Batches of about as many tokens each, padded to a few lengths."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.data.buckets import QUANTILES, finish, limits
from pipelines.text.tokenizer import END, PAD, pad

TARGET_QUANTILES = (0.75,)


@dataclass(frozen=True)
class Bucket:
    """Pairs of about one length.

    Attributes:
        sources: `(n, S)` ids, padded.
        targets: `(n, T + 1)` ids from start to end, padded.
        batch_size: Pairs in a batch.
    """

    sources: np.ndarray
    targets: np.ndarray
    batch_size: int

    @property
    def batches(self):
        """Batches in an epoch."""
        return max(round(len(self.sources) / self.batch_size), 1)


def make_buckets(sources, targets, tokens_per_batch):
    """Sorts encoded pairs into buckets by the longer side, and those of one by their targets.

    Else the few long summaries of documents of one length would pad all others.

    Args:
        sources: Lists of ids.
        targets: Lists of ids from start to end.
        tokens_per_batch: Of the longer side, padding included.
    """
    of_targets = np.array([len(target) for target in targets])
    lengths = np.maximum([len(source) for source in sources], of_targets - 1)
    chosen = [
        rows[part]
        for rows in _parts(lengths, QUANTILES)
        for part in _parts(of_targets[rows], TARGET_QUANTILES)
    ]
    buckets = []
    for rows in chosen:
        source_length = max(len(sources[row]) for row in rows)
        target_length = max(len(targets[row]) for row in rows)
        size = tokens_per_batch // max(source_length, target_length - 1)
        buckets.append(
            Bucket(
                pad([sources[row] for row in rows], source_length),
                pad([targets[row] for row in rows], target_length),
                min(max(size, 1), len(rows)),
            )
        )
    return buckets


def _parts(lengths, quantiles):
    """Yields the places of the lengths up to each limit."""
    least = 0
    for limit in limits(lengths, quantiles):
        yield np.flatnonzero((lengths > least) & (lengths <= limit))
        least = limit


def training_batches(buckets, seed, copying=False, unlearnt=None):
    """An endless dataset of `({"source", "tokens"}, labels)`, and its batches in an epoch.

    The order of buckets and the order in them are new in every epoch. Labels are the tokens one
    step later; `copying` puts the source behind them, which `PointerCrossentropy` needs. The id
    `unlearnt` is padding among the labels: a model that is never taught an unknown word writes
    none.
    """

    def example(source, target):
        labels = target[:, 1:]
        if unlearnt is not None:
            labels = tf.where(labels == unlearnt, PAD, labels)
        if copying:
            labels = tf.concat([labels, source], axis=1)
        tokens = target[:, :-1]
        # What would come after the end has no label, and is not to count for coverage either.
        tokens = tf.where(tokens == END, PAD, tokens)
        return {"source": source, "tokens": tokens}, labels

    streams_of_buckets = [
        tf.data.Dataset.from_tensor_slices((bucket.sources, bucket.targets))
        .shuffle(len(bucket.sources), seed=seed + number)
        .repeat()
        .batch(bucket.batch_size, drop_remainder=True)
        for number, bucket in enumerate(buckets)
    ]
    turns = np.repeat(np.arange(len(buckets)), [bucket.batches for bucket in buckets])
    turns = tf.data.Dataset.from_tensor_slices(turns).shuffle(len(turns), seed=seed).repeat()
    batches = tf.data.Dataset.choose_from_datasets(streams_of_buckets, turns)
    steps = sum(bucket.batches for bucket in buckets)
    return finish(batches.map(example, num_parallel_calls=2)), steps
