import warnings

import numpy as np
import pytest
from PIL import Image

from pipelines.maps import alignment_pictures
from pipelines.maps.alignments import Alignment, Labels
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.colors import COLORS


def alignment(words, source_words, weights=None, copy=None, **options):
    if weights is None:
        weights = np.random.default_rng(0).random((len(words), len(source_words))) ** 6
        weights /= weights.sum(-1, keepdims=True)
    attention = AttentionMap(words, weights, ("word", "source"))
    return Alignment(attention, tuple(source_words), copy, **options)


def draw(path, *args, **options):
    alignment_pictures.draw_png(path, alignment(*args, **options))
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def cells(pixels, color):
    """How many cells are filled with a colour: 31 pixels a side, less the lines between."""
    return (np.abs(pixels.astype(int) - color) <= 1).all(-1).sum() / (31.2 * 0.94) ** 2


def test_light_where_the_weight_is_and_dark_where_none_is(tmp_path):
    weights = np.zeros((3, 5))
    weights[[0, 1, 2], [4, 0, 2]] = 1
    pixels = draw(
        tmp_path / "map.png", ["ein", "Hund", "da"], ["a", "dog", "is", "over", "there"], weights
    )
    # Three of the words, and their three in the coverage; the rest, and two in the coverage.
    assert cells(pixels, COLORS[-1]) == pytest.approx(6, abs=0.5)
    assert cells(pixels, COLORS[0]) == pytest.approx(12 + 2, abs=0.7)
    assert (pixels[[0, -1]] == 255).all() and (pixels[:, [0, -1]] == 255).all()


def test_half_the_largest_weight_is_half_way(tmp_path):
    weights = [[0.5, 0.25, 0.25, 0], [0, 0, 0, 0]]
    pixels = draw(tmp_path / "map.png", ["a", "b"], ["c", "d", "e", "f"], weights)
    assert cells(pixels, COLORS[4]) == pytest.approx(4, abs=0.5)  # Words' and coverage.
    assert cells(pixels, COLORS[-1]) == pytest.approx(2, abs=0.3)


def test_coverage_can_be_left_out(tmp_path):
    weights = [[1, 0, 0, 0], [0, 0, 1, 0]]
    options = {"weights": weights, "labels": Labels(coverage=False)}
    pixels = draw(tmp_path / "map.png", ["a", "b"], ["c", "d", "e", "f"], **options)
    assert cells(pixels, COLORS[-1]) == pytest.approx(2, abs=0.3)
    assert cells(pixels, COLORS[0]) == pytest.approx(6, abs=0.5)
    full = draw(tmp_path / "full.png", ["a", "b"], ["c", "d", "e", "f"], weights)
    assert full.shape[0] - pixels.shape[0] == pytest.approx(1.5 * 31.2, abs=2)


def test_copying_is_a_column_from_zero_to_one(tmp_path):
    words, source = ["a", "b", "c"], ["d", "e"]
    weights = np.float32([[0.5, 0.5]] * 3)
    plain = draw(tmp_path / "plain.png", words, source, weights)
    copied = draw(tmp_path / "copied.png", words, source, weights, copy=np.array([0, 0.5, 1]))
    for level in (0, 4, 8):
        more = cells(copied, COLORS[level]) - cells(plain, COLORS[level])
        assert more == pytest.approx(1, abs=0.3)


def test_all_words_of_a_short_source_are_drawn():
    weights = np.zeros((2, 60))
    assert alignment_pictures.visible(weights).tolist() == list(range(60))


def test_of_a_long_source_what_was_looked_at():
    weights = np.zeros((2, 500))
    weights[0, [400, 7, 8]] = [0.6, 0.3, 0.1]
    weights[1, [400, 9, 20]] = [0.98, 0.015, 0.005]  # 0.015 is no fiftieth of 0.98.
    assert alignment_pictures.visible(weights).tolist() == [7, 8, 400]
    even = np.linspace(1, 2, 500)[None]
    assert alignment_pictures.visible(even).tolist() == list(range(440, 500))
    assert len(alignment_pictures.visible(np.zeros((2, 500)))) == 60


def test_columns_with_gaps_where_words_are_left_out():
    lefts, gaps = alignment_pictures._columns([7, 8, 400], 500)
    assert gaps == pytest.approx([0, 2.6, 4.2])
    assert lefts == pytest.approx([0.6, 1.6, 3.2])
    lefts, gaps = alignment_pictures._columns([0, 1, 2], 3)
    assert (lefts.tolist(), gaps) == ([0, 1, 2], [])


def test_a_document_makes_no_endless_picture(tmp_path):
    source = [f"word{i}" for i in range(900)]
    weights = np.random.default_rng(1).random((5, 900)) ** 3
    pixels = draw(tmp_path / "map.png", list("abcde"), source, weights / weights.sum())
    assert pixels.shape[1] < 60 * 31.2 + 61 * 0.6 * 31.2 + 300


@pytest.mark.parametrize(
    "words",
    [
        ["🐕", "العربية", "小さな", "कुत्ता", "สุนัข"],
        ["$x_1$", "\n", "", "\\frac", "Donaudampfschifffahrtsgesellschaft"],
        ["\ufffd", "‏יום", "\x00", "%s", "{}"],
    ],
)
def test_any_text_is_drawn_without_a_warning(tmp_path, words, caplog, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = draw(tmp_path / "map.png", words, [*words, "</s>"], copy=np.linspace(0, 1, 5))
    assert pixels.shape[0] > 6 * 31 and pixels.shape[1] > 7 * 31
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_one_word_and_no_weights(tmp_path):
    pixels = draw(tmp_path / "map.png", ["a"], ["b", "c"], [[0, 0]], copy=np.array([0]))
    assert cells(pixels, COLORS[0]) == pytest.approx(5, abs=0.4)


def test_nothing_to_draw(tmp_path):
    for words, source in (([], ["</s>"]), (["a"], [])):
        message = f"{len(words)} target words, {len(source)} source words"
        with pytest.raises(ValueError, match=message):
            draw(tmp_path / "map.png", words, source, np.zeros((len(words), len(source))))
    assert not list(tmp_path.iterdir())
