"""Metrics of classifiers as values worked out by hand, and the picture of a confusion matrix."""

import numpy as np
import pytest
from PIL import Image

from pipelines.commands.errors import UserError
from pipelines.maps.confusion_pictures import colours, confusions, draw_confusion
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

    def test_the_table_as_csv(self, tmp_path):
        rows = classification.class_scores(self.MATRIX, ["cat", 'a "dog", wet', "elk"])
        classification.write_class_scores(tmp_path / "classes.csv", rows)
        assert (tmp_path / "classes.csv").read_text().splitlines() == [
            "name,precision,recall,f1,support",
            "cat,0.6,0.75,0.6667,4",
            '"a ""dog"", wet",0.6667,0.5,0.5714,4',
            "elk,0.0,0.0,0.0,0",
        ]

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


class TestPicture:
    def test_right_is_blue_wrong_is_vermilion_and_never_is_white(self):
        found = colours(np.array([[16, 0], [12, 4], [0, 0]])[:2])
        np.testing.assert_allclose(found[0, 0] * 255, (0, 114, 178))
        np.testing.assert_array_equal(found[0, 1], 1)
        share = np.sqrt(12 / 16)
        np.testing.assert_allclose(found[1, 0], 1 - share * (1 - np.array((213, 94, 0)) / 255))
        assert (colours(np.zeros((2, 2), int)) == 1).all()

    def test_the_most_frequent_confusions_come_first(self):
        matrix = np.array([[9, 1, 0], [4, 9, 1], [0, 0, 9]])
        assert confusions(matrix, 2) == [(1, 0, 4), (0, 1, 1)]
        assert confusions(matrix, 9) == [(1, 0, 4), (0, 1, 1), (1, 2, 1)]
        assert confusions(np.eye(3, dtype=int), 9) == []

    @pytest.mark.parametrize("classes", [1, 2, 10, 100, 200])
    def test_any_number_of_classes(self, classes, tmp_path, caplog):
        matrix = np.random.default_rng(0).integers(0, 3, (classes, classes))
        names = [f"$cat_{i}$ 小さな 犬 with a long name"[: 5 + i % 30] for i in range(classes)]
        draw_confusion(tmp_path / "confusion.png", matrix, names, "a $title$")
        with Image.open(tmp_path / "confusion.png") as picture:
            width, height = picture.size
            pixels = np.asarray(picture.convert("RGB"))
        assert 0.9 < width / height < 2
        assert max(width, height) < 3200
        assert (pixels[[0, -1]] == 255).all() and (pixels[:, [0, -1]] == 255).all()
        assert not caplog.records

    def test_cells_have_their_colours_where_they_stand(self, tmp_path):
        draw_confusion(tmp_path / "c.png", np.array([[5, 0], [0, 5]]), ["a", "b"])
        pixels = np.asarray(Image.open(tmp_path / "c.png"))
        blue = (np.abs(pixels.astype(int) - (0, 114, 178)).max(-1) < 3).nonzero()
        middle = [(axis.min() + axis.max()) / 2 for axis in blue]
        upper = blue[1][blue[0] < middle[0] - 5]
        lower = blue[1][blue[0] > middle[0] + 5]
        assert upper.max() < lower.min() + 5
