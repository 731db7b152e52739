"""Words and signs of a text, the lower-case form by which vectors know them, and its shape."""

import unicodedata

import regex

# "n't" and "'s" are words of their own, as in what GloVe was trained on.
_WORD = regex.compile(
    r"""(?V1)(?xi)
    [\p{Han}\p{Hiragana}\p{Katakana}]\p{M}*
    | n['’]t\b
    | ['’](?:s|m|d|re|ve|ll)\b
    | (?:(?!n['’]t\b)[\w--[\p{Han}\p{Hiragana}\p{Katakana}]])+
    | (?!\s)\X
    """
)


SHAPES = ("none", "lower", "Title", "UPPER", "A", "mIxed", "digits", "letters and digits", "signs")


def find(text):
    """Where words and signs stand: a list of `(start, end)` in characters, white space left out.

    Ideographs stand alone; an emoji, and a sign with its combining marks, is one sign.
    """
    return [match.span() for match in _WORD.finditer(text)]


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
