import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from pipelines.maps import page

EVIL = '</script><!-- & "<b>" $title'


def content(url):
    head, _, data = url.partition(",")
    return head, base64.b64decode(data)


def test_a_filled_template_is_escaped_and_may_run_its_script_alone(tmp_path):
    path = tmp_path / "page.html"
    options = {"data": [EVIL], "media": ["img"], "what": EVIL, "gradient": "#000, #fff"}
    page.write(path, "image_page.html", EVIL, ["<article>1</article>", "<p>2</p>"], **options)
    text = path.read_text("utf-8")
    escaped = "&lt;/script&gt;&lt;!-- &amp; &quot;&lt;b&gt;&quot; $title"
    assert f"<h1>{escaped}</h1>" in text and f"Point at a {escaped}," in text
    assert "<article>1</article>\n<p>2</p>" in text and "<!--" not in text and "<dl>" not in text
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    )
    assert f'content="{policy}"' in text
    (data,) = [line for line in text.splitlines() if 'id="data"' in line]
    assert json.loads(data.partition(">")[2].removesuffix("</script>")) == [EVIL]


def test_a_page_without_data_runs_no_script(tmp_path):
    page.write(tmp_path / "page.html", "text_page.html", "Title", scores={"accuracy": 0.5})
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in text
    assert "<dt>accuracy</dt><dd>0.5</dd>" in text


@pytest.mark.parametrize("kind", ["image", "alignment", "speech", "text", "empty"])
def test_every_template_takes_the_shared_style(kind, tmp_path):
    texts = {"what": "w", "gradient": "g", "source": "s", "target": "t", "notes": "n"}
    page.write(tmp_path / "page.html", f"{kind}_page.html", "Title", data=[], **texts)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert text.count("color-scheme: light dark") == 1 and text.count("Title") == 2
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert style.count("{") == style.count("}") and "$" not in style


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bleu_4", "BLEU-4"),
        ("bleu_lowercase", "BLEU, lower case"),
        ("lead_3_rouge_l", "Lead-3 ROUGE-L"),
        ("chrf", "chrF"),
        ("cer", "CER"),
        ("top_5", "top-5 accuracy"),
        ("exact_match", "exact match"),
        ("<i>", "&lt;i&gt;"),
    ],
)
def test_scores_have_their_usual_names(name, shown):
    assert page.tiles({name: 0.12345}) == f"<dl><div><dt>{shown}</dt><dd>0.123</dd></div></dl>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.94e-07, "0.0000"), (0.0123456, "0.0123"), (1, "1"), (84.26, "84.3"), (12345, "12345.0")],
)
def test_scores_have_no_exponents(value, shown):
    assert f"<dd>{shown}</dd>" in page.tiles({"bleu_2": value})


def test_no_scores_are_no_tiles():
    assert page.tiles({}) == ""


def test_nothing_embedded_ends_its_script():
    text = page.embed({"a": EVIL, "b": [1, 0.5, None]})
    assert "<" not in text and json.loads(text) == {"a": EVIL, "b": [1, 0.5, None]}


def test_pictures_come_back_in_the_smaller_format():
    drawing = np.zeros((64, 64, 3), "uint8")
    drawing[:32] = 200
    noise = np.repeat(np.random.default_rng(0).integers(0, 256, (64, 64, 1), "uint8"), 3, -1)
    for pixels, kind, tolerance in ((drawing, "png", 0), (noise, "jpeg", 30)):
        head, data = content(page.picture_url(Image.fromarray(pixels)))
        assert head == f"data:image/{kind};base64"
        found = np.asarray(Image.open(io.BytesIO(data))).astype(int)
        assert found.shape == (64, 64, 3) and np.abs(found - pixels).max() <= tolerance
    assert content(page.data_url("audio/flac", b"\x00\xff")) == (
        "data:audio/flac;base64",
        b"\0\xff",
    )


def test_weights_are_packed_as_parts_of_the_largest():
    weights = np.float32([[[0.5, 0.25], [0.125, 0]], [[0, 0], [0, 0]]])
    largest, parts = page.parts(weights)
    assert largest.tolist() == [0.5, 0]
    np.testing.assert_array_equal(parts, np.float32([[[1, 0.5], [0.25, 0]], [[0, 0], [0, 0]]]))
    assert list(base64.b64decode(page.pack(parts))) == [255, 128, 64, 0, 0, 0, 0, 0]
    largest, parts = page.parts(np.zeros((0, 3)))
    assert (largest.shape, parts.shape, page.pack(parts)) == ((0,), (0, 3), "")
    assert page.rounded([0.123456, 12345.6], 4) == [0.1235, 12350]


def test_names_stay_on_their_line(tmp_path):
    assert page.escape("a\t<b>\n\x1b[1m") == r"a\t&lt;b&gt;\n\x1b[1m"
    page.write(tmp_path / "a.html", "text_page.html", "two\nlines \x1b")
    assert r"<title>two\nlines \x1b</title>" in (tmp_path / "a.html").read_text("utf-8")
