import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from pipelines.maps import alignment_pages
from pipelines.maps.alignments import Alignment, Labels
from pipelines.maps.attention_maps import AttentionMap

EVIL = "</script><script>alert('x')</script> & \"<b>\" $title"


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

    def said(self, tag):
        return [data for name, data in self.texts if name == tag and data.strip()]


@pytest.fixture
def page(tmp_path):
    weights = np.float32([[0.5, 0.25, 0.125, 0.125, 0], [0, 0, 0, 0, 0]])
    first = Alignment(
        AttentionMap([EVIL, "Hund"], weights, ("word", "source")),
        (EVIL, "small", "dog", "אב", "</s>"),
        copy=np.float32([0.25, 0.987]),
        reference=EVIL,
        text=f"{EVIL} Hund",
    )
    rows = np.random.default_rng(0).random((3, 7)) ** 3
    rows /= rows.sum(-1, keepdims=True)
    words = tuple("abcdefg")
    second = Alignment(AttentionMap(["x", "小さな", "z"], rows, ("word", "source")), words)
    path = tmp_path / "page.html"
    scores = {"bleu": 23.456, "lead_3_rouge_l": 0.5234, "exact_match": 1, "<i>": 2}
    alignment_pages.write_html(path, iter([first, second]), title=EVIL, scores=scores)
    text = path.read_text("utf-8")
    return text, Page(text), [first, second]


def test_all_text_is_escaped(page):
    text, parsed, _ = page
    assert len(parsed.all("script")) == 2
    assert "<script>alert" not in text and "<i>" not in text
    assert parsed.said("h1") == [EVIL]
    assert parsed.said("span")[:4] == [EVIL, "small", "dog", "אב"]
    buttons = parsed.said("button")
    assert buttons == [EVIL, "Hund", "Coverage", "x", "小さな", "z", "Coverage"]
    assert [data.strip() for data in parsed.said("b")] == ["Reference", EVIL]


def test_the_page_asks_nothing_of_the_network(page):
    text, parsed, _ = page
    for _, attrs in parsed.tags:
        assert not {"href", "action", "src", "srcset"} & set(attrs)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert "url(" not in text
    (policy,) = [meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def test_the_page_holds_the_weights(page):
    _, parsed, alignments = page
    (data,) = [data for tag, data in parsed.texts if tag == "script" and data.startswith("[")]
    first, second = json.loads(data)
    assert first["largest"] == [0.5, 0]
    assert first["scales"] == [0.8, 0.8]  # Four times an even spread over five.
    assert first["coverage"] == [0.5, 0.25, 0.125, 0.125, 0]
    assert first["copied"] == [0.25, 0.987] and second["copied"] is None
    assert list(base64.b64decode(first["cells"])) == [255, 128, 64, 64, 0, *[0] * 5]
    parts = np.frombuffer(base64.b64decode(second["cells"]), "uint8").reshape(3, 7) / 255
    weights = alignments[1].map.weights
    np.testing.assert_allclose(parts * np.array(second["largest"])[:, None], weights, atol=0.003)


def test_copied_words_are_underlined_by_their_probability(page):
    text, parsed, _ = page
    styles = [attrs.get("style") for attrs in parsed.all("button")]
    zero = "--copied:0%"
    assert styles == ["--copied:25%", "--copied:99%", None, zero, zero, zero, None]
    assert "Underlined: copied" in text


def test_texts_choose_their_own_direction(page):
    _, parsed, _ = page
    sides = [attrs for attrs in parsed.all("p") + parsed.all("div") if "dir" in attrs]
    assert [attrs["class"] for attrs in sides] == ["source", "reference", "source"] + ["words"] * 2
    assert {attrs["dir"] for attrs in sides} == {"auto"}


def test_the_end_of_the_source_is_set_apart(page):
    text, parsed, _ = page
    assert [attrs.get("class") for attrs in parsed.all("span")][:5] == [None] * 4 + ["end"]
    assert text.count('<span class="end">&lt;/s&gt;</span>') == 1


def test_scores_have_their_usual_names(page):
    _, parsed, _ = page
    assert parsed.said("dt") == ["BLEU", "Lead-3 ROUGE-L", "exact match", "<i>"]
    assert parsed.said("dd")[:3] == ["23.5", "0.523", "1"]


def test_the_script_finds_what_it_looks_for(page):
    text, parsed, _ = page
    script = text.rpartition('"use strict"')[2]
    classes = {name for _, attrs in parsed.tags for name in (attrs.get("class") or "").split()}
    for name in re.findall(r'querySelector(?:All)?\("\.(\w+)', script):
        assert name in classes
    assert "$" not in script


def test_labels_name_the_texts(page, tmp_path):
    text, _, (first, _) = page
    assert "Point at a word of the text," in text and "where in the source\n" in text
    assert "Coverage: attention summed over all words." in text
    labels = Labels("What each <word>", "question", "context", "<Answers>", coverage=False)
    path = tmp_path / "labelled.html"
    alignment_pages.write_html(path, [replace(first, labels=labels)])
    text = path.read_text("utf-8")
    assert "Point at a word of the context," in text and "where in the question\n" in text
    assert Page(text).said("h1") == ["What each <word>"]
    assert "<b>&lt;Answers&gt;</b>" in text
    assert Page(text).said("button") == [EVIL, "Hund"] and "Coverage" not in text


def test_without_scores_or_words(tmp_path):
    path = tmp_path / "page.html"
    empty = Alignment(AttentionMap([], np.zeros((0, 1)), ("word", "source")), ("</s>",))
    alignment_pages.write_html(path, [empty])
    text = path.read_text("utf-8")
    parsed = Page(text)
    assert parsed.said("h1") == ["Where each word comes from"]
    assert not parsed.all("dl") and len(parsed.all("article")) == 1
    assert "Underlined" not in text
