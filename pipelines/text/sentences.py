"""Text to sentences: by rules, for prose in any script and for the documentation of code."""

import re
from collections.abc import Iterator

import regex

# What ends a sentence with or without white space after it: that of Chinese and Japanese, of Indic
# scripts, Burmese, Khmer, Tibetan and Javanese.
_FULL = "[。｡！？︒︕︖﹒﹖﹗‼⁇⁈⁉।॥။។៕།༎꧉]"
# What may end a sentence, with the quotes and brackets that close after it.
_MARK = regex.compile(
    rf"""
    \n\s*
    | (?<=\s)[.!?](?=\s)                      # tokenized text: a dog . a cat .
    | (?:{_FULL}|．(?!\p{{Nd}}))+ [」』】》〉］”’）»"')]*
    | (?:[[\p{{STerm}}…]--{_FULL}--[．၊]] | (?<=\p{{Greek}}{{2}})[;\u037e])+ ["'”’»)\]`*]* (?=\s)
    """,
    regex.VERBOSE | regex.V1,
)
_NUMBERING = re.compile(r"(?:[-*•–]\s*)?[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})\.")
_INITIALS = regex.compile(r"(?:\p{Lu}\.)*\p{Lu}")
_ABBREVIATIONS = re.compile(
    r"mr|mrs|ms|dr|prof|sen|rep|gov|gen|col|lt|sgt|capt|st|mt|jr|sr|rev|hon|inc|ltd|co|corp|bros"
    r"|vs|cf|viz|al|ca|approx|resp|incl|esp|e\.?g|i\.?e|etc|[ap]\.m|ph\.d",
    re.IGNORECASE,
)
_BEFORE_NUMBERS = re.compile(
    r"nos?|figs?|eqs?|secs?|ch|chap|vols?|pp?|art|v|ver|refs?|tab"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)
# Before one of these, an abbreviation was the last word of its sentence.
_STARTERS = re.compile(
    r"the|this|that|these|those|there|an?|its?|he|she|they|we|you|if|in|on|at|when|while|for|but"
    r"|and|however|see|use|note|by|as|after|to|his|her|their|our",
    re.IGNORECASE,
)


def split(text: str) -> Iterator[str]:
    """Gives the sentences of a text, one after the other.

    A full stop, question or exclamation mark before white space ends a sentence, unless the text
    goes on in lower case or the stop belongs to an abbreviation, an initial or the number of an
    item. Other scripts have marks of their own: some as these (`؟`, `۔`, `።`, and `;` of Greek),
    some without white space after them (`。`, `।`, `။`), and Thai none. A line break ends a
    sentence unless the next line goes on in lower case; an empty line always does. What holds no
    white space, such as `numpy.ndarray` or 3.14, stays whole.

    Args:
        text: of any length; only as much of it is read as sentences are taken.

    Yields:
        Sentences without white space around them, and single spaces between their words.
    """
    start = 0
    for mark in _MARK.finditer(text):
        if _ends(text, start, mark):
            if sentence := " ".join(text[start : mark.end()].split()):
                yield sentence
            start = mark.end()
    if sentence := " ".join(text[start:].split()):
        yield sentence


def _ends(text, start, mark):
    rest = text[mark.end() : mark.end() + 80].lstrip()
    if mark[0].startswith("\n"):
        return mark[0].count("\n") > 1 or not _is_lower(rest[:1])
    if mark[0][0] not in ".!?…" or text[mark.start() - 1 : mark.start()].isspace():
        return True
    if _is_lower(rest[:1]):
        return False
    if mark[0] != ".":
        return True
    if _NUMBERING.fullmatch(text[start : mark.end()].strip()):
        return False
    word = text[max(start, mark.start() - 20) : mark.start()].split()[-1:]
    return not (word and _is_short(word[0].lstrip("([\"'“‘«*`"), re.match(r"\W*(\w*)", rest)[1]))


def _is_lower(letter):
    """Whether a sentence could begin with the capital of a letter; Georgian has none there."""
    return letter != letter.title()


def _is_short(word, following):
    """Whether `word` is an abbreviation or an initial within its sentence."""
    if _BEFORE_NUMBERS.fullmatch(word):
        return following[:1].isdigit()
    known = _ABBREVIATIONS.fullmatch(word) or _INITIALS.fullmatch(word)
    return bool(known) and not _STARTERS.fullmatch(following)
