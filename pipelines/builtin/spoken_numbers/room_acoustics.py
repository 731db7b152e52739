"""What a room and a microphone add to a voice: reverberation, noise, level."""

import numpy as np
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve

_DIRECT_SECONDS = 0.005  # until the first reflection
_LOWEST_HERTZ = 20


def reverberate(
    samples: np.ndarray, rate: int, decay: float, ratio: float, rng: np.random.Generator
) -> np.ndarray:
    """Adds the reverberation of a room: noise that decays exponentially (Moorer, 1979).

    Args:
        samples: `(N,)`.
        rate: Samples a second.
        decay: Seconds in which it falls by 60 dB, often called RT60.
        ratio: Energy of the direct sound over that of the reverberation, in dB.
        rng: Where the room's noise comes from.

    Returns:
        `(N,)`; what would sound on after that is cut off.
    """
    time = np.arange(round(decay * rate)) / rate
    response = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    response[time < _DIRECT_SECONDS] = 0
    response *= np.sqrt(10 ** (-ratio / 10) / np.sum(response**2))
    response[0] = 1
    return fftconvolve(samples, response)[: len(samples)]


def colored_noise(count: int, rate: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Returns Gaussian noise `(count,)` whose power falls with the frequency.

    Args:
        count: Number of samples.
        rate: Samples a second.
        exponent: Power is as the frequency to minus this: 0 is white noise, 1 pink, 2 brown.
        rng: Where it comes from.
    """
    length = next_fast_len(count, real=True)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    spectrum *= np.maximum(frequencies, _LOWEST_HERTZ) ** (-exponent / 2)
    return np.fft.irfft(spectrum, length)[:count]


def add_noise(samples: np.ndarray, noise: np.ndarray, ratio: float) -> np.ndarray:
    """Adds noise at a ratio of signal to noise.

    Args:
        samples: `(N,)`.
        noise: `(N,)`, at any level.
        ratio: Energy of the samples over that of the noise that is added, in dB.
    """
    scale = np.sqrt(np.sum(samples**2) / np.sum(noise**2) / 10 ** (ratio / 10))
    return samples + scale * noise


def at_peak(samples: np.ndarray, level: float) -> np.ndarray:
    """Returns samples whose largest has a level in dB below full scale, as in -6."""
    return samples * (10 ** (level / 20) / np.max(np.abs(samples)))
