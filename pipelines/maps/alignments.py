"""What each word of a decoded text attended to in its source text, word by word."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import regex

from pipelines.maps import alignment_pages, alignment_pictures
from pipelines.maps.attention_maps import END_WORD, AttentionMap, attention_maps
from pipelines.maps.gallery import Drawable
from pipelines.text import scripts
from pipelines.text.divided_words import divided_words
from pipelines.text.tokenizer import END, PAD

# No white space, but more than a word: Chinese, Thai and their like, and numeric dates.
_DIVISIBLE = regex.compile(rf"{scripts.UNSPACED}|\d[^\w,]{{1,2}}\d+[^\w,]{{1,2}}\d", regex.V1)


@dataclass(frozen=True)
class Labels:
    """What the texts of an alignment are called where it is shown.

    Attributes:
        title: the heading of the page.
        source: what was attended to, such as "document" or "question".
        target: what attends, such as "summary" or "context".
        reference: what stands before the reference.
        coverage: whether to show the attention that source words got in all. That tells something
            where the target says again what is in the source.
    """

    title: str = "Where each word comes from"
    source: str = "source"
    target: str = "text"
    reference: str = "Reference"
    coverage: bool = True


@dataclass(frozen=True, eq=False)
class Alignment(Drawable):
    """A decoded text over its source.

    Attributes:
        map: axes word, source: the attention of each target word, over the source words.
        source_words: the names along the second axis of the map; the last is `END_WORD` where the
            source ends.
        copy: float32, per target word the probability that it was copied from the source, or
            `None` for a model that does not copy.
        reference: what the text should have been, possibly empty.
        text: the decoded text.
        labels: what all of these are called.
    """

    map: AttentionMap
    source_words: tuple[str, ...]
    copy: np.ndarray | None = None
    reference: str = ""
    text: str = ""
    labels: Labels = Labels()

    write_page = staticmethod(alignment_pages.write_html)

    @property
    def weights(self) -> np.ndarray:
        """The weights of the map, `(target words, source words)`."""
        return self.map.weights

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of their axes."""
        return self.map.axes

    @property
    def empty(self) -> bool:
        """Whether the decoded text has no words."""
        return not self.map.words

    @property
    def coverage(self) -> np.ndarray:
        """The attention that each source word got from all target words together."""
        return self.map.weights.sum(0)

    def draw(self, path: str | Path) -> None:
        """Draws the target down the side, the source along the top."""
        alignment_pictures.draw_png(path, self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the map, `source_words` and, if the model copies, `copy`."""
        words = np.array(self.source_words, dtype=str)
        copied = {} if self.copy is None else {"copy": self.copy}
        return {**self.map.arrays(), "source_words": words, **copied}


def align(
    tokenizer,
    source_ids,
    target_ids,
    weights,
    copy=None,
    reference="",
    source="",
    labels=Labels(),
) -> Alignment:
    """Gathers the attention of a decoded sequence from tokens into words.

    A target word's attention is the mean over its tokens; a source word gets the sum of what its
    tokens got. What is written without spaces (Chinese, Thai, 2024-03-07) comes in the pieces that
    its tokens make. The source's end is a word of its own, and a source token of nothing but white
    space counts to the word after it.

    Args:
        tokenizer: a `text.tokenizer.Tokenizer` or `text.word_tokenizer.WordTokenizer`.
        source_ids: `(S,)`, with or without end and padding.
        target_ids: `(T,)`, the decoded ids, as above.
        weights: `(T, S)`: rows of tokens sum to one over what is no padding, or to zero.
        copy: `(T,)`, the probability of copying, if the model copies.
        reference: what the text should have been.
        source: the source text, needed where ids may stand for words copied from it.
        labels: what the texts are called.

    Returns:
        The `Alignment`.

    Raises:
        ValueError: if the shapes do not fit, or weights are negative or do not sum to one.
    """
    source_ids, target_ids = np.asarray(source_ids), np.asarray(target_ids)
    weights = np.asarray(weights).astype("float32")
    if weights.shape != (len(target_ids), len(source_ids)):
        raise ValueError(
            "Weights must have one row per target token and one column per source token. Received: "
            f"weights of shape {weights.shape}, {len(target_ids)} and {len(source_ids)} tokens."
        )
    source_words, columns = _source_words(tokenizer, source_ids, source)
    used = columns >= 0
    sums = weights[:, used] @ np.equal.outer(columns[used], np.arange(len(source_words)))
    words, positions = divided_words(tokenizer, target_ids, source, _DIVISIBLE)
    token_words = np.full(len(target_ids), -1)
    for word, tokens in enumerate(positions):
        token_words[tokens] = word
    if copy is not None:
        copy = np.asarray(copy).astype("float32")
        copy = np.array([copy[tokens].mean() for tokens in positions], "float32")
    grid, axes = (len(source_words),), ("word", "source")
    return Alignment(
        map=attention_maps(words, sums, token_words, grid, axes),
        source_words=tuple(source_words),
        copy=copy,
        reference=reference,
        text=tokenizer.decode(target_ids, source),
        labels=labels,
    )


def _source_words(tokenizer, ids, source):
    """The words, and for each token the index of its word, or -1 for padding."""
    words, positions = divided_words(tokenizer, ids, source, _DIVISIBLE)
    columns = np.full(len(ids), -1)
    for word, tokens in enumerate(positions):
        columns[tokens] = word
    ends = np.flatnonzero(ids == END)
    if len(ends):
        columns[ends[0]] = len(words)
        words = [*words, END_WORD]
    last = len(words) - 1
    stop = ends[0] if len(ends) else len(ids)
    for position in range(stop - 1, -1, -1):
        if columns[position] >= 0:
            last = columns[position]
        elif ids[position] != PAD:
            columns[position] = last
    return words, columns
