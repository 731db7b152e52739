"""Batches of about as many tokens each, padded to a few lengths."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.data import buckets
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


def make_buckets(sources, targets, tokens_per_batch=None, most=2048):
    """Sorts encoded pairs into buckets by the longer side, and those of one by their targets.

    Else the few long summaries of documents of one length would pad all others.

    Args:
        sources: Lists of ids.
        targets: Lists of ids from start to end.
        tokens_per_batch: Of the longer side, padding included; `None` for as many as
            `pipelines.data.buckets.budget` gives an epoch enough steps with.
        most: Of these, where they are not given.
    """
    of_targets = np.array([len(target) for target in targets])
    lengths = np.maximum([len(source) for source in sources], of_targets - 1)
    chosen = [
        rows[part]
        for rows in buckets.split(lengths)
        for part in buckets.split(of_targets[rows], TARGET_QUANTILES)
    ]
    padded = [
        (
            pad([sources[row] for row in rows], max(len(sources[row]) for row in rows)),
            pad([targets[row] for row in rows], max(len(targets[row]) for row in rows)),
        )
        for rows in chosen
    ]
    longest = [max(source.shape[1], target.shape[1] - 1) for source, target in padded]
    counts = [len(rows) for rows in chosen]
    if tokens_per_batch is None:
        tokens_per_batch = buckets.budget(int(np.dot(longest, counts)), most)
    sizes = [
        buckets.batch_size(tokens_per_batch, length, count)
        for length, count in zip(longest, counts, strict=True)
    ]
    return [Bucket(*arrays, size) for arrays, size in zip(padded, sizes, strict=True)]


def training_batches(pairs, seed, copying=False, unlearnt=None):
    """Draws batches of `({"source", "tokens"}, labels)`.

    Args:
        pairs: The buckets of `make_buckets`.
        seed: Of the order, see `pipelines.data.buckets.draw`.
        copying: Whether the source stands behind the labels, which `PointerCrossentropy` needs.
        unlearnt: An id that is padding among the labels: a model that is never taught an unknown
            word writes none.

    Returns:
        `Batches`; the labels are the tokens one step later.
    """

    def finalize(source, target):
        labels = target[:, 1:]
        if unlearnt is not None:
            labels = tf.where(labels == unlearnt, PAD, labels)
        if copying:
            labels = tf.concat([labels, source], axis=1)
        tokens = target[:, :-1]
        # What would come after the end has no label, and is not to count for coverage either.
        tokens = tf.where(tokens == END, PAD, tokens)
        return {"source": source, "tokens": tokens}, labels

    return buckets.draw(
        [tf.data.Dataset.from_tensor_slices((one.sources, one.targets)) for one in pairs],
        [one.batch_size for one in pairs],
        seed,
        finalize=finalize,
    )
