"""Question answering: exact match (EM) and F1, equal to those of SQuAD's official script."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """An answer without case, ASCII punctuation, articles and the width of spaces."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(predicted: str, answer: str) -> float:
    """1 if both are the same once normalized, else 0."""
    return float(normalize(predicted) == normalize(answer))


def f1(predicted: str, answer: str) -> float:
    """F1 of the words that both share; without words 1 if neither has any."""
    guessed, own = normalize(predicted).split(), normalize(answer).split()
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
