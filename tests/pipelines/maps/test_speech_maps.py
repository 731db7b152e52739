from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.audio.log_mel import FRAME_SECONDS
from pipelines.maps.speech_maps import SpeechMap, errors, speech_map, unit_names
from pipelines.metrics import word_error_rate
from pipelines.text.speech_units import Units
from pipelines.text.tokenizer import Tokenizer

TEXTS = ["sixteen seventeen eighteen", "nineteen six teen", "ça va"] * 3


@pytest.fixture(scope="module")
def units():
    return Units.train(TEXTS, 40)


def spread(rows, columns, seed=0):
    weights = np.random.default_rng(seed).random((rows, columns)).astype("float32") ** 3
    return weights / weights.sum(-1, keepdims=True)


def heard(units, text, positions=31, attention=True, ctc=True):
    ids = np.array(units.encode([text])[0][1:-1])
    found, places = units.words(ids)
    words = [(word, 0.1 * i, 0.1 * i + 0.08) for i, word in enumerate(found)]
    owners = [next((n for n, own in enumerate(places) if i in own), -1) for i in range(len(ids))]
    log_probs = np.log(spread(positions, units.vocabulary_size + 1, seed=1))
    return SimpleNamespace(
        text=text,
        words=tuple(words),
        tokens=ids,
        token_words=np.array(owners),
        weights=spread(len(ids), positions) if attention else None,
        log_probs=log_probs if ctc else None,
    )


@pytest.mark.parametrize("attention, ctc", [(True, True), (True, False), (False, True)])
def test_what_was_heard_as_a_map(units, attention, ctc):
    log_mel = np.arange(123 * 7).reshape(123, 7)
    said = heard(units, "six seventeen ça", attention=attention, ctc=ctc)
    sound = np.linspace(-1, 1, 11)
    shown = speech_map(said, units, log_mel, "six teen", "a.wav", sound)
    assert shown.seconds == pytest.approx(123 * FRAME_SECONDS) and shown.text == said.text
    assert (shown.reference, shown.name, shown.seconds_per_position) == ("six teen", "a.wav", 0.04)
    assert shown.differences == errors(["six", "seventeen", "ça"], "six teen")
    assert shown.axes == ("token", "time")
    assert shown.words == said.words and len(shown.words) == 3
    assert "".join(shown.tokens).replace("▁", " ").strip() == "six seventeen ça"
    begins = [token.startswith("▁") for token in shown.tokens]
    assert shown.token_words == tuple(np.cumsum(begins) - 1)
    np.testing.assert_allclose(shown.sound, sound, rtol=1e-6)
    if ctc:
        np.testing.assert_allclose(shown.posteriors, np.exp(said.log_probs), rtol=1e-5)
        assert len(shown.outputs) == units.vocabulary_size + 1 and shown.outputs[-1] == "blank"
    else:
        assert shown.posteriors is None and shown.outputs == ()
    if attention:
        rows = [said.weights[np.array(shown.token_words) == i].mean(0) for i in range(3)]
        np.testing.assert_allclose(shown.map.weights, rows, rtol=1e-5)
        assert shown.map.words == ("six", "seventeen", "ça") and shown.map.axes == ("word", "time")
    else:
        assert shown.map is None


def test_units_have_the_names_that_their_tokenizer_gives_them(units):
    names = unit_names(units, range(units.vocabulary_size))
    assert names == tuple(units._model.id_to_token(i) for i in range(units.vocabulary_size))
    assert names[:4] == ("[PAD]", "[START]", "[END]", "[UNK]") and "▁six" in names


def test_bytes_have_names_too():
    tokenizer = Tokenizer.train(["the small dog"] * 3, 300)
    ids = tokenizer.encode(["the é dog"])[0][1:-1]
    assert unit_names(tokenizer, ids) == ("▁the", "▁", "\ufffd", "\ufffd", "▁dog")


@pytest.mark.parametrize(
    "words, reference, instead, missed",
    [
        ("a b c", "a b c", [None] * 3, "000"),
        ("a x c", "a b c", [None, "b", None], "010"),
        ("a b c", "a c", [None, "", None], "00"),
        ("a c", "a b c", [None, None], "010"),
        ("x y", "b", ["", "b"], "1"),
        ("", "b c", [], "11"),
        ("a", "", [None], ""),
        ("", "", [], ""),
    ],
)
def test_where_a_transcript_differs(words, reference, instead, missed):
    found, gone = errors(words.split(), reference)
    if words == "x y":  # Either of two alignments of the same cost.
        assert sorted(found) == instead
    else:
        assert found == instead
    assert gone == [digit == "1" for digit in missed]


