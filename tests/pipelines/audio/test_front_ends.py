"""Spectrograms of two kinds, cut, padded and counted."""

import itertools

import numpy as np
import pytest

from pipelines.audio import segments, whisper
from pipelines.audio.front_ends import LogMels, WhisperMels
from pipelines.audio.log_mel import log_mel
from pipelines.audio.normalization import Normalization

RATE, SECONDS = 16000, 2


class Extractor:
    """Stands in for KerasHub's: tells which samples it was given."""

    num_samples = SECONDS * RATE

    def __call__(self, samples):
        return np.asarray(samples).reshape(len(samples), -1, 160)


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, count).astype("float32")


@pytest.fixture
def log_mels():
    rng = np.random.default_rng(1)
    scale = Normalization(rng.normal(size=80).astype("float32"), np.full(80, 2, "float32"))
    return LogMels(scale, 1.0)


def test_log_mels_are_normalized_and_padded(log_mels):
    sounds = [log_mels.read(noise(count, count)) for count in (3001, 7919)]
    np.testing.assert_array_equal(sounds[0], np.asarray(log_mel(noise(3001, 3001))))
    inputs = log_mels.inputs(sounds, batch_size=3)
    assert inputs["frames"].tolist() == [19, 50, 1]
    assert inputs["features"].shape == (3, 64, 80)
    for features, sound in zip(inputs["features"], sounds, strict=False):
        expected = (sound - log_mels.normalization.mean) / 2
        np.testing.assert_allclose(features[: len(sound)], expected, rtol=1e-5)
        assert not features[len(sound) :].any()


def test_log_mels_are_cut_in_frames(log_mels):
    sound = log_mels.read(noise(3 * RATE))
    assert log_mels.pieces(sound) == segments.cut(sound, 100)


def test_whisper_hears_samples_and_silence_after_them():
    front_end = WhisperMels(Extractor(), 30.0)
    assert front_end.max_seconds == SECONDS  # No more than the extractor.
    sounds = [noise(count, count) for count in (3001, 32000)]
    assert front_end.read(sounds[0]) is sounds[0]
    features = front_end.inputs(sounds, batch_size=3)["features"].reshape(3, -1)
    np.testing.assert_array_equal(features[0, :3001], sounds[0])
    assert not features[0, 3001:].any()
    # What fills the batch up is another of the same, not silence.
    np.testing.assert_array_equal(features[1:], np.stack([sounds[1]] * 2))


@pytest.mark.parametrize("count", [1, 31999, 32000, 32001, 32159, 32161, 64000, 64001, 101159])
def test_whisper_is_given_pieces_without_gaps(count):
    front_end = WhisperMels(Extractor(), 30.0)
    pieces = front_end.pieces(noise(count))
    assert [pieces[0][0], pieces[-1][1]] == [0, count]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(pieces))
    assert all(0 < stop - start <= 32000 for start, stop in pieces)
    assert len(pieces) >= -(-count // 32000)
    # Pieces begin where a position does.
    assert all(start % front_end.steps == 0 for start, _ in pieces)


def test_whisper_is_cut_where_it_is_quiet():
    front_end, sound = WhisperMels(Extractor(), 30.0), noise(3 * RATE)
    sound[26000:31000] = 0
    (_, first), (second, _) = front_end.pieces(sound)
    assert first == second and 26000 <= first <= 31000


def test_what_is_saved_with_a_run(log_mels, tmp_path):
    log_mels.save(tmp_path)
    loaded = Normalization.load(tmp_path)
    np.testing.assert_allclose(loaded.mean, log_mels.normalization.mean)
    from keras_hub.layers import WhisperAudioConverter

    WhisperMels(WhisperAudioConverter(num_mels=7, max_audio_length=3), 30.0).save(tmp_path)
    assert whisper.load_extractor(tmp_path).num_samples == 48000
