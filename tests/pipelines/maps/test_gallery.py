import re

import numpy as np
import pytest
from PIL import Image

from pipelines.maps import gallery
from pipelines.maps.alignments import Alignment
from pipelines.maps.attention_maps import AttentionMap, load_npz
from pipelines.maps.image_maps import ImageMap
from pipelines.maps.speech_maps import SpeechMap
from pipelines.maps.text_maps import TextMap

EVIL = "</script><script>alert('x')</script> $title"


def spread(*shape):
    weights = np.random.default_rng(0).random(shape).astype("float32") ** 3
    return weights / weights.sum(tuple(range(1, len(shape))), keepdims=True)


def image_map(words=("a", EVIL), axes=("word", "row", "column"), **fields):
    image = np.full((30, 40, 3), (30, 200, 90), "uint8")
    return ImageMap(AttentionMap(words, spread(len(words), 2, 3), axes), image, EVIL, **fields)


def alignment(words=("ein", EVIL), **fields):
    attention = AttentionMap(words, spread(len(words), 3), ("word", "source"))
    return Alignment(attention, ("a", "dog", "</s>"), text=" ".join(words), **fields)


def speech_map(**fields):
    words = (("a", 0.1, 0.3), (EVIL, 0.3, 0.9))
    fields = {"tokens": "xy", "token_words": (0, 1), "weights": spread(2, 25), **fields}
    return SpeechMap(np.eye(100, 7), words, name=EVIL, **fields)


def text_map(words=("a", EVIL, "film")):
    return TextMap(tuple(words), spread(1, len(words))[0], "good 97%", "good")


MAKE = {"image": image_map, "alignment": alignment, "speech": speech_map, "text": text_map}
kinds = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def files(page):
    return sorted(path.name for path in page.parent.iterdir())


