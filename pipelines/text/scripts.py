"""What a word is in any script: letters and their marks, or a character where no spaces stand."""

import unicodedata

import regex

# Of how texts are cut into words. A vocabulary is used with the one it was made with: runs that
# name none have version 1.
VERSION = 2

# For the inside of a class. Joiners (ZWNJ, ZWJ) choose the shape of the letters beside them.
JOINERS = r"\u200c\u200d"
WORD = rf"\p{{L}}\p{{M}}\p{{N}}_{JOINERS}"
SPACE = r"\s\x1c-\x1f"  # As Python has it.

# Letters of the scripts that put no spaces between words.
UNSPACED = (
    r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tai_Tham}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Viet}\p{Javanese}\p{Balinese}ーｰ]"
    r"&&[\p{L}\p{Nl}]]"
)
CHARACTER = rf"{UNSPACED}\p{{M}}*"

_CHARACTER = regex.compile(CHARACTER, regex.V1)
_PIECE = regex.compile(rf"{CHARACTER}|(?:(?!{UNSPACED})\S)+", regex.V1)
# Soft hyphens and what only sets the direction of writing: they are not seen.
_UNSEEN = regex.compile(r"[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def fold(text: str) -> str:
    """Makes texts equal that differ in case, in how accents are encoded, or in nothing visible.

    Args:
        text: Any.

    Returns:
        The text in lower case and NFC, without soft hyphens and marks of direction. The capital
        dotted I of Turkish becomes an i.
    """
    if text.isascii():
        return text.lower()
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", text)).lower()
    return text.replace("i\u0307", "i")


def separate(text: str) -> str:
    """Puts spaces around each character of the scripts that write none, such as Chinese and Thai.

    Args:
        text: Any.

    Returns:
        The text, of which `split` then gives words, or characters where words are not told apart.
        Combining marks stay with their letter.
    """
    return text if text.isascii() else _CHARACTER.sub(r" \g<0> ", text)


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of `separate` stand in a text: the start of each and the end, in characters.

    Punctuation between two characters is one of them.
    """
    return [match.span() for match in _PIECE.finditer(text)]
