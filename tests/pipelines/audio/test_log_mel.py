import librosa
import numpy as np
import pytest
import tensorflow as tf

from pipelines.audio import log_mel
from pipelines.audio.audio_files import RATE
from pipelines.audio.log_mel import NUMBER_OF_BINS

# The reference warns of what is shorter than a window, and computes it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=512 is too large")

SECONDS = np.arange(2 * RATE) / RATE


def noise(length, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, length)


def voice(pitch):
    """Harmonics of a gliding pitch under two formants that move."""
    pitch = pitch * (1 + 0.3 * np.sin(2 * np.pi * 1.5 * SECONDS))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    first, second = 500 + 200 * np.sin(3 * SECONDS), 1500 + 700 * np.cos(2 * SECONDS)
    sound = 0
    for number in range(1, 40):
        frequency = number * pitch
        formants = [np.exp(-(((frequency - f) / 150) ** 2)) for f in (first, second)]
        sound = sound + (frequency < 7900) * (0.01 + sum(formants)) * np.sin(number * phase)
    return sound / np.abs(sound).max()


SOUNDS = {
    "noise": noise(30011),
    "quiet noise": 1e-4 * noise(4801),
    "a sine": np.sin(2 * np.pi * 440 * SECONDS),
    "a sweep": np.sin(2 * np.pi * (100 * SECONDS + 1800 * SECONDS**2)),
    "a voice": voice(130),
    "a quiet voice": 0.01 * voice(210),
    "an offset": np.ones(5003),
    "a click": np.eye(1, 3001, 1500)[0],
    "silence": np.zeros(1601),
    "one sample": np.ones(1),
    "a sample less than a hop": noise(159),
    "a hop": noise(160),
    "a sample less than a window": noise(399),
}


def reference(samples):
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=16000,
        n_fft=512,
        win_length=400,
        hop_length=160,
        n_mels=80,
        power=2,
        center=True,
        pad_mode="constant",
    )
    return np.log(np.maximum(power, 1e-10)).T


@pytest.mark.parametrize("name", SOUNDS)
def test_equal_to_librosa(name):
    samples = SOUNDS[name].astype("float32")
    found = log_mel.log_mel(tf.constant(samples)).numpy()
    assert found.dtype == np.float32
    assert found.shape == (log_mel.frames(len(samples)), NUMBER_OF_BINS)
    # A band of a sweep holds a millionth of its power: ours and theirs agree even there.
    np.testing.assert_allclose(found, reference(samples), rtol=0, atol=1e-4)


def test_a_batch_is_each_alone():
    sounds = np.stack([noise(1237, seed) for seed in range(6)]).astype("float32")
    found = log_mel.log_mel(tf.constant(sounds.reshape(2, 3, 1237))).numpy()
    assert found.shape == (2, 3, log_mel.frames(1237), NUMBER_OF_BINS)
    for one, sound in zip(found.reshape(6, -1, NUMBER_OF_BINS), sounds, strict=True):
        np.testing.assert_allclose(one, reference(sound), rtol=0, atol=1e-4)


def test_any_length_inside_a_dataset():
    sounds = [noise(length).astype("float32") for length in (1, 719, 1931)]
    dataset = tf.data.Dataset.from_generator(
        lambda: sounds, output_signature=tf.TensorSpec([None], tf.float32)
    ).map(log_mel.log_mel)
    assert dataset.element_spec.shape == (None, NUMBER_OF_BINS)
    for found, sound in zip(dataset, sounds, strict=True):
        np.testing.assert_allclose(found, reference(sound), rtol=0, atol=1e-4)


def test_a_frame_is_ten_milliseconds():
    assert log_mel.FRAME_SECONDS == 0.01
    assert [log_mel.frames(n) for n in (1, 159, 160, 16000)] == [1, 1, 2, 101]
