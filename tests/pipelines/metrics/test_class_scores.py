"""Scores of labels beside scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.preprocessing import MultiLabelBinarizer

from pipelines.metrics import class_scores, classification

NAMES = ["bad", "good", "so-so", "never"]


def labels(seed, count=97):
    return [NAMES[i] for i in np.random.default_rng(seed).integers(0, 3, count)]


def test_one_label_each():
    truth, predicted = labels(0), labels(1)
    rows = class_scores.label_scores(truth, predicted)
    expected = metrics.precision_recall_fscore_support(truth, predicted)
    assert [row.name for row in rows] == sorted(NAMES[:3])
    columns = [[getattr(row, k) for row in rows] for k in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(columns, expected)
    assert class_scores.score(truth, predicted) == {
        "accuracy": pytest.approx(metrics.accuracy_score(truth, predicted)),
        "macro_f1": pytest.approx(metrics.f1_score(truth, predicted, average="macro")),
    }


def test_it_agrees_with_the_scores_of_probabilities():
    truth, predicted = ([NAMES.index(name) for name in labels(seed)] for seed in (0, 1))
    expected = classification.score(np.eye(4)[predicted], np.array(truth))
    found = class_scores.score(labels(0), labels(1))
    assert found["accuracy"] == pytest.approx(expected["top_1"])
    assert found["macro_f1"] == pytest.approx(expected["macro_f1"])


def test_any_number_of_labels():
    rng = np.random.default_rng(2)
    truth, predicted = rng.random((2, 89, 3)) < 0.4
    names = [
        [[NAMES[i] for i in np.flatnonzero(row)] for row in rows] for rows in (truth, predicted)
    ]
    matrix = MultiLabelBinarizer(classes=NAMES[:3])
    truth, predicted = (matrix.fit_transform(rows) for rows in names)
    assert class_scores.score(*names) == {
        "accuracy": pytest.approx(metrics.accuracy_score(truth, predicted)),
        "macro_f1": pytest.approx(metrics.f1_score(truth, predicted, average="macro")),
    }


def test_a_label_that_is_not_known_counts_as_wrong():
    found = class_scores.score(["good", "new", "bad", "good"], ["good", "bad", "bad", "good"])
    assert found == {"accuracy": 0.75, "macro_f1": pytest.approx((1 + 2 / 3 + 0) / 3)}
    assert [row.name for row in class_scores.label_scores(["new"], ["bad"])] == ["bad", "new"]


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="no label to score"):
        class_scores.score([], [])
