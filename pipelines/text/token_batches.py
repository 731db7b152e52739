"""Batches of about as many tokens each, padded to a few lengths."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.data import buckets
from pipelines.data.ragged import Padded, Ragged
from pipelines.text.tokenizer import END, PAD

TARGET_QUANTILES = (0.75,)
AT_ONCE = 1_000  # rows that are encoded together


@dataclass(frozen=True)
class Bucket:
    """Pairs of about one length.

    Attributes:
        sources: `(n, S)` ids, padded; mostly on disk.
        targets: `(n, T + 1)` ids from start to end, padded.
        batch_size: Pairs in a batch.
    """

    sources: np.ndarray | Padded
    targets: np.ndarray | Padded
    batch_size: int


def keep(encoded: Iterable[tuple[Sequence, Sequence]]) -> tuple[Ragged, Ragged]:
    """Brings encoded pairs to the disk.

    Args:
        encoded: Lists of sources and of targets, as `Tokenizer.encode_pairs` returns them, of some
            pairs each.
    """
    kept = Ragged(), Ragged()
    for sides in encoded:
        for side, ids in zip(kept, sides, strict=True):
            side.extend(ids)
    return kept


def make_buckets(sources, targets, tokens_per_batch=None, most=2048):
    """Sorts encoded pairs into buckets by the longer side, and those of one by their targets.

    Else the few long summaries of documents of one length would pad all others.

    Args:
        sources: Lists of ids, or a `Ragged` of such.
        targets: The same, from start to end.
        tokens_per_batch: Of the longer side, padding included; `None` for as many as
            `pipelines.data.buckets.budget` gives an epoch enough steps with.
        most: Of these, where they are not given.
    """
    encoded = [side if isinstance(side, Ragged) else Ragged(side) for side in (sources, targets)]
    sizes = of_sources, of_targets = [side.lengths for side in encoded]
    lengths = np.maximum(of_sources, of_targets - 1)
    chosen = [
        rows[part].astype("int32")
        for rows in buckets.split(lengths)
        for part in buckets.split(of_targets[rows], TARGET_QUANTILES)
    ]
    padded = [
        [
            Padded(side, rows, int(of[rows].max()), PAD)
            for side, of in zip(encoded, sizes, strict=True)
        ]
        for rows in chosen
    ]
    longest = [max(source.shape[1], target.shape[1] - 1) for source, target in padded]
    counts = [len(rows) for rows in chosen]
    if tokens_per_batch is None:
        tokens_per_batch = buckets.budget(int(np.dot(longest, counts)), most)
    return [
        Bucket(*arrays, buckets.batch_size(tokens_per_batch, length, count))
        for arrays, length, count in zip(padded, longest, counts, strict=True)
    ]


def training_batches(pairs, seed, copying=False, unlearnt=None):
    """Draws batches of `({"source", "tokens"}, labels)`.

    Args:
        pairs: The buckets of `make_buckets`.
        seed: Of the order.
        copying: Whether the source stands behind the labels, which `PointerCrossentropy` needs.
        unlearnt: An id that is padding among the labels: a model that is never taught an unknown
            word writes none.

    Returns:
        `Batches`; the labels are the tokens one step later.
    """
    rows_of = buckets.reader([(one.sources, one.targets) for one in pairs])

    def read(bucket, counters, rows):
        source, target = rows_of(bucket, rows)
        labels = target[:, 1:]
        if unlearnt is not None:
            labels = tf.where(labels == unlearnt, PAD, labels)
        if copying:
            labels = tf.concat([labels, source], axis=1)
        tokens = target[:, :-1]
        # What would come after the end has no label, and is not to count for coverage either.
        tokens = tf.where(tokens == END, PAD, tokens)
        return {"source": source, "tokens": tokens}, labels

    return buckets.Batches(
        counts=[len(one.sources) for one in pairs],
        sizes=[one.batch_size for one in pairs],
        seed=seed,
        read=read,
    )
