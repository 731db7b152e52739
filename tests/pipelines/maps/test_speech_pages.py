import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
from lxml import html
from PIL import Image

from pipelines.maps.colors import scale
from pipelines.maps.speech_maps import SpeechMap
from pipelines.maps.speech_pages import write_html
from pipelines.metrics import word_error_rate

EVIL = "</script><script>alert('x')</script> & \"<b>\" $title"


def decoded(url, kind):
    head, _, data = url.partition(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(data))


def texts(elements):
    return [element.text_content() for element in elements]


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    weights = np.float32([[0, 0.5, 0.25, 0.25, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0.25, 0.75]])
    samples = rng.uniform(-0.9, 0.9, 3217).astype("float32")
    first = SpeechMap(
        rng.normal(size=(20, 7)),
        ((EVIL, 0.04, 0.12), ("سبعة", 0.15, 0.2)),
        tokens=("x", "y", "z"),
        token_words=(0, 1, 0),
        weights=weights,
        text=EVIL,
        reference=f"said سبعة {EVIL}",
        name=EVIL,
        sound=samples,
    )
    second = SpeechMap(
        np.zeros((1300, 7)), (("one", 0.13, 1.3), ("two", 2.6, 3.9), ("two", 3.9, 5.2))
    )
    silent = SpeechMap(np.zeros((1, 7)), reference="a", sound=np.zeros(1))
    return [first, second, silent]


@pytest.fixture
def page(maps, tmp_path):
    path = tmp_path / "page.html"
    write_html(path, iter(maps), scores={"wer": 0.05432, "sentence_error_rate": 1, "<i>": 2})
    text = path.read_text("utf-8")
    return text, html.fromstring(text)


def test_all_text_is_escaped(page):
    text, root = page
    assert len(root.xpath("//script")) == 2
    assert "<script>alert" not in text and "<i>2" not in text
    first = root.xpath("//article")[0]
    assert texts(first.xpath("h2")) == [EVIL]
    assert texts(first.xpath(".//button")) == [EVIL, "سبعة"]
    assert first.xpath(".//img/@alt") == [f"Spectrogram: {EVIL}"]
    assert first.xpath(".//audio/@aria-label") == [EVIL]
    assert texts(root.xpath("//p[@class='reference']"))[0] == f"Reference said سبعة {EVIL}"


def test_the_page_asks_nothing_of_the_network(page):
    text, root = page
    sources = root.xpath("//@src")
    assert len(sources) == 5 and all(source.startswith("data:") for source in sources)
    assert not root.xpath("//@href | //@action | //@srcset")
    assert not re.search(r"https?:|@import|url\(", text)
    (policy,) = root.xpath("//meta[@http-equiv]/@content")
    assert policy.split(";")[0] == "default-src 'none'" and "connect" not in policy
    assert "media-src data:" in policy and "img-src data:" in policy


def test_the_sound_comes_back(page, maps):
    _, root = page
    urls = root.xpath("//audio/@src")
    assert len(urls) == 2
    for url, shown in zip(urls, (maps[0], maps[2]), strict=True):
        samples, rate = soundfile.read(decoded(url, "audio/flac"), dtype="float32")
        assert rate == 16000 and soundfile.info(decoded(url, "audio/flac")).format == "FLAC"
        np.testing.assert_allclose(samples, shown.sound, atol=1 / 32768)
    assert not root.xpath("//article[2]//audio")


def test_the_spectrogram_is_dark_where_it_is_loud(tmp_path):
    log_mel = np.full((40, 16), -9.0)
    log_mel[8:16, :8] = 0
    write_html(tmp_path / "page.html", [SpeechMap(log_mel)])
    (url,) = html.parse(tmp_path / "page.html").xpath("//img/@src")
    pixels = np.asarray(Image.open(decoded(url, "image/jpeg")))
    assert pixels.shape == (16, 40)
    expected = np.full((16, 40), 255)
    expected[8:, 8:16] = 0  # Low bands below.
    np.testing.assert_allclose(pixels, expected, atol=12)


