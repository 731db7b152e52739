import base64
import json
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pipelines.maps import attention_pages, attention_pictures, colors
from pipelines.maps.attention_maps import AttentionMap, attention_maps, load_npz, save_npz


def random_map(words, grid, seed=0):
    rows = np.random.default_rng(seed).random((len(words), *grid)) ** 4
    return AttentionMap(words, rows / rows.sum((1, 2), keepdims=True))


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8")


def test_tokens_of_a_word_are_averaged():
    weights = [
        [1, 0, 0, 0, 0, 0],
        [0, 0.5, 0, 0, 0, 0.5],
        [0, 0, 0, 0.25, 0.75, 0],
        [9, 9, 9, 9, 9, 9],  # the end of the sequence: unchecked
    ]
    result = attention_maps(["un usual", "dog"], weights, [0, 0, 1, -1], grid=(2, 3))
    assert result.words == ("un usual", "dog")
    assert result.axes == ("word", "row", "column")
    assert result.weights.dtype == "float32"
    expected = [[[0.5, 0.25, 0], [0, 0, 0.25]], [[0, 0, 0], [0.25, 0.75, 0]]]
    np.testing.assert_array_equal(result.weights, np.float32(expected))
    np.testing.assert_array_equal(result.peaks, [[0, 0], [1, 1]])


def test_token_that_attended_to_nothing_does_not_count():
    weights = [[0, 0], [0.25, 0.75], [0, 0]]
    result = attention_maps(["a", "b"], weights, [0, 0, 1], grid=(1, 2))
    np.testing.assert_array_equal(result.weights, np.float32([[[0.25, 0.75]], [[0, 0]]]))


def test_half_precision_rows_are_accepted_and_sum_to_one():
    import ml_dtypes

    scores = np.random.default_rng(0).normal(size=(12, 196))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    for dtype in ("float16", ml_dtypes.bfloat16):
        words = [str(index) for index in range(12)]
        result = attention_maps(words, weights.astype(dtype), np.arange(12), (14, 14))
        np.testing.assert_allclose(result.weights.sum((1, 2)), 1, rtol=1e-6)
        np.testing.assert_allclose(result.weights.reshape(12, 196), weights, rtol=2e-2)


@pytest.mark.parametrize(
    ("weights", "token_words", "grid", "message"),
    [
        ([[0.5, 0.4]], [0], (1, 2), "sum of 0.9 for token 0 of 1"),
        ([[1, 0], [2, -1]], [0, 0], (1, 2), "token 1 of 2"),
        ([[np.nan, 1]], [0], (1, 2), "sum of nan"),
        ([[0.5, 0.5]], [0], (2, 2), r"shape \(1, 2\), 1 tokens, grid \(2, 2\)"),
        ([[0.5, 0.5]], [0, 0], (1, 2), "2 tokens"),
        ([[0.5, 0.5]], [-1], (1, 2), "needs a token"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1], (1, 2), "Every one of the 1 words"),
    ],
)
def test_bad_weights(weights, token_words, grid, message):
    with pytest.raises(ValueError, match=message):
        attention_maps(["dog"], weights, token_words, grid)


def test_axes_fit_other_maps():
    weights = np.float32([[0.25, 0.75, 0], [0, 0, 1]])
    result = attention_maps(["le", "chien"], weights, [0, 1], (3,), axes=("target", "source"))
    np.testing.assert_array_equal(result.weights, weights)
    np.testing.assert_array_equal(result.peaks, [[1], [2]])
    with pytest.raises(ValueError, match="one name per axis"):
        AttentionMap(["le", "chien"], weights)
    with pytest.raises(ValueError, match="1 words"):
        AttentionMap(["le"], weights, ("target", "source"))


def test_npz_round_trip(tmp_path):
    maps = {
        "images/dog.jpg": random_map(["a", "<b>", "小さな"], (7, 5)),
        "file": AttentionMap(["x"], [[0.5, 0.5]], ("target", "source")),
        "none": AttentionMap([], np.zeros((0, 2, 2))),
    }
    save_npz(tmp_path / "maps.npz", maps)
    loaded = load_npz(tmp_path / "maps.npz")
    assert list(loaded) == list(maps)
    for name, expected in maps.items():
        assert loaded[name].words == expected.words
        assert loaded[name].axes == expected.axes
        np.testing.assert_array_equal(loaded[name].weights, expected.weights)
    with np.load(tmp_path / "maps.npz") as arrays:
        assert arrays["images/dog.jpg/axes"].tolist() == ["word", "row", "column"]


def test_overlay_is_bilinear_in_the_scaled_weights():
    image = np.zeros((4, 4, 3), "uint8")
    # The largest weight, 1, is light; its cell's centre is between the outer two pixels.
    pixels = attention_pictures.overlay(image, np.float32([[1, 0], [0, 0]]))
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
    pixels = attention_pictures.overlay(image, np.full((3, 3), 1 / 9, "float32"))
    expected = 0.45 * 200 + 0.55 * colors.COLORS[2].astype(float)
    assert np.abs(pixels - expected).max() <= 0.51
    assert colors.scale(np.float32([[0.9, 0.1], [0, 0]])) == 1
    sharp = np.zeros((3, 3), "float32")
    sharp[1, 1] = 0.75
    assert colors.scale(sharp) == 0.75


def test_overlay_of_no_weights_is_grey():
    image = np.full((4, 4, 3), 100, "uint8")
    pixels = attention_pictures.overlay(image, np.zeros((2, 2), "float32"))
    np.testing.assert_array_equal(pixels, np.full((4, 4, 3), 136))


