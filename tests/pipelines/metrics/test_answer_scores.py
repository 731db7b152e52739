"""Scores of answers beside the functions of SQuAD's official script, version 2.0."""

import collections
import random
import re
import string

import pytest

from pipelines.metrics import answer_scores


def official_normalize(s):
    s = "".join(ch for ch in s.lower() if ch not in set(string.punctuation))
    return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", s).split())


def official_f1(a_gold, a_pred):
    gold_toks = official_normalize(a_gold).split() if a_gold else []
    pred_toks = official_normalize(a_pred).split() if a_pred else []
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(pred_toks)
    recall = 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def official_scores(predicted, answers):
    exact, f1 = [], []
    for guess, texts in zip(predicted, answers, strict=True):
        gold = [text for text in texts if official_normalize(text)] or [""]
        exact.append(max(int(official_normalize(a) == official_normalize(guess)) for a in gold))
        f1.append(max(official_f1(a, guess) for a in gold))
    return {"exact_match": sum(exact) / len(exact), "f1": sum(f1) / len(f1)}


def test_equals_the_official_script():
    rng = random.Random(0)
    words = [
        "The",
        "a",
        "an",
        "cat",
        "Cat's",
        "U.S.",
        "theatre",
        "\u00a0",
        "–",
        "“x”",
        "19-20",
        ",",
    ]

    def text():
        return rng.choice([" ", "  ", "\t"]).join(rng.choices(words, k=rng.randrange(5)))

    predicted = [text() for _ in range(1500)]
    answers = [[text() for _ in range(rng.randrange(4))] for _ in predicted]
    found = answer_scores.score(predicted, answers)
    assert found == pytest.approx(official_scores(predicted, answers))
    for guess, texts in zip(predicted, answers, strict=True):
        assert answer_scores.normalize(guess) == official_normalize(guess)
        for own in texts:
            assert answer_scores.f1(guess, own) == pytest.approx(official_f1(own, guess))


@pytest.mark.parametrize(
    ("predicted", "answers", "exact", "f1"),
    [
        ("the Cats!", ["cats"], 1, 1),
        ("the black cat", ["A cat", "black dog"], 0, 2 / 3),
        ("cat cat", ["cat"], 0, 2 / 3),
        ("dog", ["cat"], 0, 0),
        ("", [], 1, 1),
        ("", ["cat"], 0, 0),
        ("cat", [], 0, 0),
        ("theatre", ["atre"], 0, 0),
        ("U.S.", ["us"], 1, 1),
        ("«Москва»", ["москва"], 1, 1),
        ("北京。", ["北京"], 1, 1),
        ("我爱北京", ["我爱上海"], 0, 0.5),
        ("दिल्ली।", ["दिल्ली"], 1, 1),
        ("cafe\u0301", ["Café"], 1, 1),
        ("“cat”", ["cat"], 0, 0),
    ],
)
def test_one_question(predicted, answers, exact, f1):
    found = answer_scores.score([predicted], [answers])
    assert found == {"exact_match": exact, "f1": pytest.approx(f1)}


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="no answer to score"):
        answer_scores.score([], [])
