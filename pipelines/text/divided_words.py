"""The words of decoded ids, those that are written without spaces in the pieces of their tokens."""

import regex

from pipelines.text import scripts

_UNSPACED = regex.compile(scripts.UNSPACED, regex.V1)


def divided_words(tokenizer, ids, source="", divisible=_UNSPACED):
    """As `tokenizer.words`, but a word that is divisible comes in pieces of whole characters.

    Args:
        tokenizer: A `tokenizer.Tokenizer` or `word_tokenizer.WordTokenizer`.
        ids: `(T,)`, an array.
        source: The source text, needed where ids may stand for words copied from it.
        divisible: What is found in words that are to be divided; by default a letter of a script
            that puts no spaces between words, such as Chinese or Thai.

    Returns:
        The words and pieces, and the positions of the tokens of each in `ids`.
    """
    words, positions = [], []
    for word, tokens in zip(*tokenizer.words(ids, source), strict=True):
        if not divisible.search(word):
            words.append(word)
            positions.append(tokens)
            continue
        piece = []
        for token in tokens:
            piece.append(token)
            text = tokenizer.decode(ids[piece], source)
            if text and "\ufffd" not in text:  # Else the rest of a character is to come.
                words.append(text)
                positions.append(piece)
                piece = []
        if piece:
            words.append(tokenizer.decode(ids[piece], source))
            positions.append(piece)
    return words, positions
