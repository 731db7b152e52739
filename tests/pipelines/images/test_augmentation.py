"""Crops, mirror images and erased rectangles, checked pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.images import augmentation

B, H, W, C = 211, 7, 5, 3
SEED = [3, 5]


@pytest.fixture(scope="module")
def pictures():
    """No two pixels of the first picture are alike, and none is black."""
    values = 1 + np.arange(H * W * C).reshape(H, W, C)
    return np.stack([(values + i) % 254 + 1 for i in range(B)]).astype("uint8")


def windows(picture, padding):
    """All that may be cut out of a picture."""
    padded = np.pad(picture, [(padding, padding), (padding, padding), (0, 0)])
    for y in range(2 * padding + 1):
        for x in range(2 * padding + 1):
            yield (y, x), padded[y : y + H, x : x + W]


class TestCropAndFlip:
    def test_nothing_to_do(self, pictures):
        same = augmentation.crop_and_flip(tf.constant(pictures), SEED)
        np.testing.assert_array_equal(same, pictures)

    def test_every_crop_is_one_of_the_padded_picture_and_all_come(self, pictures):
        cropped = augmentation.crop_and_flip(tf.constant(pictures), SEED, padding=2).numpy()
        assert cropped.dtype == np.uint8
        found = []
        for one, picture in zip(cropped, pictures, strict=True):
            found += [at for at, cut in windows(picture, 2) if (cut == one).all()]
        assert len(found) == B
        assert len(set(found)) == 25

    def test_half_are_mirrored(self, pictures):
        flipped = augmentation.crop_and_flip(tf.constant(pictures), SEED, flip=True).numpy()
        mirrored = (flipped == pictures[:, :, ::-1]).all(axis=(1, 2, 3))
        assert (mirrored ^ (flipped == pictures).all(axis=(1, 2, 3))).all()
        assert 0.4 < mirrored.mean() < 0.6

    def test_both_at_once(self, pictures):
        images = tf.constant(pictures)
        both = augmentation.crop_and_flip(images, SEED, padding=2, flip=True).numpy()
        cropped = augmentation.crop_and_flip(images, SEED, padding=2).numpy()
        straight = (both == cropped).all(axis=(1, 2, 3))
        assert 0.4 < straight.mean() < 0.6
        np.testing.assert_array_equal(both[~straight], cropped[~straight][:, :, ::-1])

    def test_the_size_of_the_batch_may_be_unknown(self, pictures):
        @tf.function(input_signature=[tf.TensorSpec((None, H, W, C), tf.uint8)])
        def crop(images):
            return augmentation.crop_and_flip(images, SEED, 2, True)

        expected = augmentation.crop_and_flip(tf.constant(pictures[:3]), SEED, 2, True)
        np.testing.assert_array_equal(crop(pictures[:3]), expected)


class TestErasing:
    def erase(self, share, size=32, **options):
        images = tf.fill([B, size, size, 2], -1.0)
        erased = augmentation.random_erasing(images, SEED, share, **options).numpy()
        return (erased != -1).any(axis=-1), erased

    def test_a_rectangle_of_noise(self):
        where, erased = self.erase(1.0)
        for inside, picture in zip(where, erased, strict=True):
            rows, columns = inside.any(axis=1), inside.any(axis=0)
            assert (inside == rows[:, None] & columns[None]).all()
            for side in (rows, columns):
                assert np.abs(np.diff(np.flatnonzero(side))).max(initial=1) == 1
            noise = picture[inside]
            assert noise.min() >= 0 and noise.max() <= 255
        every = erased[where]
        assert abs(every.mean() - 127.5) < 2 and abs(every.std() - 255 / np.sqrt(12)) < 2

    def test_area_and_aspect(self):
        where, _ = self.erase(1.0, size=101, area=(0.1, 0.2), aspect=(0.5, 2.0))
        area = where.mean(axis=(1, 2))
        assert 0.095 < area.min() < 0.12 and 0.18 < area.max() < 0.205
        aspect = where.any(axis=2).sum(axis=1) / where.any(axis=1).sum(axis=1)
        assert 0.48 < aspect.min() < 0.6 and 1.7 < aspect.max() < 2.1

    def test_the_share_of_pictures(self):
        assert not self.erase(0.0)[0].any()
        assert 0.15 < self.erase(0.25)[0].any(axis=(1, 2)).mean() < 0.35

    def test_a_rectangle_higher_than_the_picture_is_cut(self):
        where, _ = self.erase(1.0, size=11, area=(0.9, 0.9), aspect=(9.0, 9.0))
        assert where.any(axis=2).all() and where.any(axis=1).sum(axis=1).max() < 5


def test_rectangles():
    corners = [tf.constant([float(value)]) for value in (1, 2, 3, 5)]
    inside = augmentation.rectangles(*corners, height=4, width=6)[0, :, :, 0].numpy()
    assert inside.astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    "function",
    [
        lambda images, seed: augmentation.crop_and_flip(images, seed, 2, True),
        augmentation.random_erasing,
    ],
)
def test_the_seed_decides(pictures, function):
    images = tf.cast(pictures, tf.float32)
    one, again, other = (function(images, seed).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
