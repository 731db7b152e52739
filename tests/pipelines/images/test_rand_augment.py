"""Every operation of RandAugment, against Pillow's or by hand."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from pipelines.images import rand_augment
from pipelines.images.rand_augment import OPERATIONS

B, H, W = 7, 19, 23


def pictures(channels=3, batch=B, height=H, width=W):
    """Smooth pictures of narrow range, with noise."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, width)[None, :, None] * np.linspace(30, 120, batch)[:, None, None, None]
    noise = rng.integers(40, 90, (batch, height, width, channels))
    return np.floor(x + noise).astype("uint8")


def run(name, images, strengths):
    chosen = tf.fill([len(images)], OPERATIONS.index(name))
    strengths = tf.constant(np.broadcast_to(strengths, len(images)), tf.float32)
    return rand_augment.apply(tf.cast(images, tf.float32), chosen, strengths).numpy()


def pillow(images, function):
    def apply(pixels):
        mode = "L" if pixels.shape[-1] == 1 else "RGB"
        picture = Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)
        return np.asarray(function(picture)).reshape(pixels.shape)

    return np.stack([apply(pixels) for pixels in images])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_strength_zero_changes_nothing(name, channels):
    if name in ("autocontrast", "equalize"):
        pytest.skip("has no strength")
    images = pictures(channels)
    np.testing.assert_allclose(run(name, images, 0.0), images, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "strength", "function", "tolerance"),
    [
        ("identity", 0.7, lambda picture: picture, 0),
        ("autocontrast", 0.7, ImageOps.autocontrast, 1),
        ("equalize", 0.7, ImageOps.equalize, 0),
        ("solarize", 0.5, lambda picture: ImageOps.solarize(picture, 128), 0),
        ("solarize", -1.0, lambda picture: ImageOps.solarize(picture, 0), 0),
        ("posterize", 1.0, lambda picture: ImageOps.posterize(picture, 4), 0),
        ("posterize", -0.5, lambda picture: ImageOps.posterize(picture, 6), 0),
        ("color", 0.5, lambda picture: ImageEnhance.Color(picture).enhance(1.45), 2),
        ("color", -1.0, lambda picture: ImageEnhance.Color(picture).enhance(0.1), 2),
        ("contrast", 1.0, lambda picture: ImageEnhance.Contrast(picture).enhance(1.9), 2),
        ("contrast", -0.5, lambda picture: ImageEnhance.Contrast(picture).enhance(0.55), 2),
        ("brightness", 1.0, lambda picture: ImageEnhance.Brightness(picture).enhance(1.9), 1),
        ("brightness", -1.0, lambda picture: ImageEnhance.Brightness(picture).enhance(0.1), 1),
        ("sharpness", 1.0, lambda picture: ImageEnhance.Sharpness(picture).enhance(1.9), 2),
        ("sharpness", -1.0, lambda picture: ImageEnhance.Sharpness(picture).enhance(0.1), 2),
    ],
)
def test_values_are_those_of_pillow(name, strength, function, tolerance, channels):
    images = pictures(channels)
    expected = pillow(images, function).astype("float32")
    np.testing.assert_allclose(run(name, images, strength), expected, atol=tolerance)


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
@pytest.mark.parametrize("value", [0, 93, 255])
def test_a_flat_picture_stays(name, value):
    images = np.full((3, H, W, 3), value, "uint8")
    np.testing.assert_array_equal(run(name, images, 1.0), images)


@pytest.mark.parametrize(
    ("name", "strength", "axis", "shift"),
    [
        ("translate_x", 1.0, 2, -round(0.45 * W)),
        ("translate_x", -0.5, 2, round(0.45 * W / 2)),
        ("translate_y", 1.0, 1, -round(0.45 * H)),
    ],
)
def test_translations(name, strength, axis, shift):
    images = pictures()
    expected = np.roll(images, shift, axis=axis).astype("float32")
    new = slice(None, shift) if shift > 0 else slice(shift, None)
    expected[(slice(None),) * axis + (new,)] = rand_augment.FILL
    np.testing.assert_allclose(run(name, images, strength), expected, atol=1e-3)


