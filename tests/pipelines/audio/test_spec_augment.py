import numpy as np
import pytest
import tensorflow as tf

from pipelines.audio.log_mel import log_mel
from pipelines.audio.spec_augment import add_noise, spec_augment

F, D = 211, 80
OFF = {"time_masks": 0, "frequency_masks": 0, "time_warp": 0}


def features(frames=F, seed=0):
    return np.random.default_rng(seed).uniform(1, 2, (frames, D)).astype("float32")


def augmented(count, array, frames=None, **options):
    """The results of so many seeds."""
    function = tf.function(
        lambda seed: spec_augment(array, len(array) if frames is None else frames, seed, **options)
    )
    return [function(tf.constant([3, number])).numpy() for number in range(count)]


def runs(masked):
    """Lengths of the runs of True in `(n,)`."""
    edges = np.flatnonzero(np.diff(np.r_[False, masked, False]))
    return edges[1::2] - edges[::2]


class TestMasks:
    @pytest.mark.parametrize(("frames", "widest"), [(F, 40), (101, 20), (4, 0), (1, 0)])
    def test_one_time_mask(self, frames, widest):
        array = features(frames)
        widths, firsts = [], []
        for found in augmented(300, array, **{**OFF, "time_masks": 1}):
            masked = (found == 0).all(axis=1)
            np.testing.assert_array_equal(found[~masked], array[~masked])
            assert len(runs(masked)) <= 1
            widths.append(masked.sum())
            firsts += np.flatnonzero(masked)[:1].tolist()
        # Every width up to the widest is as likely as any other, and so is every place.
        assert (min(widths), max(widths)) == (0, widest)
        if widest:
            assert np.mean(widths) == pytest.approx(widest / 2, rel=0.15)
            assert min(firsts) < 0.05 * frames and max(firsts) > 0.9 * (frames - widest)

    def test_one_frequency_mask(self):
        array, widths, ever = features(), [], np.zeros(D, bool)
        for found in augmented(300, array, **{**OFF, "frequency_masks": 1}):
            masked = (found == 0).all(axis=0)
            np.testing.assert_array_equal(found[:, ~masked], array[:, ~masked])
            assert len(runs(masked)) <= 1
            widths.append(masked.sum())
            ever |= masked
        assert (min(widths), max(widths)) == (0, 27) and ever.all()
        assert np.mean(widths) == pytest.approx(13.5, rel=0.1)

    def test_several_masks(self):
        array, most_rows, most_columns = features(), 0, 0
        for found in augmented(100, array, time_warp=0):
            rows, columns = (found == 0).all(axis=1), (found == 0).all(axis=0)
            np.testing.assert_array_equal(found, np.where(rows[:, None] | columns[None], 0, array))
            most_rows = max(most_rows, len(runs(rows)))
            most_columns = max(most_columns, len(runs(columns)))
        assert most_rows == most_columns == 2

    def test_padding_is_not_masked_instead(self):
        array = features()
        for found in augmented(100, array, frames=41, **{**OFF, "time_masks": 2, "time_width": 7}):
            np.testing.assert_array_equal(found[41:], array[41:])
            assert runs((found == 0).all(axis=1)).sum() <= 14

    def test_nothing_to_do(self):
        array = features()
        np.testing.assert_array_equal(augmented(1, array, **OFF)[0], array)


class TestTimeWarp:
    WARP = {**OFF, "time_warp": 5}  # noqa: RUF012

    def test_a_ramp_becomes_two(self):
        """Where the features are the time itself, the result tells where each frame came from."""
        ramp = np.repeat(np.arange(F, dtype="float32")[:, None], D, axis=1)
        shifts = []
        for found in augmented(100, ramp, **self.WARP):
            np.testing.assert_allclose(found, np.repeat(found[:, :1], D, axis=1))
            places = found[:, 0]
            assert places[0] == 0 and places[-1] == pytest.approx(F - 1, abs=1e-3)
            steps = np.diff(places)
            assert (steps > 0).all()
            # Two straight lines: all steps but that over the corner are one of two.
            corner = np.abs(places - np.arange(F)).argmax()
            np.testing.assert_allclose(steps[: corner - 1], steps[0], atol=1e-3)
            np.testing.assert_allclose(steps[corner + 1 :], steps[-1], atol=1e-3)
            shifts.append((places - np.arange(F))[corner])
        assert max(np.abs(shifts)) <= 5
        assert min(shifts) < -3 and max(shifts) > 3

    @pytest.mark.parametrize("frames", [1, 2, 10])
    def test_a_short_one_stays(self, frames):
        array = features(frames)
        for found in augmented(5, array, **self.WARP):
            np.testing.assert_array_equal(found, array)

    def test_the_shortest_that_is_warped(self):
        array = features(11)
        for found in augmented(50, array, **self.WARP):
            assert np.isfinite(found).all()
            np.testing.assert_allclose(found[[0, -1]], array[[0, -1]], atol=1e-3)

    def test_padding_stays(self):
        array = features()
        for found in augmented(20, array, frames=97, **self.WARP):
            np.testing.assert_array_equal(found[97:], array[97:])
            assert (found[:97] != array[:97]).any()


