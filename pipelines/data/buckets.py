"""Batches of examples of about one length, drawn without end, and the end of every pipeline."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


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


def finish(batches):
    """Prefetches, and turns the tuner of tf.data off.

    All sizes here are given, so it has nothing to tune, but its thread sleeps for up to a minute at
    a time, and the end of a `fit` or `predict` waits for it to wake.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)


QUANTILES = (0.99, 0.95, 0.85, 0.7, 0.5, 0.25)


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


def padded_length(length: int) -> int:
    """The length to which a batch is padded: two for each doubling, and none below 8."""
    step = max(8, 2 ** (length - 1).bit_length() // 4)
    return -(-length // step) * step