def test_rotation_turns_about_the_middle():
    """Three turns of 30 degrees are a quarter turn."""
    side = 33
    y, x = np.mgrid[:side, :side] - side // 2
    wave = 128 + 60 * np.sin(x / 5) * np.cos(y / 7) + 2 * x
    images = np.rint(wave)[None, :, :, None]
    turned = images
    for _ in range(3):
        turned = run("rotate", turned, 1.0)
    disc = (x**2 + y**2 < 12**2)[None, :, :, None]
    quarter = np.rot90(images, 1, axes=(1, 2))
    other = np.rot90(images, -1, axes=(1, 2))
    errors = [np.abs(turned - expected)[disc].max() for expected in (quarter, other)]
    assert min(errors) < 3 < 30 < max(errors)


@pytest.mark.parametrize(("name", "axis"), [("shear_x", 2), ("shear_y", 1)])
def test_shears_move_each_line_by_its_distance_from_the_middle(name, axis):
    side = 21
    images = np.tile(np.arange(side) * 10.0, (1, side, 1))[..., None]
    if axis == 1:
        images = images.swapaxes(1, 2)
    sheared = run(name, images, 1.0)
    if axis == 1:
        sheared = sheared.swapaxes(1, 2)
    middle = side // 2
    expected = images.swapaxes(1, 2) if axis == 1 else images
    for line in range(side):
        moved = expected[0, line, 6:-6, 0] + 10 * 0.3 * (line - middle)
        np.testing.assert_allclose(sheared[0, line, 6:-6, 0], moved, atol=1e-3)


class TestRandAugment:
    def test_each_picture_gets_its_own_operation(self):
        images = pictures(batch=len(OPERATIONS))
        floats = tf.cast(images, tf.float32)
        strengths = tf.linspace(-1.0, 1.0, len(OPERATIONS))
        every = rand_augment.apply(floats, tf.range(len(OPERATIONS)), strengths).numpy()
        for i, name in enumerate(OPERATIONS):
            alone = run(name, images[i : i + 1], strengths[i])
            np.testing.assert_allclose(every[i], alone[0], atol=1e-3, err_msg=name)

    def test_all_operations_come_as_often(self):
        seeds = tf.random.split([0, 1], 2)
        assert len(OPERATIONS) == 14
        images = tf.cast(pictures(batch=1), tf.float32)
        many = tf.tile(images, [1400, 1, 1, 1])
        results = rand_augment.rand_augment(many, seeds[0], layers=1, magnitude=10.0).numpy()
        unique, counts = np.unique(results.reshape(1400, -1), axis=0, return_counts=True)
        # Twelve operations have two signs, of which solarize, posterize and the identity no two.
        assert len(unique) == 2 * 14 - 5
        assert counts.min() > 30 and counts.max() < 140

    def test_the_range_is_kept(self):
        images = tf.cast(pictures(batch=100), tf.float32)
        results = rand_augment.rand_augment(images, [1, 2], layers=3, magnitude=10.0).numpy()
        assert results.min() >= 0 and results.max() <= 255 and np.isfinite(results).all()
        assert (results != images.numpy()).any(axis=(1, 2, 3)).mean() > 0.9

    def test_a_batch_of_none(self):
        none = tf.zeros([0, H, W, 3])
        assert rand_augment.rand_augment(none, [1, 2]).shape == (0, H, W, 3)

    def test_no_layers_leave_the_pictures(self):
        images = tf.cast(pictures(), tf.float32)
        np.testing.assert_array_equal(rand_augment.rand_augment(images, [1, 2], layers=0), images)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_seed_decides_in_a_graph_too(self, channels):
        images = tf.cast(pictures(channels, batch=50), tf.float32)
        signature = [
            tf.TensorSpec((None, H, W, channels), tf.float32),
            tf.TensorSpec((2,), tf.int32),
        ]
        graph = tf.function(rand_augment.rand_augment, input_signature=signature)
        one, again, other = (graph(images, seed).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
        eager = rand_augment.rand_augment(images, [1, 2]).numpy()
        np.testing.assert_allclose(one, eager, atol=1e-3)
