import numpy as np
import pytest
from scipy.signal import welch

from pipelines.builtin.spoken_numbers import room_acoustics

RATE = 16_000


@pytest.fixture
def rng():
    return np.random.default_rng(13)


@pytest.mark.parametrize(("decay", "ratio"), [(0.13, 0.0), (0.47, 11.0)])
def test_the_answer_of_a_room_to_a_click(rng, decay, ratio):
    click = np.zeros(RATE)
    click[0] = 1
    heard = room_acoustics.reverberate(click, RATE, decay, ratio, rng)
    assert heard[0] == pytest.approx(1)
    np.testing.assert_allclose(heard[1:79], 0, atol=1e-9)
    assert 10 * np.log10(1 / np.sum(heard[1:] ** 2)) == pytest.approx(ratio, abs=1e-6)
    parts = heard[80 : round(decay * RATE)]
    parts = parts[: len(parts) // 20 * 20].reshape(20, -1)
    levels = 10 * np.log10(np.sum(parts**2, axis=1))
    slope = np.polyfit(np.arange(20) * parts.shape[1] / RATE, levels, 1)[0]
    assert slope * decay == pytest.approx(-60, abs=4)


def test_reverberation_is_cut_off_where_the_sound_ends_and_can_be_next_to_nothing(rng):
    sound = rng.standard_normal(1_009)
    heard = room_acoustics.reverberate(sound, RATE, 0.3, 200, rng)
    np.testing.assert_allclose(heard, sound, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_power_of_noise_falls_with_the_frequency(rng, exponent):
    noise = room_acoustics.colored_noise(10 * RATE + 7, RATE, exponent, rng)
    assert len(noise) == 10 * RATE + 7
    frequencies, power = welch(noise, RATE, nperseg=2_048)
    band = (frequencies > 100) & (frequencies < 6_000)
    slope = np.polyfit(np.log(frequencies[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.05)


@pytest.mark.parametrize("ratio", [-3.0, 10.0, 37.0])
def test_the_ratio_of_signal_to_noise(rng, ratio):
    samples, noise = 0.3 * rng.standard_normal((2, 997))
    mixed = room_acoustics.add_noise(samples, noise, ratio)
    added = mixed - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(added**2)) == pytest.approx(ratio)
    np.testing.assert_allclose(added / noise, (added / noise)[0])


def test_the_level_of_the_peak(rng):
    samples = rng.standard_normal(101)
    loud = room_acoustics.at_peak(samples, -20)
    assert np.abs(loud).max() == pytest.approx(0.1)
    np.testing.assert_allclose(loud / samples, (loud / samples)[0])
