from collections import Counter

import numpy as np
import pytest

from pipelines.audio import utterances
from pipelines.audio.normalization import Normalization
from pipelines.audio.utterances import Augmentation
from pipelines.data import buckets
from pipelines.text.tokenizer import END, START

D = 80
SECONDS = 6.1
NORMALIZATION = Normalization(np.full(D, 3, "float32"), np.full(D, 2, "float32"))


class Store:
    """As a `MelStore`: the features of an entry are its number, 100 times the frame, the band."""

    def __init__(self, sounds=97, speeds=(1.0,), longest=211):
        rng = np.random.default_rng(0)
        self.speeds = speeds
        lengths = 2 + (rng.beta(1, 3, sounds) * (longest - 2)).astype(int)
        self.frames = np.array([int(np.ceil(n / speed)) for n in lengths for speed in speeds])

    def __getitem__(self, entry):
        frames = np.arange(self.frames[entry])[:, None]
        return (entry + frames / 1000 + np.arange(D) / 100000).astype("float32")


def texts(count, longest=23):
    """Ids that tell which sound they belong to."""
    rng = np.random.default_rng(1)
    return [
        [START, 10 + number, *rng.integers(3, 9, rng.integers(0, longest)).tolist(), END]
        for number in range(count)
    ]


def epochs_of(store, tokens, count, seed=0, seconds=SECONDS, augment=None):
    drawn = utterances.training_batches(store, tokens, NORMALIZATION, seconds, seed, augment)
    batches, steps, examples = drawn.open(), drawn.steps, drawn.examples
    assert examples == len(tokens) - tokens.count(None)
    taken = list(batches.take(count * steps).as_numpy_iterator())
    return [taken[i : i + steps] for i in range(0, len(taken), steps)]


def utterances_of(epoch):
    """Entry and sound of each utterance of an epoch."""
    for inputs, _ in epoch:
        for features, tokens in zip(inputs["features"], inputs["tokens"], strict=True):
            yield round(float(2 * features[0, 0] + 3)), int(tokens[1]) - 10