def test_png_holds_the_image_and_one_overlay_per_word(tmp_path):
    image = np.full((50, 50, 3), (30, 200, 90), "uint8")
    attention = AttentionMap(["one", "two", "none"], np.zeros((3, 2, 2)))
    attention.weights[0, 0, 0] = attention.weights[1, 1, 1] = 1
    attention_pictures.draw_png(tmp_path / "map.png", image, attention, "A title")
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture)
    # Four columns of panels, 184 wide and 10 apart; below the title labels of 28, then panels.
    assert pixels.shape[1] == 4 * 194 + 10
    tops, lefts = [58, 58 + 184 + 10 + 28], [398, 592]
    assert (pixels[tops[0] : tops[0] + 378, 10:388] == image[0, 0]).all()
    panel = np.broadcast_to(image[0, 0], (184, 184, 3)).copy()
    places = [(tops[0], lefts[0]), (tops[0], lefts[1]), (tops[1], lefts[0])]
    for (top, left), weights in zip(places, attention.weights, strict=True):
        expected = attention_pictures.overlay(panel, weights)
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
        attention_pictures.draw_png(tmp_path / "map.png", image, attention, "小さな " * 90)
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
        attention_pictures.draw_png(tmp_path / "map.png", random_image(*shape), attention)
        with Image.open(tmp_path / "map.png") as picture:
            assert picture.width == 3 * 194 + 10
            assert 300 < picture.height < 800


def test_labels_fit_their_panel():
    assert attention_pictures._fit("dog") == ("dog", 11)
    label, size = attention_pictures._fit("straightforwardly")
    assert label == "straightforwardly" and size < 11
    label, size = attention_pictures._fit("Donaudampfschifffahrtsgesellschaft")
    assert label.startswith("Donaudampf") and label.endswith("…") and size == 8
    assert attention_pictures._fit(" a\n b ") == ("a b", 11)


class Page(HTMLParser):
    """Collects the tags, attributes and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append((self.tags[-1][0] if self.tags else "", data))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def page(tmp_path):
    evil = "</script><script>alert('x')</script> & \"<b>\" $title"
    first = AttentionMap(["<script>alert(1)</script>", "dog"], np.zeros((2, 2, 3)))
    first.weights[0] = [[0.5, 0.25, 0.125], [0.125, 0, 0]]
    second = random_map(["a", "小さな", "cat"], (4, 4))
    examples = [
        (random_image(30, 40), first, evil, [evil, "a dog"]),
        (np.zeros((1024, 2048, 3), "uint8"), second, "a 小さな cat", []),
    ]
    path = tmp_path / "page.html"
    scores = {"bleu_4": 23.456, "cider": 0.5234, "<i>": 1}
    attention_pages.write_html(path, examples, title=evil, scores=scores)
    text = path.read_text(encoding="utf-8")
    return text, Page(text), evil, examples


def test_page_escapes_all_text(page):
    text, parsed, evil, _ = page
    assert len(parsed.all("script")) == 2
    assert "<script>alert" not in text and "<b>" not in text and "<i>" not in text
    assert [data for tag, data in parsed.texts if tag == "h1" and data.strip()] == [evil]
    assert parsed.all("img")[0]["alt"] == evil
    items = [data for tag, data in parsed.texts if tag == "li" and data.strip()]
    assert items == [evil, "a dog"]
    buttons = [data for tag, data in parsed.texts if tag == "button" and data.strip()]
    assert buttons == ["<script>alert(1)</script>", "dog", "a", "小さな", "cat"]


def test_page_asks_nothing_of_the_network(page):
    text, parsed, _, _ = page
    for _, attrs in parsed.tags:
        assert not {"href", "action", "srcset"} & set(attrs)
        assert attrs.get("src", "data:").startswith("data:")
    assert "http:" not in text and "https:" not in text and "@import" not in text
    policy = [meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta]
    assert policy[0].startswith("default-src 'none'")


def test_page_holds_the_maps(page):
    _, parsed, _, examples = page
    (data,) = [data for tag, data in parsed.texts if tag == "script" and data.startswith("{")]
    data = json.loads(data)
    assert data["colors"] == colors.COLORS.tolist()
    first, second = data["maps"]
    assert (first["rows"], first["columns"]) == (2, 3)
    assert first["peaks"] == [0, 0]
    assert first["largest"] == [0.5, 0]
    assert first["scales"] == pytest.approx([4 / 6, 4 / 6], rel=1e-5)
    assert list(base64.b64decode(first["cells"])) == [255, 128, 64, 64, 0, 0, *[0] * 6]
    cells = np.frombuffer(base64.b64decode(second["cells"]), "uint8").reshape(3, 4, 4)
    weights = examples[1][1].weights
    largest = np.array(second["largest"])[:, None, None]
    np.testing.assert_allclose(cells / 255 * largest, weights, atol=largest.max() / 500)
    assert [cells[i].flat[peak] for i, peak in enumerate(second["peaks"])] == [255] * 3


def test_page_holds_images_and_scores(page):
    _, parsed, _, _ = page
    images = parsed.all("img")
    assert [(image["width"], image["height"]) for image in images] == [("40", "30"), ("512", "256")]
    names = [data for tag, data in parsed.texts if tag == "dt"]
    values = [data for tag, data in parsed.texts if tag == "dd"]
    assert names == ["BLEU-4", "CIDEr", "<i>"]
    assert values[:2] == ["23.5", "0.523"]
    assert values[2].strip() == "1"


def test_page_without_scores_or_words(tmp_path):
    path = tmp_path / "page.html"
    empty = AttentionMap([], np.zeros((0, 2, 2)))
    attention_pages.write_html(path, [(random_image(8, 8), empty, "", [])])
    parsed = Page(path.read_text(encoding="utf-8"))
    assert not parsed.all("dl") and not parsed.all("li")
    assert len(parsed.all("article")) == 1
