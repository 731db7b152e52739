"""MixUp and CutMix: the targets say what the pixels hold."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.images import mixing

B, H, W, C, K = 307, 17, 13, 3, 5
SEED = [1, 8]


@pytest.fixture(scope="module")
def batch():
    """Picture i is everywhere i; so is its only class, of as many classes as pictures."""
    images = tf.tile(tf.range(B, dtype=tf.float32)[:, None, None, None], [1, H, W, C])
    return images, tf.eye(B)


def parts(targets):
    """The part of each picture that is its own; the rest must be that of the next."""
    targets = targets.numpy()
    own = targets.diagonal()
    expected = own[:, None] * np.eye(B) + (1 - own)[:, None] * np.roll(np.eye(B), -1, axis=0)
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    return own


class TestMixUp:
    def test_pixels_and_targets_have_the_same_shares(self, batch):
        images, targets = mixing.mixup(*batch, SEED, 0.4)
        own = parts(targets)
        numbers = np.arange(B)
        expected = own * numbers + (1 - own) * np.roll(numbers, -1)
        np.testing.assert_allclose(images[:, 3, 2, 1], expected, rtol=1e-4, atol=1e-4)
        assert np.ptp(images.numpy(), axis=(1, 2, 3)).max() == 0

    @pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
    def test_shares_are_of_a_beta_distribution(self, batch, alpha):
        shares = np.concatenate(
            [parts(mixing.mixup(*batch, [seed, 0], alpha)[1]) for seed in range(4)]
        )
        assert abs(shares.mean() - 0.5) < 0.04
        assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


class TestCutMix:
    def test_targets_go_by_the_area_that_is_seen(self, batch):
        images, targets = mixing.cutmix(*batch, SEED, 1.0)
        own = parts(targets)
        kept = images[..., 0].numpy() == np.arange(B)[:, None, None]
        np.testing.assert_allclose(kept.mean(axis=(1, 2)), own, atol=1e-6)
        for number, picture in enumerate(images.numpy()):
            assert set(np.unique(picture)) <= {number, (number + 1) % B}

    def test_the_part_is_a_rectangle(self, batch):
        images, _ = mixing.cutmix(*batch, SEED, 1.0)
        for number, picture in enumerate(images[..., 0].numpy()):
            inside = picture != number
            rows, columns = inside.any(axis=1), inside.any(axis=0)
            assert (inside == rows[:, None] & columns[None]).all()
            for side in (rows, columns):
                assert np.abs(np.diff(np.flatnonzero(side))).max(initial=1) == 1

    def test_the_rectangle_comes_everywhere(self, batch):
        cut = np.mean(
            [
                mixing.cutmix(*batch, [seed, 0], 1.0)[0][..., 0].numpy()
                != np.arange(B)[:, None, None]
                for seed in range(4)
            ],
            axis=(0, 1),
        )
        assert cut.min() > 0.1 and cut.argmax() not in (0, H * W - 1)


class TestMix:
    def test_none(self, batch):
        for given, mixed in zip(batch, mixing.mix(*batch, SEED), strict=True):
            np.testing.assert_array_equal(given, mixed)

    def test_one_of_them(self, batch):
        first = tf.random.split(SEED, 3)
        for number, (name, function) in enumerate(
            [("mixup_alpha", mixing.mixup), ("cutmix_alpha", mixing.cutmix)]
        ):
            expected = function(*batch, first[number], 0.8)
            found = mixing.mix(*batch, SEED, **{name: 0.8})
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)

    def test_half_of_the_pictures_get_each(self, batch):
        images, targets = mixing.mix(*batch, SEED, 0.8, 1.0)
        seeds = tf.random.split(SEED, 3)
        over, over_targets = mixing.mixup(*batch, seeds[0], 0.8)
        cut, cut_targets = mixing.cutmix(*batch, seeds[1], 1.0)
        is_over = (images == over).numpy().all(axis=(1, 2, 3))
        is_cut = (images == cut).numpy().all(axis=(1, 2, 3))
        assert (is_over | is_cut).all()
        assert 0.4 < is_over.mean() < 0.6
        for mine, theirs in ((is_over & ~is_cut, over_targets), (is_cut & ~is_over, cut_targets)):
            np.testing.assert_array_equal(targets.numpy()[mine], theirs.numpy()[mine])

    def test_targets_stay_distributions_and_the_seed_decides(self):
        images = tf.random.stateless_uniform([B, H, W, C], [0, 0], 0, 255)
        targets = tf.one_hot(tf.range(B) % K, K)
        one, again, other = (
            mixing.mix(images, targets, seed, 0.2, 1.0) for seed in ([1, 2], [1, 2], [1, 3])
        )
        np.testing.assert_allclose(tf.reduce_sum(one[1], axis=1), 1, atol=1e-6)
        for first, second, third in zip(one, again, other, strict=True):
            np.testing.assert_array_equal(first, second)
            assert (first.numpy() != third.numpy()).any()

    def test_a_batch_of_one_stays(self):
        images, targets = tf.ones([1, 4, 4, 1]), tf.constant([[0.0, 1.0]])
        mixed, mixed_targets = mixing.mix(images, targets, SEED, 0.8, 1.0)
        np.testing.assert_allclose(mixed, images, atol=1e-6)
        np.testing.assert_allclose(mixed_targets, targets, atol=1e-6)
