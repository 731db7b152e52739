"""Log-mel spectrograms, as speech recognition takes them, of plain `tf` operations."""

import librosa
import numpy as np
import tensorflow as tf

from pipelines.audio.audio_files import RATE

NUMBER_OF_BINS = 80
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
FFT = 512
FRAME_SECONDS = HOP / RATE
FLOOR = 1e-10  # of the power

# (FFT // 2 + 1, NUMBER_OF_BINS), float32; each triangle has the same area (Slaney).
FILTERS = np.ascontiguousarray(librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=NUMBER_OF_BINS).T)


def frames(samples):
    """How many frames so many samples have: one every `HOP` samples, centred there."""
    return 1 + samples // HOP


def log_mel(samples):
    """Computes the logarithm of the power in bands of the mel scale.

    The same numbers as `librosa.feature.melspectrogram` with a Hann window of 25 ms every 10 ms,
    zeros around the samples, and the natural logarithm of at least `FLOOR`.

    Args:
        samples: `(..., n)`, float32, `RATE` a second; the rank must be known.

    Returns:
        `(..., frames(n), NUMBER_OF_BINS)`, float32.
    """
    samples = tf.convert_to_tensor(samples, tf.float32)
    around = [[0, 0]] * (samples.shape.rank - 1) + [[WINDOW // 2, WINDOW // 2]]
    windows = tf.signal.frame(tf.pad(samples, around), WINDOW, HOP)
    # In float32 the rounding of a loud tone would drown the bands that are silent beside it.
    windows = tf.cast(windows, tf.float64) * tf.signal.hann_window(WINDOW, dtype=tf.float64)
    spectrum = tf.cast(tf.signal.rfft(windows, [FFT]), tf.complex64)
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    bands = tf.matmul(power, FILTERS)
    return tf.math.log(tf.maximum(bands, FLOOR))
