"""Words and signs of a text, and the lower-case form by which vectors of words know them."""

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


def find(text):
    """Where words and signs stand: a list of `(start, end)` in characters, white space left out.

    Ideographs stand alone; an emoji, and a sign with its combining marks, is one sign.
    """
    return [match.span() for match in _WORD.finditer(text)]


def form(word):
    """A word in lower case, composed (NFC), with straight apostrophes."""
    return unicodedata.normalize("NFC", word).lower().replace("’", "'")
