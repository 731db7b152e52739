import itertools
import warnings

import numpy as np
import pytest
from PIL import Image

from pipelines.maps import speech_pictures
from pipelines.maps.colors import COLORS
from pipelines.maps.speech_maps import SpeechMap

WORDS = (("set", 0.0, 0.2), ("a", 0.2, 0.28), ("timer", 0.28, 0.8), ("now", 1.0, 1.52))


def example(words=WORDS, frames=160, attention=True, ctc=True, **fields):
    """Two tokens a word, the first at its start and the second at its end."""
    positions = -(-frames // 4)
    names = tuple(f"{part}{word}" for word, _, _ in words for part in ("▁", "+"))
    places = [int(t / 0.04) for _, start, end in words for t in (start, end - 0.04)]
    if attention and words:
        fields["weights"] = np.eye(positions, dtype="float32")[places]
        fields["tokens"], fields["token_words"] = names, np.repeat(range(len(words)), 2)
    if ctc:
        posteriors = np.zeros((positions, len(names) + 2))
        posteriors[:, -1] = 1
        for unit, place in enumerate(places):
            posteriors[place] = np.eye(len(names) + 2)[unit]
        posteriors[0, -2:] = 0.05  # Of one that matters nowhere.
        fields["posteriors"], fields["outputs"] = posteriors, (*names, "nowhere", "blank")
    log_mel = np.random.default_rng(0).normal(size=(frames, 7))
    return SpeechMap(log_mel, words, **fields)


def named(figure, name):
    """The panels of a figure whose name at the side is this."""
    return [axes for axes in figure.axes if axes.get_ylabel() == name]


def boxes(axes):
    """Where each text of a panel stands: left, right, bottom and top in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(axes.get_figure()).get_renderer()
    for text in axes.texts:
        box = text.get_window_extent(renderer)
        yield text.get_text(), (box.x0, box.x1, box.y0, box.y1)


def overlapping(axes):
    found = list(boxes(axes))
    return [
        (one, other)
        for i, (one, (left, right, low, high)) in enumerate(found)
        for other, (start, end, bottom, top) in found[:i]
        if left < end and start < right and low < top and bottom < high
    ]


def test_words_stand_over_their_times():
    figure = speech_pictures.draw(example(reference="set the timer now"))
    labels = figure.axes[0]
    assert [text.get_text() for text in labels.texts] == ["set", "a", "timer", "now"]
    for (_, start, end), (_, (left, right, _, _)) in zip(WORDS, boxes(labels), strict=True):
        middle, _ = labels.transData.transform(((start + end) / 2, 0))
        assert (left + right) / 2 == pytest.approx(middle, abs=6) or left < 6
    red = [text.get_text() for text in labels.texts if text.get_color() == "#b3312c"]
    assert red == ["a"]
    (sound,) = named(figure, "7 mel bands")
    spans = [line.get_xdata() for line in sound.lines]
    np.testing.assert_allclose(spans, [word[1:] for word in WORDS], atol=0.02)
    lines = [text.get_text() for text in figure.texts]
    assert "Reference: set the timer now" in lines


@pytest.mark.parametrize("length", [1, 7, 23])
def test_narrow_words_do_not_overlap(length):
    words = [("w" * (1 + i % length), 0.1 * i, 0.1 * i + 0.1) for i in range(29)]
    figure = speech_pictures.draw(example(words, frames=290))
    for axes in figure.axes:
        assert len(axes.texts) in (0, 29, 58) and not overlapping(axes)
    width = figure.get_size_inches()[0] * figure.dpi
    for _, (left, right, _, _) in boxes(figure.axes[0]):
        assert left >= 0 and right <= width


def test_labels_are_staggered():
    lefts, lanes = speech_pictures.stagger([1, 2, 3, 9.5], [2, 2, 2, 3], room=10)
    assert (lefts, lanes) == ([0, 1, 2, 7], [0, 1, 0, 0])
    assert speech_pictures.stagger([5], [20], room=10) == ([0], [0])
    rng = np.random.default_rng(0)
    centres, widths = np.sort(rng.uniform(0, 10, 61)), rng.uniform(0, 3, 61)
    lefts, lanes = speech_pictures.stagger(centres, widths, 10)
    for i in range(61):
        for j in range(i):
            apart = lefts[j] + widths[j] <= lefts[i] or lefts[i] + widths[i] <= lefts[j]
            assert apart or lanes[i] != lanes[j]


def test_attention_is_drawn_token_by_token():
    shown = example()
    figure = speech_pictures.draw(shown)
    (axes,) = [axes for axes in figure.axes if axes.patches]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), shown.weights)
    assert image.get_extent() == pytest.approx([0, 1.6, 8, 0])
    colors = image.to_rgba(np.array([[0, 1]]), bytes=True)[0, :, :3]
    np.testing.assert_array_equal(colors, COLORS[[0, -1]])
    assert tuple(text.get_text() for text in axes.texts) == shown.tokens
    rows = [text.get_position()[1] for text in axes.texts]
    assert rows == pytest.approx(np.arange(8) + 0.5)
    frames = [(patch.get_x(), patch.get_y(), patch.get_width(), 2) for patch in axes.patches]
    expected = [(start, 2 * i, end - start, 2) for i, (_, start, end) in enumerate(WORDS)]
    np.testing.assert_allclose(frames, expected, atol=1e-6)


def test_outputs_that_matter_are_drawn_and_named():
    shown = example()
    figure = speech_pictures.draw(shown)
    (axes,) = named(figure, "CTC")
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {"blank", *shown.tokens}  # But not "nowhere".
    for name, line in lines.items():
        column = shown.posteriors[:, shown.outputs.index(name)]
        np.testing.assert_array_equal(line.get_ydata(), column)
        np.testing.assert_allclose(line.get_xdata(), 0.04 * np.arange(40) + 0.02)
    assert lines["blank"].get_color() == "#a5a5aa"
    labels = figure.axes[figure.axes.index(axes) - 1]
    assert sorted(text.get_text() for text in labels.texts) == sorted(shown.tokens)
    assert not overlapping(labels)
    for text in labels.texts:
        assert text.get_color() == lines[text.get_text()].get_color()


def test_peaks_of_an_output():
    probabilities = np.array([0.9, 0.95, 0, 0.3, 0.2, 0, 0.6, 0.09, 0.2])
    assert speech_pictures.peaks(probabilities) == [1, 6]
    assert speech_pictures.peaks(0.3 * probabilities) == [1]
    assert speech_pictures.peaks(0.1 * probabilities) == []


@pytest.mark.parametrize("attention, ctc, panels", [(1, 1, 5), (1, 0, 3), (0, 1, 4), (0, 0, 2)])
def test_what_there_is_no_data_for_is_left_out(attention, ctc, panels):
    figure = speech_pictures.draw(example(attention=attention, ctc=ctc))
    assert len(figure.axes) == panels
    assert len(named(figure, "CTC")) == ctc
    assert len([axes for axes in figure.axes if axes.patches]) == attention
    # All share the time, which stands below the last.
    assert {axes.get_xlim() for axes in figure.axes} == {(0, 1.6)}
    ticks = [len(axes.get_xticks()) for axes in figure.axes]
    assert ticks == [0] * (panels - 1) + [9]
    positions = [axes.get_position() for axes in figure.axes]
    for above, below in itertools.pairwise(positions):
        assert (above.x0, above.x1) == (below.x0, below.x1) and below.y1 <= above.y0


def test_of_a_long_sound_the_beginning():
    words = [("word", i, i + 0.8) for i in range(50)]
    shown = example(words, frames=5000)
    figure = speech_pictures.draw(shown)
    assert {axes.get_xlim() for axes in figure.axes} == {(0, 30)}
    assert len(figure.axes[0].texts) == 30
    (axes,) = [axes for axes in figure.axes if axes.patches]
    np.testing.assert_array_equal(axes.images[0].get_array(), shown.weights[:60, :750])
    (ctc,) = named(figure, "CTC")
    assert len(ctc.lines[0].get_xdata()) == 750
    assert "The first 30 of 50 seconds." in figure.texts[-1].get_text()
    assert max(figure.get_size_inches()) <= 24


@pytest.mark.parametrize(
    "texts",
    [
        ["🐕", "العربية", "小さな", "कुत्ता", "สุนัข"],
        ["$x_1$", "\n", "", "\\frac", "Donaudampfschifffahrtsgesellschaft"],
        ["\ufffd", "‏יום", "\x00", "%s", "{}"],
    ],
)
def test_any_text_is_drawn_without_a_warning(tmp_path, texts, caplog, capfd):
    words = [(text, 0.3 * i, 0.3 * i + 0.2) for i, text in enumerate(texts)]
    fields = {"name": " ".join(texts), "reference": " ".join(texts)}
    path = tmp_path / "map.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        speech_pictures.draw_png(path, example(words, **fields))
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.width > 600 and picture.height > 500
        pixels = np.asarray(picture.convert("RGB"))
    assert (pixels[[0, -1]] == 255).all() and (pixels[:, [0, -1]] == 255).all()
    assert not caplog.records and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("frames", [1, 2, 160])
def test_no_words(tmp_path, frames):
    path = tmp_path / "map.png"
    speech_pictures.draw_png(path, SpeechMap(np.full((frames, 7), -23.0), reference="a"))
    with Image.open(path) as picture:
        assert 500 < picture.width < 800
    shown = example((), frames=frames)
    assert speech_pictures.draw(shown).texts[-1].get_text().startswith("No words.")
