"""Batches of encoded texts and what belongs to them, padded to a few lengths."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.data import buckets


@dataclass(frozen=True)
class Examples:
    """Encoded examples, by feature.

    Attributes:
        features: For each feature a list of arrays `(n,)`, whose lengths may differ; "tokens" is
            the one that batches are made by.
        padding: What each feature is padded with; the type of its numbers is that of the arrays.
    """

    features: Mapping[str, Sequence[np.ndarray]]
    padding: Mapping[str, int]

    def __len__(self):
        return len(self.features["tokens"])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example."""
        return np.array([len(tokens) for tokens in self.features["tokens"]], "int64")

    def pad(self, rows: Sequence[int], lengths: Mapping[str, int] | None = None) -> dict:
        """Some examples as arrays `(len(rows), longest)`, or of the lengths given."""
        padded = {}
        for name, values in self.features.items():
            chosen = [values[row] for row in rows]
            longest = max((lengths or {}).get(name, 0), *map(len, chosen))
            padded[name] = np.full((len(rows), longest), self.padding[name], values[0].dtype)
            for row, value in zip(padded[name], chosen, strict=True):
                row[: len(value)] = value
        return padded


def training_batches(
    examples: Examples, tokens_per_batch: int, seed: int, labels: str = "labels"
) -> buckets.Batches:
    """Sorts examples into buckets by their tokens, and draws batches of `(features, labels)`.

    Args:
        examples: At least one.
        tokens_per_batch: Padding included.
        seed: Of the order, see `pipelines.data.buckets.draw`.
        labels: Name of the feature that is the target.

    Returns:
        `Batches`.
    """
    padded = [examples.pad(rows) for rows in buckets.split(examples.lengths)]
    sizes = [
        buckets.batch_size(tokens_per_batch, length, count)
        for count, length in (arrays["tokens"].shape for arrays in padded)
    ]

    def finalize(features):
        return {k: v for k, v in features.items() if k != labels}, features[labels]

    datasets = map(tf.data.Dataset.from_tensor_slices, padded)
    return buckets.draw(list(datasets), sizes, seed, finalize=finalize)


def whole_batches(
    examples: Examples, tokens_per_batch: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yields every example once, the longest first, in batches of few shapes.

    A batch has as many examples as fit, a power of two; the last of a size is filled up with
    copies of one example.

    Args:
        examples: What to batch.
        tokens_per_batch: Padding included.

    Yields:
        The rows, and the features, of which those of the rows stand first.
    """
    tokens = examples.lengths  # Counted anew by each look.
    order = np.argsort(-tokens, kind="stable")
    sizes = {name: list(map(len, values)) for name, values in examples.features.items()}
    longest = {name: max(lengths, default=0) for name, lengths in sizes.items()}
    start = 0
    while start < len(order):
        length = min(buckets.padded_length(int(tokens[order[start]])), longest["tokens"])
        size = 2 ** int(np.log2(max(tokens_per_batch // max(length, 1), 1)))
        rows = order[start : start + size]
        filled = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows))])
        # What is not of each token has none for two special ones at least.
        lengths = {
            name: length if sizes[name] == sizes["tokens"] else min(most, length - 2)
            for name, most in longest.items()
        }
        yield rows, examples.pad(filled, lengths)
        start += size
