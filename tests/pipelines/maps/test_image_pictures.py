import warnings

import numpy as np
import pytest
from PIL import Image

from pipelines.maps import colors, image_pictures
from pipelines.maps.attention_maps import AttentionMap


def random_map(words, grid, seed=0):
    rows = np.random.default_rng(seed).random((len(words), *grid)) ** 4
    return AttentionMap(words, rows / rows.sum((1, 2), keepdims=True))


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8")


def test_overlay_is_bilinear_in_the_scaled_weights():
    image = np.zeros((4, 4, 3), "uint8")
    # The largest weight, 1, is light; its cell's centre is between the outer two pixels.
    pixels = image_pictures.overlay(image, np.float32([[1, 0], [0, 0]]))
    heat = np.outer([1, 0.75, 0.25, 0], [1, 0.75, 0.25, 0])
    stops = np.linspace(0, 1, 9)
    for row in range(4):
        for column in range(4):
            part = heat[row, column]
            color = [np.interp(part, stops, channel) for channel in colors.COLORS.T]
            expected = (0.5 + 0.2 * part) * np.array(color)
            np.testing.assert_allclose(pixels[row, column], expected, atol=0.51)


def test_overlay_of_an_even_spread_is_a_quarter_of_the_scale():
    image = np.full((6, 6, 3), 200, "uint8")
    pixels = image_pictures.overlay(image, np.full((3, 3), 1 / 9, "float32"))
    expected = 0.45 * 200 + 0.55 * colors.COLORS[2].astype(float)
    assert np.abs(pixels - expected).max() <= 0.51
    assert colors.scale(np.float32([[0.9, 0.1], [0, 0]])) == 1
    sharp = np.zeros((3, 3), "float32")
    sharp[1, 1] = 0.75
    assert colors.scale(sharp) == 0.75


def test_overlay_of_no_weights_is_grey():
    image = np.full((4, 4, 3), 100, "uint8")
    pixels = image_pictures.overlay(image, np.zeros((2, 2), "float32"))
    np.testing.assert_array_equal(pixels, np.full((4, 4, 3), 136))


def test_png_holds_the_image_and_one_overlay_per_word(tmp_path):
    image = np.full((50, 50, 3), (30, 200, 90), "uint8")
    attention = AttentionMap(["one", "two", "none"], np.zeros((3, 2, 2)))
    attention.weights[0, 0, 0] = attention.weights[1, 1, 1] = 1
    image_pictures.draw_png(tmp_path / "map.png", image, attention, "A title")
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture)
    # Four columns of panels, 184 wide and 10 apart; below the title labels of 28, then panels.
    assert pixels.shape[1] == 4 * 194 + 10
    tops, lefts = [58, 58 + 184 + 10 + 28], [398, 592]
    assert (pixels[tops[0] : tops[0] + 378, 10:388] == image[0, 0]).all()
    panel = np.broadcast_to(image[0, 0], (184, 184, 3)).copy()
    places = [(tops[0], lefts[0]), (tops[0], lefts[1]), (tops[1], lefts[0])]
    for (top, left), weights in zip(places, attention.weights, strict=True):
        expected = image_pictures.overlay(panel, weights)
        shown = pixels[top : top + 184, left : left + 184]
        inside = np.s_[10:80, 10:80], np.s_[104:174, 104:174], np.s_[10:80, 104:174]
        for part in inside:
            np.testing.assert_array_equal(shown[part], expected[part])
    one = pixels[tops[0] : tops[0] + 184, lefts[0] : lefts[0] + 184].astype(int)
    assert one[40, 40].sum() > 2 * one[140, 140].sum()
    # The frame around the top left cell of the first word.
    assert one[92, 40].min() > 180 and one[40, 92].min() > 180
    assert one[92, 140].max() < 180


@pytest.mark.parametrize("count", [0, 1, 2, 5, 7, 12, 40])
def test_png_of_any_number_of_words(tmp_path, count, caplog):
    words = ["Donaudampfschifffahrtsgesellschaft", "小さな犬", "$5$ ^_", "", "कुत्ता", "\n"] * 7
    attention = random_map(words[:count], (3, 5), seed=count)
    image = random_image(20, 33)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image_pictures.draw_png(tmp_path / "map.png", image, attention, "小さな " * 90)
    assert not caplog.records
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture)
    columns = round((pixels.shape[1] - 10) / 194)
    assert pixels.shape[1] == 194 * columns + 10
    assert columns <= 9
    panel = round(184 * 20 / 33)
    rows = max(2, -(-(count + 4) // columns))
    assert rows * (panel + 38) < pixels.shape[0] < rows * (panel + 38) + 160
    assert (pixels[-1] == 255).all()


def test_png_of_extreme_shapes(tmp_path):
    for shape in ((1, 1), (400, 20), (10, 900)):
        attention = random_map(["dog"], (2, 2))
        image_pictures.draw_png(tmp_path / "map.png", random_image(*shape), attention)
        with Image.open(tmp_path / "map.png") as picture:
            assert picture.width == 3 * 194 + 10
            assert 300 < picture.height < 800


def test_labels_fit_their_panel():
    assert image_pictures._fit("dog") == ("dog", 11)
    label, size = image_pictures._fit("straightforwardly")
    assert label == "straightforwardly" and size < 11
    label, size = image_pictures._fit("Donaudampfschifffahrtsgesellschaft")
    assert label.startswith("Donaudampf") and label.endswith("…") and size == 8
    assert image_pictures._fit(" a\n b ") == ("a b", 11)
