"""Pretrained word vectors, as fastText, GloVe and word2vec write them in text files."""

import math

import keras
import numpy as np

from pipelines.commands.disk import bounded
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.text.word_tokenizer import SPECIAL_WORDS, plain


def assign(path, tokenizer, embedding):
    """Gives the words of a vocabulary the vectors that a file has for them, and says how many.

    A word is looked up as it is written, then in lower case. Vectors are scaled to the spread that
    the embedding begins with, and words without one keep what they began with, as do those numbers
    of an embedding that are beyond the vectors'.

    Args:
        path: A text file of a word and its numbers a line; a first line of two counts is skipped.
        tokenizer: A `WordTokenizer`.
        embedding: A built `keras.layers.Embedding` `(V, D)`.

    Raises:
        UserError: The file cannot be read, or its vectors are larger than D.
    """
    table = np.array(keras.ops.convert_to_numpy(embedding.embeddings), "float32")
    wanted = {}
    for number, word in enumerate(tokenizer.vocabulary):
        if number >= len(SPECIAL_WORDS):
            for form in {plain(word), plain(word).lower()}:
                wanted.setdefault(form, []).append(number)
    found = {}
    for word, vector in _vectors(path, table.shape[1], wanted):
        for number in wanted[word]:
            # As it is written goes before lower case.
            if number not in found or plain(tokenizer.vocabulary[number]) == word:
                found[number] = vector
    if not found:
        raise UserError(f"{path} has a vector for none of the words of the vocabulary")
    vectors = np.stack(list(found.values()))
    table[list(found), : vectors.shape[1]] = vectors * (table.std() / max(vectors.std(), 1e-6))
    embedding.embeddings.assign(table)
    console.print(f"{len(found):,} of {len(table):,} words begin with a vector of {path}")


def _vectors(path, largest, wanted):
    """Yields the words that are wanted, and their vectors, all of the size of the first."""
    size = None
    for number, line in _lines(path):
        size = size or line.count(" ")
        if not size:
            raise UserError(f"{path}:{number}: a word without numbers")
        if size > largest:
            raise UserError(
                f"{path}:{number}: a vector of {size} numbers, more than the {largest} of the model"
            )
        # From the end: a few words of GloVe have spaces in them.
        word, *numbers = line.rsplit(" ", size)
        if word not in wanted:
            continue
        try:
            with np.errstate(over="ignore"):
                vector = np.array(numbers, "float32")
        except ValueError:
            vector = np.array(np.nan)
        if vector.shape != (size,) or not np.isfinite(vector).all():
            raise UserError(f"{path}:{number}: not a word and its {size} numbers")
        yield word, vector


def _lines(path):
    """Yields the numbered lines of a text, without the counts that may stand in the first."""
    for number, line in text_lines(path):
        if line and (number > 1 or line.count(" ") != 1):
            yield number, line


def text_lines(path):
    """Yields the numbered lines of a file of vectors, however many there are."""
    try:
        for number, line in bounded.lines(path, most=math.inf):
            yield number, line.decode().rstrip()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not in UTF-8") from None
