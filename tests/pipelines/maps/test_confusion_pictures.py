"""The picture of a confusion matrix: its colours and its cells."""

import numpy as np
import pytest
from PIL import Image

from pipelines.maps.confusion_pictures import colours, confusions, draw_confusion


def test_right_is_blue_wrong_is_vermilion_and_never_is_white():
    found = colours(np.array([[16, 0], [12, 4], [0, 0]])[:2])
    np.testing.assert_allclose(found[0, 0] * 255, (0, 114, 178))
    np.testing.assert_array_equal(found[0, 1], 1)
    share = np.sqrt(12 / 16)
    np.testing.assert_allclose(found[1, 0], 1 - share * (1 - np.array((213, 94, 0)) / 255))
    assert (colours(np.zeros((2, 2), int)) == 1).all()


def test_the_most_frequent_confusions_come_first():
    matrix = np.array([[9, 1, 0], [4, 9, 1], [0, 0, 9]])
    assert confusions(matrix, 2) == [(1, 0, 4), (0, 1, 1)]
    assert confusions(matrix, 9) == [(1, 0, 4), (0, 1, 1), (1, 2, 1)]
    assert confusions(np.eye(3, dtype=int), 9) == []


@pytest.mark.parametrize(
    "classes", [1, 2, 10, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 200))]
)
def test_any_number_of_classes(classes, tmp_path, caplog):
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


def test_cells_have_their_colours_where_they_stand(tmp_path):
    draw_confusion(tmp_path / "c.png", np.array([[5, 0], [0, 5]]), ["a", "b"])
    pixels = np.asarray(Image.open(tmp_path / "c.png"))
    blue = (np.abs(pixels.astype(int) - (0, 114, 178)).max(-1) < 3).nonzero()
    middle = [(axis.min() + axis.max()) / 2 for axis in blue]
    upper = blue[1][blue[0] < middle[0] - 5]
    lower = blue[1][blue[0] > middle[0] + 5]
    assert upper.max() < lower.min() + 5
