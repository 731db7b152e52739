import warnings

import numpy as np
import pytest
from lxml import html
from PIL import Image

from pipelines.maps.text_maps import TextMap

EVIL = '</script><b> & "$title"'


def test_heats_are_the_weights_on_their_scale():
    weights = np.float32([0.5, 0.25, 0.25, 0])
    # The largest weight, but at least four times an even spread, here 1.
    np.testing.assert_array_equal(TextMap("abcd", weights, "good").heats, weights)
    weights = np.float32([0.8, 0.2, *[0] * 8])
    np.testing.assert_allclose(TextMap("abcdefghij", weights, "good").heats[:2], [1, 0.25])
    assert TextMap((), np.zeros(0), "good").heats.size == 0


def test_the_page_shades_escaped_words(tmp_path):
    path = tmp_path / "page.html"
    weights = np.float32([0.8, 0.1, 0.1, *[0] * 9])
    shown = [
        TextMap((EVIL, "film", "!", *"abcdefghi"), weights, EVIL, EVIL),
        TextMap((), np.zeros(0), "bad"),
    ]
    TextMap.write_page(path, shown, scores={"macro_f1": 0.5})
    text = path.read_text("utf-8")
    root = html.fromstring(text)
    assert "<b>" not in text and not root.xpath("//script | //@src | //@href")
    assert root.xpath("//h1")[0].text == "What the classifier attended to"
    first, second = root.xpath("//article")
    assert first.xpath("h2")[0].text_content() == f"{EVIL} (reference: {EVIL})"
    words = first.xpath("p/span")
    assert [word.text for word in words[:3]] == [EVIL, "film", "!"]
    assert [word.get("style") for word in words[:2]] == ["--heat:100%", "--heat:12%"]
    assert [word.get("title") for word in words[:2]] == ["80.0%", "10.0%"]
    assert [word.get("class") for word in words[:2]] == ["hot", None]
    assert not second.xpath("p/span") and second.xpath("h2")[0].text_content() == "bad"


def test_words_stand_on_grounds_as_dark_as_their_attention(tmp_path):
    weights = np.zeros(8, "float32")
    weights[[0, 3]] = [0.75, 0.25]
    TextMap(tuple("mmmmmmmm"), weights, "good").draw(tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (99, 960, 3)

    def cells(heat):
        """How many pixels have the colour of the ground for a heat."""
        color = 255 * (1 - heat * (1 - np.array([0.70, 0.19, 0.17])))
        return (np.abs(pixels - color) <= 1.5).all(-1).sum()

    assert cells(1) > 300 and cells(1 / 3) > 300
    assert cells(1) == pytest.approx(cells(1 / 3), rel=0.35)


def test_a_long_text_is_cut_after_thirty_lines(tmp_path):
    heights = []
    for count in (200, 5000):
        weights = np.full(count, 1 / count, "float32")
        TextMap(("word",) * count, weights, "good").draw(tmp_path / "map.png")
        with Image.open(tmp_path / "map.png") as picture:
            heights.append(picture.height)
    assert heights[0] < heights[1] == pytest.approx(31.6 * 0.32 * 120, abs=1)


def test_any_text_is_drawn_without_a_warning(tmp_path, caplog, capfd):
    words = ("🐕", "العربية", "小さな", "$x_1$", "\\frac", "\x00", "w" * 99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextMap(words, np.full(7, 1 / 7, "float32"), "小", "$").draw(tmp_path / "map.png")
    assert not caplog.records and capfd.readouterr() == ("", "")
