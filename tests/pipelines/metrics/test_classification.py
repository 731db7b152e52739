"""Metrics of classifiers as values worked out by hand, and beside scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.preprocessing import MultiLabelBinarizer

from pipelines.commands.errors import UserError
from pipelines.metrics import classification
from pipelines.metrics.classification import ClassScores

SCORES = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.5, 0.4, 0.1],
        [0.4, 0.2, 0.4],
        [0.1, 0.1, 0.8],
    ]
)
LABELS = np.array([0, 1, 2, 2])


class TestTopK:
    @pytest.mark.parametrize(("k", "expected"), [(1, 0.5), (2, 1.0), (3, 1.0), (5, 1.0)])
    def test_share_among_the_likeliest(self, k, expected):
        assert classification.top_k_accuracy(SCORES, LABELS, k) == expected

    def test_one_that_answers_all_alike_is_right_about_the_first_class_only(self):
        even = np.full((4, 4), 0.25)
        found = [classification.top_k_accuracy(even, np.arange(4), k) for k in (1, 2, 4)]
        assert found == [0.25, 0.5, 1.0]

    def test_equals_argmax(self):
        scores = np.random.default_rng(0).integers(0, 4, (500, 7)) / 4
        labels = np.random.default_rng(1).integers(0, 7, 500)
        expected = (scores.argmax(1) == labels).mean()
        assert classification.top_k_accuracy(scores, labels, 1) == expected

    @pytest.mark.parametrize(
        ("scores", "labels", "message"),
        [
            (SCORES, [0, 1, 2], "one label an example"),
            (SCORES[0], [0], "one label an example"),
            (SCORES[:0], [], "some of them"),
            (SCORES, [0, 1, 2, 3], "0 to 2. Received: 0 to 3"),
            (SCORES, [0, 1, 2, -1], "Received: -1 to 2"),
        ],
    )
    def test_what_is_no_score_is_refused(self, scores, labels, message):
        with pytest.raises(ValueError, match=message):
            classification.top_k_accuracy(scores, np.array(labels, "int64"), 1)

    def test_scores_of_a_diverged_model_are_the_users_error(self):
        with pytest.raises(UserError, match="scores are not finite: its training diverged"):
            classification.score(SCORES * np.nan, LABELS)


class TestClasses:
    MATRIX = np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]])

    def test_rows_are_true_and_columns_predicted(self):
        found = classification.confusion_matrix([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 3)
        np.testing.assert_array_equal(found, [[1, 1, 0], [1, 2, 0], [0, 0, 0]])

    def test_scores_of_each_class(self):
        first, second, third = classification.class_scores(self.MATRIX, ["cat", "dog", "elk"])
        assert first == ClassScores("cat", 3 / 5, 3 / 4, 6 / 9, 4)
        assert second == ClassScores("dog", 2 / 3, 2 / 4, 4 / 7, 4)
        assert third == ClassScores("elk", 0, 0, 0, 0)

    @pytest.mark.filterwarnings("error")
    def test_one_class(self):
        found = classification.confusion_matrix([0, 0], [0, 0], 1)
        assert classification.class_scores(found) == [ClassScores("0", 1.0, 1.0, 1.0, 2)]

    @pytest.mark.parametrize("seed", range(5))
    def test_equal_their_definitions_to_the_last_digit(self, seed):
        labels, predicted = np.random.default_rng(seed).integers(0, 7, (2, 60))
        matrix = classification.confusion_matrix(labels, predicted, 9)
        for i, row in enumerate(classification.class_scores(matrix)):
            right = int(((labels == i) & (predicted == i)).sum())
            called, support = int((predicted == i).sum()), int((labels == i).sum())
            assert row == ClassScores(
                name=str(i),
                precision=right / max(called, 1),
                recall=right / max(support, 1),
                f1=2 * right / max(called + support, 1),
                support=support,
            )
            assert {type(row.f1), type(row.precision), type(row.recall)} == {float}

    def test_the_table_as_csv(self, tmp_path):
        rows = classification.class_scores(self.MATRIX, ["cat", 'a "dog", wet', "elk"])
        classification.write_class_scores(tmp_path / "classes.csv", rows)
        assert (tmp_path / "classes.csv").read_text().splitlines() == [
            "name,precision,recall,f1,support",
            "cat,0.6,0.75,0.6667,4",
            '"a ""dog"", wet",0.6667,0.5,0.5714,4',
            "elk,0.0,0.0,0.0,0",
        ]

    def test_a_name_of_several_lines_is_one_cell_on_one_line(self, tmp_path):
        rows = classification.class_scores(self.MATRIX, ["a\tb", "c\nd", "\x1b[1m"])
        classification.write_class_scores(tmp_path / "classes.csv", rows)
        names = [line.split(",")[0] for line in (tmp_path / "classes.csv").read_text().splitlines()]
        assert names == ["name", r"a\tb", r"c\nd", r"\x1b[1m"]

    def test_all_metrics_at_once(self):
        found = classification.score(SCORES, LABELS)
        assert found["top_1"] == 0.5 and found["top_5"] == 1.0
        # F1: class 0 has 1 right of 3 called and 1 there; class 1 none; class 2 1 of 1 and 2.
        assert found["macro_f1"] == pytest.approx((2 / 4 + 0 + 2 / 3) / 3)
        assert set(found) == {"top_1", "top_5", "macro_f1", "calibration_error"}

    def test_a_class_without_examples_is_not_in_the_mean(self):
        scores = np.eye(3)[[0, 1, 1]]
        assert classification.score(scores, np.array([0, 1, 1]))["macro_f1"] == 1.0


class TestCalibration:
    def test_two_bins_by_hand(self):
        confidence = np.array([0.61, 0.65, 0.95])  # Bins 10, 10 and 15 of 15.
        scores = np.stack([confidence, 1 - confidence], axis=1)
        # |(0.61 + 0.65) - 1| and |0.95 - 1|, over three examples.
        found = classification.calibration_error(scores, np.array([0, 1, 0]))
        assert found == pytest.approx((0.26 + 0.05) / 3)

    def test_a_bin_holds_its_upper_edge(self):
        # 0.6 belongs to (0.4, 0.6], 0.61 to (0.6, 0.8]: apart, their gaps do not cancel.
        scores = np.array([[0.6, 0.4], [0.61, 0.39]])
        found = classification.calibration_error(scores, np.array([0, 1]), bins=5)
        assert found == pytest.approx((0.4 + 0.61) / 2)

    def test_confidence_that_holds_and_that_does_not(self):
        scores = np.tile([0.8, 0.2], (1000, 1))
        labels = (np.arange(1000) % 5 == 0).astype(int)  # Four of five are class 0.
        assert classification.calibration_error(scores, labels) == pytest.approx(0, abs=1e-9)
        assert classification.calibration_error(np.eye(2)[labels], labels) == 0
        assert classification.calibration_error(np.eye(2)[1 - labels], labels) == 1

    def test_equals_a_loop_over_bins(self):
        random = np.random.default_rng(0)
        scores = random.dirichlet(np.ones(3), 400).astype("float32")
        labels = random.integers(0, 3, 400)
        confidence, right = scores.max(1), scores.argmax(1) == labels
        expected = 0
        for b in range(15):
            inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
            if inside.any():
                expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        found = classification.calibration_error(scores, labels)
        assert found == pytest.approx(expected, abs=1e-6)


NAMES = ["bad", "good", "so-so", "never"]


def labels(seed, count=97):
    return [NAMES[i] for i in np.random.default_rng(seed).integers(0, 3, count)]


class TestLabels:
    def test_one_label_each(self):
        truth, predicted = labels(0), labels(1)
        rows = classification.label_scores(truth, predicted)
        expected = metrics.precision_recall_fscore_support(truth, predicted)
        assert [row.name for row in rows] == sorted(NAMES[:3])
        columns = [
            [getattr(row, k) for row in rows] for k in ("precision", "recall", "f1", "support")
        ]
        np.testing.assert_allclose(columns, expected)
        assert classification.score_labels(truth, predicted) == {
            "accuracy": pytest.approx(metrics.accuracy_score(truth, predicted)),
            "macro_f1": pytest.approx(metrics.f1_score(truth, predicted, average="macro")),
        }

    def test_it_agrees_with_the_scores_of_probabilities(self):
        truth, predicted = ([NAMES.index(name) for name in labels(seed)] for seed in (0, 1))
        expected = classification.score(np.eye(4)[predicted], np.array(truth))
        found = classification.score_labels(labels(0), labels(1))
        assert found["accuracy"] == pytest.approx(expected["top_1"])
        assert found["macro_f1"] == pytest.approx(expected["macro_f1"])

    def test_any_number_of_labels(self):
        rng = np.random.default_rng(2)
        truth, predicted = rng.random((2, 89, 3)) < 0.4
        names = [
            [[NAMES[i] for i in np.flatnonzero(row)] for row in rows] for rows in (truth, predicted)
        ]
        matrix = MultiLabelBinarizer(classes=NAMES[:3])
        truth, predicted = (matrix.fit_transform(rows) for rows in names)
        assert classification.score_labels(*names) == {
            "accuracy": pytest.approx(metrics.accuracy_score(truth, predicted)),
            "macro_f1": pytest.approx(metrics.f1_score(truth, predicted, average="macro")),
        }

    def test_a_label_that_is_not_known_counts_as_wrong(self):
        found = classification.score_labels(
            ["good", "new", "bad", "good"], ["good", "bad", "bad", "good"]
        )
        assert found == {"accuracy": 0.75, "macro_f1": pytest.approx((1 + 2 / 3 + 0) / 3)}
        assert [row.name for row in classification.label_scores(["new"], ["bad"])] == ["bad", "new"]

    def test_labels_that_look_equal_are(self):
        found = classification.score_labels(["fru\u0301h", ["né"]], ["frúh", ["ne\u0301"]])
        assert found == {"accuracy": 1, "macro_f1": 1}

    def test_nothing_to_score_is_an_error(self):
        with pytest.raises(ValueError, match="no label to score"):
            classification.score_labels([], [])