def test_a_word_with_a_space_counts_as_two():
    assert errors(["a\xa0b", "c", "e"], " a b   x e ") == (
        [None, "x", None],
        [False, False, True, False],
    )


@pytest.mark.parametrize(
    "words, reference, instead, missed",
    [
        ("Hello, world!", "HELLO WORLD", [None] * 2, "00"),
        ("It's twenty-one - yes.", "ITS TWENTY ONE YES", ["ITS", None, None, None], "1000"),
        ("it's TWENTY one", "it\u2019s twenty-two", [None, None, "twenty-two"], "01"),
        ("twenty-two now", "twenty one now", ["twenty one", None], "010"),
        ("(laughs) yes", "Yes.", ["", None], "0"),
        ("one two", "...", [None, None], "0"),
    ],
)
def test_errors_are_marked_as_they_are_scored(words, reference, instead, missed):
    found, gone = errors(words.split(), reference, word_error_rate.normalize)
    assert (found, gone) == (instead, [digit == "1" for digit in missed])
    if reference != "...":
        texts = [word_error_rate.normalize(text) for text in (words, reference)]
        rate = word_error_rate.score(texts[:1], texts[1:])["wer"]
        assert (rate == 0) == (set(found) == {None} and not any(gone))


def test_scripts_without_spaces_differ_by_character():
    assert errors(["我", "爱上", "海"], "我爱北海 x") == ([None, "北", None], [True, True])


def test_loudness_is_from_noise_to_the_loudest():
    log_mel = np.full((100, 5), -20.0)
    log_mel[40:] = np.log(1e-3)
    log_mel[50, 2] = 0
    loudness = SpeechMap(log_mel).loudness
    assert loudness[50, 2] == 1 and loudness[0, 0] == 0
    assert loudness[60, 0] == pytest.approx(0.5)  # 30 of 60 dB below.
    assert not SpeechMap(np.full((3, 5), -23.0)).loudness.any()


def test_names_must_fit():
    log_mel = np.zeros((11, 5))
    weights, posteriors = spread(3, 7), spread(7, 5)
    SpeechMap(log_mel, (), "abc", (-1, -1, -1), weights, posteriors=posteriors, outputs="abcde")
    wrong = [
        {"tokens": "ab", "token_words": (0, 0), "weights": weights},
        {"tokens": "abc", "token_words": (0, 0), "weights": weights},
        {"tokens": "abc", "token_words": (0, 0, 0), "weights": weights[0]},
        {"posteriors": posteriors, "outputs": "abcd"},
        {"tokens": "abc"},
    ]
    for fields in wrong:
        with pytest.raises(ValueError, match="A token needs a name"):
            SpeechMap(log_mel, **fields)
    for shape in ((0, 5), (5, 0), (5,)):
        with pytest.raises(ValueError, match="A spectrogram has frames and bands"):
            SpeechMap(np.zeros(shape))


@pytest.mark.parametrize("attention, ctc", [(True, True), (True, False), (False, True)])
def test_arrays(units, attention, ctc):
    log_mel = np.random.default_rng(3).normal(size=(123, 7))
    said = heard(units, "six teen", attention=attention, ctc=ctc)
    shown = speech_map(said, units, log_mel, name="a.wav")
    arrays = shown.arrays()
    assert str(arrays.pop("name")) == "a.wav"
    assert arrays.pop("words").tolist() == ["six", "teen"]
    assert tuple(arrays.pop("tokens")) == shown.tokens
    np.testing.assert_allclose(arrays.pop("word_times"), [[0, 0.08], [0.1, 0.18]], rtol=1e-6)
    np.testing.assert_array_equal(arrays.pop("log_mel"), shown.log_mel)
    if attention:
        np.testing.assert_array_equal(arrays.pop("weights"), shown.map.weights)
        np.testing.assert_array_equal(arrays.pop("token_weights"), said.weights)
        assert arrays.pop("axes").tolist() == ["word", "time"]
    if ctc:
        np.testing.assert_array_equal(arrays.pop("posteriors"), shown.posteriors)
        assert tuple(arrays.pop("outputs")) == shown.outputs
    assert arrays == {}


def test_arrays_of_no_words():
    arrays = SpeechMap(np.zeros((11, 5))).arrays()
    assert set(arrays) == {"name", "words", "word_times", "log_mel", "tokens"}
    assert arrays["word_times"].shape == (0, 2)
