import base64
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from pipelines.maps import colors, image_pages
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.image_maps import ImageMap


def random_map(words, grid, seed=0):
    rows = np.random.default_rng(seed).random((len(words), *grid)) ** 4
    return AttentionMap(words, rows / rows.sum((1, 2), keepdims=True))


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8")


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
        ImageMap(first, random_image(30, 40), evil, [evil, "a dog"]),
        ImageMap(second, np.zeros((1024, 2048, 3), "uint8"), "a 小さな cat"),
    ]
    path = tmp_path / "page.html"
    scores = {"bleu_4": 23.456, "cider": 0.5234, "<i>": 1}
    image_pages.write_html(path, examples, title=evil, scores=scores)
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
    weights = examples[1].weights
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
    image_pages.write_html(path, [ImageMap(empty, random_image(8, 8))])
    parsed = Page(path.read_text(encoding="utf-8"))
    assert not parsed.all("dl") and not parsed.all("li")
    assert len(parsed.all("article")) == 1


def test_what_attends_is_called_by_its_axis(page, tmp_path):
    text, parsed, _, _ = page
    assert "Point at a word" in text and "the word's maximum" in text
    assert not parsed.all("h2") and not parsed.all("ol")
    layers = AttentionMap(["block 1"], [[[0.5, 0.5]]], ("layer", "row", "column"))
    classes = [("<3>", 0.877), ("9", 0.018)]
    shown = ImageMap(layers, random_image(8, 8), "True 3 / predicted <3>", classes=classes)
    image_pages.write_html(tmp_path / "page.html", [shown])
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "<h1>What each layer looked at</h1>" in text and "Point at a layer" in text
    assert "the layer's maximum (at least 4× uniform)" in text
    assert "<h2>True 3 / predicted &lt;3&gt;</h2>" in text
    bars = [bar["style"] for bar in Page(text).all("li")]
    assert bars == ["--share:87.7%", "--share:1.8%"]
    assert "<span>&lt;3&gt;</span><span>87.7\u00a0%</span>" in text
    assert '"what":"layer"' in text
