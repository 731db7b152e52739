"""Words and signs of a text, the lower-case form by which vectors know them, and its shape."""

import unicodedata

import regex

from pipelines.text import scripts

# What is cut by character, by `scripts.VERSION`: the first left Thai and its kin whole.
_APART = {1: r"[\p{Han}\p{Hiragana}\p{Katakana}]", 2: scripts.UNSPACED}
# "n't" and "'s" are words of their own, as in what GloVe was trained on.
_WORDS = {
    version: regex.compile(
        rf"""(?V1)(?xi)
        {apart}\p{{M}}*
        | n['’]t\b
        | ['’](?:s|m|d|re|ve|ll)\b
        | (?:(?!n['’]t\b)[\w--{apart}])+
        | (?!\s)\X
        """
    )
    for version, apart in _APART.items()
}


SHAPES = ("none", "lower", "Title", "UPPER", "A", "mIxed", "digits", "letters and digits", "signs")


def find(text, version=scripts.VERSION):
    """Where words and signs stand: a list of `(start, end)` in characters, white space left out.

    Where no spaces stand between words (Chinese, Thai) each character stands alone, with its marks.
    An emoji, and a sign with its combining marks, is one sign.

    Args:
        text: Any.
        version: See `scripts.VERSION`; in 1, Thai, Lao, Khmer and Burmese are not cut.
    """
    return [match.span() for match in _WORDS[version].finditer(text)]


def form(word):
    """A word in lower case, composed (NFC), with straight apostrophes."""
    return unicodedata.normalize("NFC", word).lower().replace("’", "'")


def shape(word):
    """What lower case takes away: the index in `SHAPES` of how a word is written; 0 of none."""
    letters, digits = sum(map(str.isalpha, word)), sum(map(str.isdigit, word))
    if not word:
        name = "none"
    elif letters and digits:
        name = "letters and digits"
    elif digits:
        name = "digits"
    elif not letters:
        name = "signs"
    elif word == word.lower():
        name = "lower"
    elif word == word.upper():
        name = "UPPER" if letters > 1 else "A"
    else:
        name = "Title" if word == word[0] + word[1:].lower() else "mIxed"
    return SHAPES.index(name)
