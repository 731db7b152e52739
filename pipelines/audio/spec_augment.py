"""SpecAugment and noise: what changes a spectrogram at random but not the words in it.

Plain `tf` ops for one utterance, for the inside of `tf.data`; the same seed gives the same numbers.
"""

import librosa
import numpy as np
import tensorflow as tf

from pipelines.audio.audio_files import RATE
from pipelines.audio.log_mel import FFT, FILTERS, FLOOR, NUMBER_OF_BINS, WINDOW

LARGEST_SHARE = 0.2  # of an utterance that one time mask may cover
STEEPEST = 2.0  # of the noise: its power falls with up to this power of the frequency (brown)
FLATTEST = -1.0  # or rises with the frequency (blue)


def spec_augment(
    features,
    frames,
    seed,
    time_masks=2,
    time_width=40,
    frequency_masks=2,
    frequency_width=27,
    time_warp=5,
):
    """Warps the time of a spectrogram and masks some of its frames and bands (Park et al., 2019).

    Masked is what becomes 0, the mean of normalised features.

    Args:
        features: `(F, D)`, float32, normalised.
        frames: How many of the `F` frames are no padding; padding stays as it is, but for the
            bands that are masked.
        seed: `(2,)` integers.
        time_masks: How many runs of frames are masked.
        time_width: The most frames of a run, and never more than a fifth of `frames`.
        frequency_masks: How many runs of bands are masked.
        frequency_width: The most bands of a run.
        time_warp: The most frames by which a random one is moved; those before and after it are
            stretched or squeezed. 0 for none; an utterance of at most twice as many is not warped.

    Returns:
        As `features`.

    References:
        - [Park et al., 2019](https://arxiv.org/abs/1904.08779)
    """
    seeds = tf.random.split(seed, 3)
    features = tf.convert_to_tensor(features)
    if time_warp:
        features = _warp(features, frames, seeds[0], time_warp)
    widest = tf.cast(LARGEST_SHARE * tf.cast(frames, tf.float32), tf.int32)
    rows = _runs(
        tf.shape(features)[0], frames, seeds[1], time_masks, tf.minimum(time_width, widest)
    )
    bands = features.shape[1]
    columns = _runs(bands, bands, seeds[2], frequency_masks, min(frequency_width, bands))
    return tf.where(rows[:, None] | columns[None], 0.0, features)


def add_noise(log_mel, seed, low_db, high_db):
    """Adds steady noise of a random colour to a log-mel spectrogram.

    The powers of signals that have nothing to do with one another add up, so that no samples are
    needed. The colours go from blue to brown, evenly in the slope of the spectrum; the power of a
    band varies from frame to frame as that of Gaussian noise does.

    Args:
        log_mel: `(F, 80)`, as `log_mel.log_mel` computes it: before normalisation.
        seed: `(2,)` integers.
        low_db: The least ratio of the powers of speech and noise, over the whole utterance, in dB.
        high_db: The greatest.

    Returns:
        As `log_mel`.
    """
    seeds = tf.random.split(seed, 3)
    power = tf.exp(log_mel)
    slope = tf.random.stateless_uniform([], seeds[0], FLATTEST, STEEPEST)
    decibels = tf.random.stateless_uniform([], seeds[1], low_db, high_db)
    colour = tf.linalg.matvec(FILTERS, tf.pow(_FREQUENCIES, -slope), transpose_a=True)
    flicker = _DEVIATIONS * tf.random.stateless_normal(tf.shape(log_mel), seeds[2])
    noise = colour * tf.exp(flicker - _DEVIATIONS**2 / 2)
    ratio = _total(power) / (_total(noise) * tf.pow(10.0, decibels / 10))
    return tf.math.log(tf.maximum(power + ratio * noise, FLOOR))


def _warp(features, frames, seed, most):
    """Moves a random frame by up to `most`, and all others with it, linearly up to both ends."""
    seeds = tf.random.split(seed)
    frames = tf.cast(frames, tf.float32)
    fits = frames > 2 * most
    centre = tf.random.stateless_uniform([], seeds[0], float(most), tf.maximum(frames - most, most))
    moved = centre + tf.random.stateless_uniform([], seeds[1], -float(most), float(most))
    last = frames - 1
    moved = tf.clip_by_value(moved, 1.0, tf.maximum(last - 1, 1.0))
    places = tf.range(tf.cast(tf.shape(features)[0], tf.float32))
    before = places * centre / moved
    after = last - (last - places) * (last - centre) / (last - moved)
    sources = tf.where(places <= moved, before, after)
    sources = tf.where(fits & (places <= last), sources, places)
    lower = tf.floor(sources)
    share = (sources - lower)[:, None]
    lower = tf.cast(lower, tf.int32)
    upper = tf.minimum(lower + 1, tf.shape(features)[0] - 1)
    return (1 - share) * tf.gather(features, lower) + share * tf.gather(features, upper)


def _runs(size, within, seed, count, widest):
    """Where `count` random runs of 0 to `widest` are, among the first `within`: `(size,)`."""
    shares = tf.random.stateless_uniform([2, count], seed)
    widths = tf.floor(shares[0] * tf.cast(widest + 1, tf.float32))
    starts = tf.floor(shares[1] * (tf.cast(within, tf.float32) - widths + 1))
    places = tf.range(tf.cast(size, tf.float32))[:, None]
    return tf.reduce_any((places >= starts) & (places < starts + widths), axis=1)


def _total(power):
    """The mean over time of the power of all bands together.

    Triangles of equal area weigh the narrow bands more; times their widths they add up to one.
    """
    return tf.reduce_mean(tf.linalg.matvec(power, _WIDTHS))


def _deviations():
    """Standard deviation of the logarithm of each band's power in Gaussian noise, `(80,)`.

    That of one frequency is distributed exponentially, and the window makes neighbours alike: a
    band holds as many independent ones as it is wide.
    """
    window = np.hanning(WINDOW + 1)[:WINDOW] ** 2
    alike = np.abs(np.fft.fft(window, FFT) / window.sum()) ** 2
    places = np.arange(len(FILTERS))
    covariances = alike[np.abs(places[:, None] - places)]
    variances = np.einsum("jb,jk,kb->b", FILTERS, covariances, FILTERS)
    return np.sqrt(np.log1p(variances / FILTERS.sum(axis=0) ** 2)).astype("float32")


_DEVIATIONS = _deviations()
_EDGES = librosa.mel_frequencies(NUMBER_OF_BINS + 2, fmin=0, fmax=RATE / 2)
_WIDTHS = ((_EDGES[2:] - _EDGES[:-2]) / 2).astype("float32")
# Of the bins of the transform, in kHz; the lowest is no zero, whose negative powers have no end.
_FREQUENCIES = (np.maximum(np.arange(FFT // 2 + 1), 1) * (RATE / FFT / 1000)).astype("float32")
