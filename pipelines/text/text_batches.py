"""Batches of encoded texts and what belongs to them, padded to a few lengths."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.data import buckets
from pipelines.data.ragged import Padded, Ragged


@dataclass(frozen=True)
class Examples:
    """Encoded examples, by feature.

    Attributes:
        features: For each feature a list of arrays `(n,)`, whose lengths may differ, or a `Ragged`
            of such; "tokens" is the one that batches are made by.
        padding: What each feature is padded with; the type of its numbers is that of the arrays.
    """

    features: Mapping[str, Sequence[np.ndarray]]
    padding: Mapping[str, int]

    def __len__(self):
        return len(self.features["tokens"])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example."""
        return self.sizes("tokens")

    def sizes(self, name: str) -> np.ndarray:
        """The length of a feature of each example, `(len(self),)`."""
        values = self.features[name]
        if isinstance(values, Ragged):
            return values.lengths
        return np.array([len(each) for each in values], "int64")

    def take(self, rows: Sequence[int]) -> "Examples":
        """Some of the examples, in memory."""
        features = {name: [each[row] for row in rows] for name, each in self.features.items()}
        return Examples(features, self.padding)

    def pad(self, rows: Sequence[int], lengths: Mapping[str, int] | None = None) -> dict:
        """Some examples as arrays `(len(rows), longest)`, or of the lengths given."""
        padded = {}
        for name, values in self.features.items():
            rows = np.asarray(rows)
            longest = max((lengths or {}).get(name, 0), *(len(values[row]) for row in rows))
            padded[name] = Padded(values, rows, longest, self.padding[name])[:]
        return padded


def keep(parts: Iterable[Examples]) -> Examples:
    """Brings examples to the disk.

    Args:
        parts: Some examples each; all of the same features.
    """
    kept: Examples | None = None
    for part in parts:
        if kept is None:
            types = {name: values[0].dtype for name, values in part.features.items()}
            features = {name: Ragged(dtype=dtype) for name, dtype in types.items()}
            kept = Examples(features, part.padding)
        for name, values in part.features.items():
            kept.features[name].extend(values)
    return kept


def training_batches(
    examples: Examples, tokens_per_batch: int, seed: int, labels: str = "labels"
) -> buckets.Batches:
    """Sorts examples into buckets by their tokens, and draws batches of `(features, labels)`.

    Args:
        examples: At least one.
        tokens_per_batch: Padding included.
        seed: Of the order.
        labels: Name of the feature that is the target.

    Returns:
        `Batches`.
    """
    parts = [part.astype("int32") for part in buckets.split(examples.lengths)]
    sizes = {name: examples.sizes(name) for name in examples.features}
    padded = [
        [
            Padded(values, part, int(sizes[name][part].max()), examples.padding[name])
            for name, values in examples.features.items()
        ]
        for part in parts
    ]
    rows_of, longest = buckets.reader(padded), [examples.lengths[part].max() for part in parts]

    def read(bucket, counters, rows):
        features = dict(zip(examples.features, rows_of(bucket, rows), strict=True))
        return {k: v for k, v in features.items() if k != labels}, features[labels]

    return buckets.Batches(
        counts=[len(part) for part in parts],
        sizes=[
            buckets.batch_size(tokens_per_batch, int(length), len(part))
            for length, part in zip(longest, parts, strict=True)
        ],
        seed=seed,
        read=read,
    )


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
    sizes = {name: examples.sizes(name) for name in examples.features}
    longest = {name: int(lengths.max(initial=0)) for name, lengths in sizes.items()}
    of_tokens = {name for name in sizes if np.array_equal(sizes[name], tokens)}
    start = 0
    while start < len(order):
        length = min(buckets.padded_length(int(tokens[order[start]])), longest["tokens"])
        size = 2 ** int(np.log2(max(tokens_per_batch // max(length, 1), 1)))
        rows = order[start : start + size]
        filled = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows))])
        # What is not of each token has none for two special ones at least.
        lengths = {
            name: length if name in of_tokens else min(most, length - 2)
            for name, most in longest.items()
        }
        yield rows, examples.pad(filled, lengths)
        start += size