def size(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        picture.load()
        return picture.size


@kinds
def test_a_folder_holds_pictures_a_page_and_arrays(make, tmp_path):
    shown = [make(), make(), make()]
    scores = {"bleu_4": 23.456, "<i>": 1}
    page = gallery.write(tmp_path / "run" / "maps", shown, scores=scores, pictures=2, title=EVIL)
    assert page == tmp_path / "run" / "maps" / "index.html"
    assert files(page) == ["01.png", "02.png", "index.html", "maps.npz"]
    assert min(size(page.with_name("01.png"))) > 90
    text = page.read_text("utf-8")
    assert text.count("<article>") == 3 and "<script>alert" not in text
    assert "<h1>&lt;/script&gt;" in text and "<dd>23.5</dd>" in text and "<i>1" not in text
    assert not re.search(r"https?:|@import|url\(", text) and "default-src 'none'" in text
    with np.load(page.with_name("maps.npz")) as arrays:
        expected = {f"{n}/{key}" for n in ("01", "02", "03") for key in make().arrays()}
        assert set(arrays) == expected
        for key, array in shown[2].arrays().items():
            np.testing.assert_array_equal(arrays[f"03/{key}"], array)


@kinds
def test_a_map_is_saved_as_the_ending_says(make, tmp_path):
    shown = make()
    assert shown.weights.ndim == len(shown.axes)
    for name in ("map.png", "MAP.PNG"):
        shown.save(tmp_path / name)
        assert min(size(tmp_path / name)) > 90
    shown.save(str(tmp_path / "map.html"))
    text = (tmp_path / "map.html").read_text("utf-8")
    assert text.count("<article>") == 1 and "&lt;script&gt;alert" in text
    shown.save(tmp_path / "map.npz")
    (name,) = load_npz(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as arrays:
        assert set(arrays) == {f"{name}/{key}" for key in shown.arrays()} and name == "map"
        for key, array in shown.arrays().items():
            np.testing.assert_array_equal(arrays[f"map/{key}"], array)
    for name in ("map.jpg", "map"):
        with pytest.raises(ValueError, match=rf"\.png, \.html or \.npz\. Received: '.*{name}'"):
            shown.save(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 4


def test_pictures_have_the_size_of_what_is_drawn(tmp_path):
    page = gallery.write(tmp_path, [image_map()], ["one"])
    # Three columns of panels, two of them the image; labels of 28 above, a footer of lines of 20.
    width, height = size(page.with_name("one.png"))
    assert width == 3 * 194 + 10 and height == 10 + 2 * (28 + 138) + 10 + 20 * 3
    page = gallery.write(tmp_path, [text_map()], ["two"])
    assert size(page.with_name("two.png")) == (960, 99)


def test_maps_without_words_are_left_out(tmp_path):
    shown = [alignment(), alignment(()), alignment(("z",))]
    page = gallery.write(tmp_path, shown, pictures=5)
    assert files(page) == ["01.png", "02.png", "index.html", "maps.npz"]
    maps = load_npz(page.with_name("maps.npz"))
    assert {name: each.words for name, each in maps.items()} == {"01": ("ein", EVIL), "02": ("z",)}
    np.testing.assert_array_equal(maps["02"].weights, shown[2].weights)
    page = gallery.write(tmp_path / "named", shown, ["a", "b", "c"], pictures=1)
    assert files(page) == ["a.png", "index.html", "maps.npz"]
    assert list(load_npz(page.with_name("maps.npz"))) == ["a", "c"]
    assert image_map(()).empty


def test_a_sound_or_text_without_words_is_shown(tmp_path):
    for shown in (SpeechMap(np.eye(20, 7)), text_map(())):
        page = gallery.write(tmp_path, [shown])
        assert page.read_text("utf-8").count("<article>") == 1


def test_names_are_of_files_and_told_apart(tmp_path):
    names = ["dog.jpg", "cat", "cat", "cat-2", "cat"]
    page = gallery.write(tmp_path, [image_map() for _ in names], iter(names), pictures=9)
    told = ["dog.jpg", "cat", "cat-2", "cat-2-2", "cat-3"]
    assert files(page) == sorted(["index.html", "maps.npz", *(f"{name}.png" for name in told)])
    assert list(load_npz(page.with_name("maps.npz"))) == told
    with pytest.raises(ValueError, match="zip"):
        gallery.write(tmp_path / "none", [image_map()], ["a", "b"])
    assert not (tmp_path / "none").exists()


def test_no_maps_give_a_page_and_no_arrays(tmp_path):
    page = gallery.write(tmp_path / "none", [], scores={"wer": 0.1234}, title=EVIL)
    assert files(page) == ["index.html", "maps.npz"]
    assert load_npz(page.with_name("maps.npz")) == {}
    text = page.read_text("utf-8")
    assert "<h1>&lt;/script&gt;" in text and "<dt>WER</dt><dd>0.123</dd>" in text
    assert "<article>" not in text and "<script" not in text
    text = gallery.write(tmp_path / "none", [alignment(())]).read_text("utf-8")
    assert "<h1>Attention maps</h1>" in text and "<dl>" not in text


def test_the_arrays_of_each_kind():
    copied = alignment(copy=np.float32([0.25, 1])).arrays()
    assert set(copied) == {"weights", "words", "axes", "source_words", "copy"}
    assert copied["source_words"].tolist() == ["a", "dog", "</s>"]
    assert set(alignment().arrays()) == {"weights", "words", "axes", "source_words"}
    assert set(image_map().arrays()) == {"weights", "words", "axes"}
    text = text_map().arrays()
    assert text["words"].tolist() == ["good 97%"] and text["axes"].tolist() == ["text", "word"]
    np.testing.assert_array_equal(text["weights"], text_map().weights[None])


def test_layers_have_a_heading_where_words_have_none():
    assert image_map().heading == ""
    layers = image_map(axes=("layer", "row", "column"))
    assert layers.heading == EVIL


def test_names_are_fit_for_files(tmp_path):
    names = ["../up", "/etc/passwd", "", "..", "a\nb", "Dog", "dog", *["é" * 300] * 2, "x" * 300]
    maps = [text_map() for _ in names]
    gallery.write(tmp_path / "maps", maps, names, pictures=len(names))
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
    found = sorted(path.stem for path in (tmp_path / "maps").glob("*.png"))
    long = "é" * 100
    wanted = ["Dog", "_", "__2", "_etc_passwd", "_up", "a_b", "dog-2", long, f"{long}-2", "x" * 200]
    assert found == sorted(name.replace("__2", "_-2") for name in wanted)


def test_many_maps_of_one_name_are_told_apart_quickly():
    names = list(gallery._told_apart(["dog"] * 20_000))
    assert len(set(names)) == 20_000 and names[-1] == "dog-20000"
