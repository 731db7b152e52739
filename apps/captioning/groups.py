"""The captions of images as tokens, several of one image at a time."""

import random
from dataclasses import dataclass

import numpy as np

from pipelines.data.prepared.rows import PreparedRows
from pipelines.metrics import captions
from pipelines.text.tokenizer import pad


@dataclass(frozen=True)
class Groups:
    """Captions of one image, `captions_per_picture` at a time.

    Attributes:
        pictures: The row of each group's image, `(G,)`.
        lengths: Tokens of its longest caption, `(G,)`.
        tokens: `(G, K, T)`, an array or `StoredTokens`.
    """

    pictures: np.ndarray
    lengths: np.ndarray
    tokens: np.ndarray


class StoredTokens:
    """Tokens of groups of captions that are read when they are asked for.

    Args:
        captions: The tokens of each caption, by its number.
        members: The numbers of the captions of each group, `(G, K)`; -1 for none.
        length: T.
    """

    dtype, ndim = np.dtype("int32"), 3

    def __init__(self, captions, members, length):
        self._captions, self._members, self._length = captions, members, length

    @property
    def shape(self):
        return (*self._members.shape, self._length)

    def __getitem__(self, places):
        """Tokens `(g, K, T)` of some groups; with slices for K and T, some groups to read later."""
        if isinstance(places, tuple):
            rows, every, most = places
            length = len(range(*most.indices(self._length)))
            return StoredTokens(self._captions, self._members[rows, every], length)
        chosen = self._members[places]
        return np.stack(
            [
                pad(
                    [self._captions[number] if number >= 0 else [] for number in group],
                    self._length,
                )
                for group in chosen
            ]
        )


def group_captions(split, tokenizer, config) -> Groups:
    """All captions of a split as tokens, those of an image in random groups."""
    stored = isinstance(split.rows, PreparedRows)
    if stored:
        found, lengths = split.rows.array("tokens"), split.rows.column("tokens")
        of_rows = (np.flatnonzero(lengths[a:b]) + a for a, b in split.rows.bounds)
    else:
        found = [tokenizer.encode(texts([row], config)) for row in split.rows]
        ends = np.cumsum([len(ids) for ids in found])
        of_rows = [range(end - len(ids), end) for ids, end in zip(found, ends, strict=True)]
        found = [caption for ids in found for caption in ids]
        lengths = np.array(list(map(len, found)), "int32")
    size, pictures, members = config.captions_per_picture, [], []
    for i, numbers in enumerate(of_rows):
        numbers = list(numbers)
        random.Random(f"{config.seed}{i}").shuffle(numbers)
        for start in range(0, len(numbers), size):
            part = numbers[start : start + size]
            members.append(part + [-1] * (size - len(part)))
            pictures.append(i)
    members = np.array(members, "int32")
    longest = np.where(members < 0, 0, lengths[members]).max(axis=1)
    longest = np.minimum(longest, config.max_tokens).astype("int32")
    tokens = StoredTokens(found, members, int(longest.max()))
    return Groups(np.array(pictures, "int32"), longest, tokens if stored else tokens[:])


def texts(rows, config):
    """The captions of rows as they are trained on."""
    found = [text for row in rows for text in row["captions"]]
    return [captions.normalize(text) for text in found] if config.normalize_captions else found
