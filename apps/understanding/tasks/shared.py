"""Encoded texts and attention per word, as several tasks need them."""

import numpy as np

from pipelines.text import lower_words, scripts
from pipelines.text.text_batches import Examples


def framed(ids, tokenizer):
    """Ids between the start and the end token, `(S,)`."""
    return np.array([tokenizer.start, *ids, tokenizer.end], "int32")


def shapes(text, spans):
    """How the tokens of a text are written, see `lower_words.shape`."""
    return [lower_words.shape(text[start:end]) for start, end in spans]


def examples(features, padding, tokenizer, of_tokens):
    """`Examples`, with the shapes of their tokens where the tokenizer takes case away.

    Args:
        features: For each feature a list of arrays.
        padding: What each is padded with.
        tokenizer: The `Subwords`.
        of_tokens: The shapes, a list of those of each example, special tokens included.
    """
    if tokenizer.has_shapes:
        arrays = [np.array(each, "int32") for each in of_tokens]
        features, padding = {**features, "shapes": arrays}, {**padding, "shapes": 0}
    return Examples(features, padding)


def word_spans(text):
    """Where the words of a text stand, as white space has them; characters where there is none."""
    return scripts.spans(text)


def per_word(weights, spans, words, mean=False):
    """Weights `(Q, S)` of tokens as those of words, `(Q, W)`: the sum, or the mean over tokens.

    Args:
        weights: Of the tokens.
        spans: The characters of each token.
        words: Those of each word.
        mean: Whether to take the mean, over the tokens that are not white space.
    """
    if not words:
        return np.zeros((len(weights), 0), "float32")
    starts = np.array([start for start, _ in words])
    sums, counts = np.zeros((len(weights), len(words)), "float32"), np.zeros(len(words))
    for token, (start, end) in enumerate(spans):
        # White space counts to the word before it, or to the first.
        word = max(int(np.searchsorted(starts, max(start, end - 1), "right")) - 1, 0)
        if mean and start == end:
            continue
        sums[:, word] += weights[:, token]
        counts[word] += 1
    return sums / np.maximum(counts, 1) if mean else sums
