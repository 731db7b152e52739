"""Attention maps as arrays with named axes: from token weights to one map per word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import replacing

END_WORD = "</s>"  # The end of a sequence, where it stands among words.
# bfloat16 and float16 weights, each rounded on its own, still sum to one within this.
_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """What each word attended to.

    Attributes:
        words: the names along the first axis, one per word.
        weights: float32, `(words, …)`: over all other axes, the weights of a word sum to one, or
            to zero for a word that attended to nothing.
        axes: the name of every axis, as `("word", "row", "column")` for a map over an image.

    Raises:
        ValueError: if names and axes do not fit the shape of the weights.
    """

    words: tuple[str, ...]
    weights: np.ndarray
    axes: tuple[str, ...] = ("word", "row", "column")

    def __post_init__(self):
        object.__setattr__(self, "words", tuple(self.words))
        object.__setattr__(self, "weights", np.asarray(self.weights, "float32"))
        object.__setattr__(self, "axes", tuple(self.axes))
        if self.weights.ndim != len(self.axes) or len(self.weights) != len(self.words):
            raise ValueError(
                "An attention map needs one name per axis and one word per entry of the first. "
                f"Received: weights of shape {self.weights.shape}, {len(self.words)} words, "
                f"axes {self.axes}."
            )

    @property
    def peaks(self) -> np.ndarray:
        """The most attended cell per word, `(words, axes - 1)`: for an image, row and column."""
        flat = self.weights.reshape(len(self.words), int(np.prod(self.weights.shape[1:])))
        return np.stack(np.unravel_index(flat.argmax(-1), self.weights.shape[1:]), axis=-1)

    def arrays(self) -> dict[str, np.ndarray]:
        """What an `.npz` file holds of the map, by name: `weights`, `words` and `axes`."""
        return {
            "weights": self.weights,
            "words": np.array(self.words, dtype=str),
            "axes": np.array(self.axes, dtype=str),
        }


def attention_maps(
    words: Sequence[str],
    weights: np.ndarray,
    token_words: Sequence[int],
    grid: tuple[int, ...],
    axes: Sequence[str] = ("word", "row", "column"),
) -> AttentionMap:
    """Gathers the attention weights of a decoded sequence, token by token, into one map per word.

    The map of a word is the mean over its tokens. A token whose weights are all zero (it had
    nothing to attend to) does not count; a word with only such tokens gets a map of zeros.

    Args:
        words: the words of the sequence.
        weights: `(T, S)`, the attention weights of each token: rows sum to one, or to zero.
        token_words: for each of the `T` tokens, the index of the word it is a part of, or -1 for a
            token of no word (end of sequence, padding), whose weights are left out unchecked.
        grid: the shape of what was attended to, for an image `(rows, columns)`; its product is `S`.
        axes: the names of the axes of the result.

    Returns:
        An `AttentionMap` with weights `(words, *grid)`, summing to one (or zero) per word.

    Raises:
        ValueError: if the shapes do not fit together, a word has no token, or the weights of a
            token are negative, not finite, or do not sum to one.
    """
    weights = np.asarray(weights).astype("float32")
    token_words = np.asarray(token_words, "int64").reshape(-1)
    if weights.shape != (len(token_words), int(np.prod(grid))):
        raise ValueError(
            "Weights must have one row per token and one column per cell of the grid. Received: "
            f"weights of shape {weights.shape}, {len(token_words)} tokens, grid {tuple(grid)}."
        )
    used = np.flatnonzero(token_words >= 0)
    if set(token_words[used].tolist()) != set(range(len(words))):
        raise ValueError(
            f"Every one of the {len(words)} words needs a token. Received: token_words "
            f"{token_words.tolist()}."
        )
    sums = weights.sum(-1)
    right = (weights >= 0).all(-1) & ((np.abs(sums - 1) <= _TOLERANCE) | (sums == 0))
    wrong = [index for index in used if not right[index]]
    if wrong:
        raise ValueError(
            "Attention weights must be at least zero and sum to one (or be all zero). Received: "
            f"a sum of {sums[wrong[0]]:.4g} for token {wrong[0]} of {len(weights)}."
        )
    totals = np.zeros((len(words), weights.shape[1]), "float32")
    np.add.at(totals, token_words[used], weights[used])
    sums = totals.sum(-1, keepdims=True)
    means = np.divide(totals, sums, out=np.zeros_like(totals), where=sums > 0)
    return AttentionMap(words, means.reshape(len(words), *grid), axes)


def save_npz(path: str | Path, maps: Mapping) -> None:
    """Writes maps to one compressed `.npz` file that plain NumPy reads.

    Args:
        path: the file to write.
        maps: name (such as the file name of the image) to map: an `AttentionMap`, or another kind
            whose `arrays()` tells what is to be kept of it. The arrays of the file are called
            `NAME/weights`, `NAME/words`, `NAME/axes` and so on.
    """
    arrays = {
        f"{name}/{key}": array
        for name, each in maps.items()
        for key, array in each.arrays().items()
    }
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def load_npz(path: str | Path) -> dict[str, AttentionMap]:
    """Reads the maps that `save_npz` wrote: name to map, in the order written.

    Of a map of another kind it reads `weights`, `words` and `axes`; one without is left out.
    """
    with np.load(path) as arrays:
        names = [key.removesuffix("/axes") for key in arrays if key.endswith("/axes")]
        return {
            name: AttentionMap(
                arrays[f"{name}/words"].tolist(),
                arrays[f"{name}/weights"],
                arrays[f"{name}/axes"].tolist(),
            )
            for name in names
        }