class TestBatches:
    def test_content(self):
        store, tokens = Store(), texts(97)
        for inputs, labels in epochs_of(store, tokens, 1)[0]:
            assert inputs["features"].dtype == np.float32
            assert {inputs["frames"].dtype, inputs["tokens"].dtype} == {np.dtype("int32")}
            rows = zip(
                inputs["features"],
                inputs["frames"],
                inputs["tokens"],
                labels["attention"],
                labels["ctc"],
                strict=True,
            )
            for features, frames, given, attention, ctc in rows:
                number = given[1] - 10
                expected = (store[number] - 3) / 2
                assert frames == len(expected)
                np.testing.assert_allclose(features[:frames], expected, rtol=1e-6, atol=1e-6)
                assert not features[frames:].any()
                ids, width = tokens[number], len(given)
                assert given.tolist() == ids[:-1] + [0] * (width + 1 - len(ids))
                assert attention.tolist() == ids[1:] + [0] * (width + 1 - len(ids))
                assert ctc.tolist() == ids[1:-1] + [0] * (width + 2 - len(ids))

    def test_few_shapes_of_about_so_many_seconds(self):
        store, tokens = Store(), texts(97)
        taken = [inputs for epoch in epochs_of(store, tokens, 3) for inputs, _ in epoch]
        shapes = {(one["features"].shape, one["tokens"].shape) for one in taken}
        limits = buckets.limits(store.frames)
        assert sorted(features[1] for features, _ in shapes) == limits
        for (size, length, _), _ in shapes:
            least = max([0, *(limit for limit in limits if limit < length)])
            in_bucket = ((store.frames > least) & (store.frames <= length)).sum()
            assert size == min(610 // length, in_bucket)

    def test_an_utterance_longer_than_a_batch_is_alone(self):
        for inputs, _ in epochs_of(Store(sounds=7), texts(7), 1, seconds=0.01)[0]:
            assert len(inputs["features"]) == 1

    def test_an_epoch_is_every_utterance_once(self):
        """Where whole batches come out; the order is new each time."""
        store = Store(sounds=24)
        store.frames = np.array([5, 50] * 12)
        epochs = epochs_of(store, texts(24), 3, seconds=1.0)
        for epoch in epochs:
            assert [len(inputs["frames"]) for inputs, _ in epoch].count(2) == 6
            assert Counter(utterances_of(epoch)) == Counter((n, n) for n in range(24))
        assert len({tuple(utterances_of(epoch)) for epoch in epochs}) == 3

    def test_speeds(self):
        """An epoch is as long as without; as many as there are speeds hold every entry once."""
        store = Store(sounds=24, speeds=(0.9, 1.0, 1.1))
        store.frames = np.array([20, 10, 5] * 24)
        epochs = epochs_of(store, texts(24), 6, seconds=0.4)
        assert {len(epoch) for epoch in epochs} == {7}
        for start in (0, 3):
            found = [pair for epoch in epochs[start : start + 3] for pair in utterances_of(epoch)]
            assert Counter(found) == Counter((entry, entry // 3) for entry in range(72))

    def test_what_has_no_tokens_is_left_out(self):
        tokens = [None if number % 3 else ids for number, ids in enumerate(texts(97))]
        store = Store(speeds=(1.0, 0.8))
        found = {
            entry for epoch in epochs_of(store, tokens, 5) for entry, _ in utterances_of(epoch)
        }
        assert found == {entry for entry in range(194) if entry // 2 % 3 == 0}

    def test_hardly_any(self):
        for count in (1, 2):
            for epoch in epochs_of(Store(sounds=count), texts(count), 2):
                assert sum(len(inputs["frames"]) for inputs, _ in epoch) == count

    def test_tokens_of_other_sounds(self):
        with pytest.raises(ValueError, match=r"Expected the tokens of 97 recordings, received 96"):
            epochs_of(Store(), texts(96), 1)


class TestRepeatability:
    AUGMENT = Augmentation(noise_db=(5.0, 30.0))

    def taken(self, seed, augment=AUGMENT):
        (epoch,) = epochs_of(Store(sounds=13), texts(13), 1, seed, augment=augment)
        return [inputs["features"] for inputs, _ in epoch]

    @pytest.mark.parametrize("augment", [None, AUGMENT])
    def test_the_seed_fixes_all(self, augment):
        first, again, other = (self.taken(seed, augment) for seed in (1, 1, 2))
        for one, same in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, same)
        assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, other, strict=True))

    def test_any_seed(self):
        assert self.taken(2**32 - 1)


class TestAugmentation:
    def epochs(self, augment):
        """One utterance, four times, from a bucket of its own."""
        store = Store(sounds=1)
        store.frames = np.array([53])
        epochs = epochs_of(store, texts(1), 4, augment=augment)
        return [epoch[0][0]["features"][0] for epoch in epochs]

    def test_masks_are_drawn_anew(self):
        plain = self.epochs(None)
        found = self.epochs(Augmentation(time_warp=0))
        for one, clean in zip(found, plain, strict=True):
            np.testing.assert_array_equal(one[one != 0], clean[one != 0])
        assert len({(one == 0).tobytes() for one in found}) == 4

    def test_all_off(self):
        found = self.epochs(Augmentation(time_masks=0, frequency_masks=0, time_warp=0))
        for one, clean in zip(found, self.epochs(None), strict=True):
            np.testing.assert_array_equal(one, clean)

    def test_noise_comes_before_normalization(self):
        quiet = Augmentation(noise_db=(20.0, 20.0), time_masks=0, frequency_masks=0, time_warp=0)
        for one, clean in zip(self.epochs(quiet), self.epochs(None), strict=True):
            power, noise = np.exp(2 * clean + 3), np.exp(2 * one + 3) - np.exp(2 * clean + 3)
            assert (noise > -1e-5).all()
            assert 1e-3 < noise.sum() / power.sum() < 1e-1