def test_the_picture_of_a_long_sound_is_narrowed(tmp_path):
    log_mel = np.zeros((70000, 5))
    log_mel[35000:] = 9
    write_html(tmp_path / "page.html", [SpeechMap(log_mel)])
    root = html.parse(tmp_path / "page.html")
    pixels = np.asarray(Image.open(decoded(root.xpath("//img/@src")[0], "image/jpeg")))
    assert pixels.shape == (5, 16000)
    assert pixels[:, :7990].min() > 240 and pixels[:, 8010:].max() < 15
    assert "min-width:60000px" in root.xpath("//*[@class='time']/@style")[0]


def test_words_stand_below_their_times(page):
    _, root = page
    second = root.xpath("//article")[1]
    assert second.xpath(".//button/@style") == ["left:1%", "left:20%", "left:30%"]
    spans = second.xpath(".//*[@class='spans']/i/@style")
    assert spans == ["left:1%;width:9%", "left:20%;width:10%", "left:30%;width:10%"]
    ticks = second.xpath(".//*[@class='ticks']/span")
    assert texts(ticks) == [f"{second} s" for second in range(14)]
    assert ticks[13].get("style") == "left:100%"
    assert "min-width:1300px" in second.xpath(".//*[@class='time']/@style")[0]


def test_differences_from_the_reference_are_marked(page):
    _, root = page
    first, second, silent = root.xpath("//article")
    wrong = first.xpath(".//button[@class='wrong']")
    # "said" was not heard, and سبعة stands behind the other words rather than before them.
    assert texts(wrong) == ["سبعة"] and wrong[0].get("title") == "not in the reference"
    assert texts(first.xpath(".//mark")) == ["said", "سبعة"]
    assert not second.xpath(".//*[@class='wrong'] | .//mark | .//*[@class='reference']")
    assert texts(silent.xpath(".//mark")) == ["a"] and "No words." in silent.text_content()


def test_errors_are_marked_as_they_are_scored(tmp_path):
    heard = (("Well,", 0.0, 0.02), ("yes", 0.02, 0.04), ("we're", 0.04, 0.06))
    said = {"text": "Well, yes we're", "reference": "WELL YES WE ARE"}
    for normalize, wrong in ((word_error_rate.normalize, ["we're"]), (str, [w for w, *_ in heard])):
        shown = SpeechMap(np.zeros((20, 7)), heard, **said, normalize=normalize)
        write_html(tmp_path / "page.html", [shown])
        root = html.fromstring((tmp_path / "page.html").read_text("utf-8"))
        assert texts(root.xpath("//button[@class='wrong']")) == wrong


def test_the_page_holds_the_weights(page, maps):
    _, root = page
    first, second, silent = json.loads(root.xpath("//script[@id='data']")[0].text)
    assert (first["seconds"], first["step"], len(first["words"])) == (0.2, 0.04, 2)
    for word, row in zip(first["words"], maps[0].map.weights, strict=True):
        heat = np.zeros(len(row))
        bytes_ = np.frombuffer(base64.b64decode(word["heat"]), "uint8")
        heat[word["first"] :][: len(bytes_)] = bytes_
        np.testing.assert_allclose(heat / 255 * scale(row), row, atol=0.003)
    # The mean of the first and the third row is [0, 0.25, 0.125, 0.25, 0.375].
    assert first["words"][0]["within"] == 0.375 and first["words"][0]["first"] == 1
    assert (first["words"][1]["within"], first["words"][1]["heat"]) == (0, "")
    assert second["words"][1] == {"start": 2.6, "end": 3.9}
    assert silent["words"] == []


def test_texts_choose_their_own_direction(page):
    _, root = page
    for path in ("//h2", "//button", "//p[@class='reference']"):
        assert {element.get("dir") for element in root.xpath(path)} == {"auto"}


def test_scores_have_their_usual_names(page):
    _, root = page
    assert texts(root.xpath("//dt")) == ["WER", "sentence error rate", "<i>"]
    assert texts(root.xpath("//dd")) == ["0.0543", "1", "2"]


def test_the_script_finds_what_it_looks_for(page):
    text, root = page
    script = text.rpartition('"use strict"')[2]
    classes = {name for value in root.xpath("//@class") for name in value.split()}
    found = re.findall(r'querySelector(?:All)?\("\.(\w+)', script)
    assert set(found) <= classes and len(found) > 5
    assert "$" not in script


def test_without_maps(tmp_path):
    write_html(tmp_path / "page.html", [])
    root = html.parse(tmp_path / "page.html")
    assert not root.xpath("//article | //dl") and texts(root.xpath("//h1"))
