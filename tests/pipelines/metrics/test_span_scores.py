"""Spans and their scores; the expected numbers are those that seqeval 1.2.2 prints."""

import random

import pytest

from pipelines.metrics import span_scores

# Stray I- tags, types that change within, entities side by side, and a type that is not there.
CASES = [
    ("O B-PER I-PER O B-LOC", "O I-PER I-PER O I-LOC"),
    ("B-ORG B-ORG I-ORG O I-LOC", "B-ORG I-ORG I-ORG O B-LOC"),
    ("I-PER I-PER B-PER O O O", "B-PER I-PER I-PER O B-MISC I-MISC"),
    ("B-LOC I-PER I-PER O", "I-LOC I-PER B-PER O"),
    ("O O", "B-PER O"),
    ("B-PER I-LOC I-LOC B-LOC", "B-PER B-LOC I-LOC I-LOC"),
]
TRUTH = [own.split() for own, _ in CASES]
PREDICTED = [guess.split() for _, guess in CASES]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-PER I-PER O B-LOC", [("PER", 1, 3), ("LOC", 4, 5)]),
        ("B-ORG B-ORG I-ORG O I-LOC", [("ORG", 0, 1), ("ORG", 1, 3), ("LOC", 4, 5)]),
        ("I-PER I-PER B-PER O O O", [("PER", 0, 2), ("PER", 2, 3)]),
        ("B-LOC I-PER I-PER O", [("LOC", 0, 1), ("PER", 1, 3)]),
        ("I-LOC I-PER B-PER O", [("LOC", 0, 1), ("PER", 1, 2), ("PER", 2, 3)]),
        ("B-PER I-LOC I-LOC B-LOC", [("PER", 0, 1), ("LOC", 1, 3), ("LOC", 3, 4)]),
        ("O I-a-b I-a-b", [("a-b", 1, 3)]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans(tags, expected):
    assert span_scores.spans(tags.split()) == expected


def test_tags_that_look_equal_are():
    found = span_scores.score([["B-né", "I-ne\u0301"]], [["B-ne\u0301", "I-ne\u0301"]])
    assert found["span_f1"] == 1


def test_types():
    rows = span_scores.type_scores(TRUTH, PREDICTED)
    found = [(row.name, row.precision, row.recall, row.f1, row.support) for row in rows]
    assert found == [
        ("LOC", 0.75, 0.6, pytest.approx(2 / 3), 5),
        ("MISC", 0, 0, 0, 0),
        ("ORG", 0, 0, 0, 2),
        ("PER", pytest.approx(1 / 3), 0.4, pytest.approx(4 / 11), 5),
    ]


def test_scores():
    assert span_scores.score(TRUTH, PREDICTED) == {
        "span_f1": pytest.approx(0.4166666666666667),
        "span_precision": pytest.approx(0.4166666666666667),
        "span_recall": pytest.approx(0.4166666666666667),
        "macro_f1": pytest.approx(0.2575757575757575),
    }


def test_scores_of_random_tags():
    rng = random.Random(0)
    names = ["O", "O", "B-a", "I-a", "B-b", "I-b"]
    truth = [[rng.choice(names) for _ in range(rng.randrange(1, 9))] for _ in range(200)]
    predicted = [[t if rng.random() < 0.8 else rng.choice(names) for t in row] for row in truth]
    found = span_scores.score(truth, predicted)
    assert found["span_f1"] == pytest.approx(0.8056112224448898)
    assert found["macro_f1"] == pytest.approx(0.8057880630241463)
    rows = span_scores.type_scores(truth, predicted)
    assert [row.f1 for row in rows] == pytest.approx([0.79843444, 0.81314168])


def test_nothing_to_find():
    zeros = dict.fromkeys(["span_f1", "span_precision", "span_recall", "macro_f1"], 0.0)
    assert span_scores.score([["O", "O"], []], [["O", "O"], []]) == zeros
    assert span_scores.score([["O"]], [["B-a"]]) == zeros


def test_other_lengths_are_errors():
    with pytest.raises(ValueError, match="2 tags, but 1 predicted"):
        span_scores.score([["O", "O"]], [["O"]])
    with pytest.raises(ValueError):
        span_scores.score([["O"], ["O"]], [["O"]])