def test_the_seed_alone_decides():
    array = features()
    first, second = augmented(2, array), augmented(2, array)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first[0] != first[1]).any()


def noisy(array, number, low, high):
    return add_noise(tf.constant(array), [7, number], low, high).numpy()


class TestAddNoise:
    @pytest.mark.parametrize("decibels", [0.0, 10.0, 30.0])
    def test_decibels(self, decibels):
        """A flat spectrum: every band gives the ratio of powers, weighed by its width."""
        clean = np.full((997, D), 2.0, "float32")
        edges = _mel_edges()
        widths = edges[2:] - edges[:-2]
        for number in range(5):
            found = noisy(clean, number, decibels, decibels)
            power = (np.exp(found) - np.exp(clean)).mean(0) @ widths
            ratio = np.exp(2.0) * widths.sum() / power
            assert 10 * np.log10(ratio) == pytest.approx(decibels, abs=0.01)

    def test_the_ratio_is_drawn_between(self):
        clean = np.full((53, D), 2.0, "float32")
        edges = _mel_edges()
        widths = edges[2:] - edges[:-2]
        found = []
        for number in range(100):
            power = (np.exp(noisy(clean, number, 5.0, 20.0)) - np.exp(clean)).mean(0) @ widths
            found.append(10 * np.log10(np.exp(2.0) * widths.sum() / power))
        assert 5 <= min(found) < 6.5 and 18.5 < max(found) <= 20

    def test_the_ratio_is_that_of_samples(self):
        """Two noises of a known ratio: the weighed powers of their log-mels have it too."""
        rng = np.random.default_rng(0)
        samples = rng.normal(size=80021).astype("float32")
        edges = _mel_edges()
        powers = [
            np.exp(log_mel(tf.constant(gain * samples)).numpy()).mean(0) @ (edges[2:] - edges[:-2])
            for gain in (1, 0.1)
        ]
        assert powers[0] / powers[1] == pytest.approx(100, rel=1e-3)
        # Half of the weights add up to the power of the samples, times the energy of the window.
        energy = 256 * 150 * (samples**2).mean()
        assert powers[0] / 2 == pytest.approx(energy, rel=0.03)

    def test_it_flickers_as_real_noise_does(self):
        rng = np.random.default_rng(0)
        real = np.exp(log_mel(tf.constant(rng.normal(size=160 * 3001), tf.float32)).numpy()[3:-3])
        silence = np.full((3001, D), np.log(1e-3), "float32")
        added = np.exp(noisy(silence, 0, -60.0, -60.0))  # Next to nothing but noise.
        ours, theirs = (power.std(0) / power.mean(0) for power in (added, real))
        np.testing.assert_allclose(ours, theirs, rtol=0.15)

    def test_colours(self):
        """The slope of the mean spectrum, in decibels an octave: from about +3 to about -6."""
        silence = np.full((53, D), np.log(1e-3), "float32")
        edges = _mel_edges()
        kilohertz = edges[1:-1][10:] / 1000
        slopes = []
        for number in range(60):
            power = np.exp(noisy(silence, number, -60.0, -60.0)).mean(0)[10:]
            slopes.append(np.polyfit(np.log2(kilohertz), 10 * np.log10(power), 1)[0])
        assert -6.5 < min(slopes) < -4.5 and 2 < max(slopes) < 3.5

    def test_nothing_gets_quieter(self):
        clean = np.random.default_rng(0).uniform(-20, 5, (53, D)).astype("float32")
        found = noisy(clean, 1, 5.0, 40.0)
        assert (found >= clean - 1e-5).all() and (found > clean + 0.1).any()

    def test_silence(self):
        silence = np.full((7, D), np.log(1e-10), "float32")
        assert np.isfinite(noisy(silence, 0, 5.0, 40.0)).all()


def _mel_edges():
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    mels = np.linspace(0, 15 + np.log(8) / (np.log(6.4) / 27), D + 2)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
