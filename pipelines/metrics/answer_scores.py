"""Question answering: exact match (EM) and F1, equal to those of SQuAD's official script."""

import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex

from pipelines.text import scripts

_ARTICLE = regex.compile(rf"(?<![{scripts.WORD}])(a|an|the)(?![{scripts.WORD}])")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LATIN = regex.compile(r"[\p{L}&&\p{Latin}]", regex.V1)
_OTHER = regex.compile(r"[\p{L}--\p{Latin}]", regex.V1)


def normalize(text: str) -> str:
    """An answer without case, punctuation, English articles and the width of spaces.

    SQuAD's script drops the punctuation of ASCII alone, and so does this where most letters are
    Latin; in other scripts all punctuation of Unicode goes, as in MLQA's.

    References:
        - [Lewis et al., 2020](https://aclanthology.org/2020.acl-main.653)
    """
    text = scripts.fold(text).translate(_NO_PUNCTUATION)
    if not text.isascii() and len(_OTHER.findall(text)) > len(_LATIN.findall(text)):
        text = "".join(c for c in text if not unicodedata.category(c).startswith("P"))
    return " ".join(_ARTICLE.sub(" ", text).split())


def exact_match(predicted: str, answer: str) -> float:
    """1 if both are the same once normalized, else 0."""
    return float(normalize(predicted) == normalize(answer))


def f1(predicted: str, answer: str) -> float:
    """F1 of the words that both share; without words 1 if neither has any.

    What is written without spaces between words (Chinese, Thai) is compared by character.
    """
    guessed, own = (scripts.separate(normalize(text)).split() for text in (predicted, answer))
    if not guessed or not own:
        return float(guessed == own)
    common = (Counter(guessed) & Counter(own)).total()
    return 2 * common / (len(guessed) + len(own))


def score(predicted: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Scores one answer per question, as the script of SQuAD 2: the best over its true answers.

    Args:
        predicted: A text for each question; empty for none.
        answers: The true texts of each; none, or none that is left once normalized, where there is
            no answer.

    Returns:
        `exact_match` and `f1`, between 0 and 1.

    References:
        - [Rajpurkar et al., 2018](https://arxiv.org/abs/1806.03822)
    """
    if not len(predicted):
        raise ValueError("There is no answer to score.")
    rows = []
    for guess, texts in zip(predicted, answers, strict=True):
        texts = [text for text in texts if normalize(text)] or [""]
        rows.append([max(measure(guess, text) for text in texts) for measure in (exact_match, f1)])
    means = np.mean(rows, axis=0)
    return {"exact_match": float(means[0]), "f1": float(means[1])}
