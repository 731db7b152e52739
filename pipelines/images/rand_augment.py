"""RandAugment: some random operations of one strength on every image, Cubuk et al. (2020).

The operations are those of Pillow, which the paper used, over whole batches of float images
`(B, H, W, C)` from 0 to 255: `operation(images, strength)` with `(B,)` strengths from -1 to 1.
"""

import math

import tensorflow as tf

ROTATION = 30.0  # degrees, at strength 1
SHEAR = 0.3
TRANSLATION = 0.45  # of the side
ENHANCEMENT = 0.9  # what a factor of colour, contrast, brightness or sharpness departs from 1
BITS = 4  # that posterizing takes away
FILL = 128.0  # where a moved image has none

_EDGES = [[0, 0], [1, 1], [1, 1], [0, 0]]


def rand_augment(images, seed, layers=2, magnitude=9.0):
    """Puts random operations on each image, one after the other.

    Args:
        images: `(B, H, W, C)`, float, 0 to 255; C is 1 or 3.
        seed: `(2,)` integers.
        layers: Operations on each image.
        magnitude: Their strength, 0 to 10.

    Returns:
        As `images`.

    References:
        - [Cubuk et al., 2020](https://arxiv.org/abs/1909.13719)
    """
    shape, batch = images.shape, tf.shape(images)[0]
    for layer_seed in tf.unstack(tf.random.split(seed, layers)):
        chosen_seed, sign_seed = tf.unstack(tf.random.split(layer_seed))
        chosen = tf.random.stateless_uniform([batch], chosen_seed, 0, len(OPERATIONS), tf.int32)
        signs = tf.sign(tf.random.stateless_uniform([batch], sign_seed, -1, 1))
        images = apply(images, chosen, signs * magnitude / 10)
    return tf.ensure_shape(images, shape)


def apply(images, chosen, strengths):
    """Puts one operation on each image.

    Args:
        images: `(B, H, W, C)`, float, 0 to 255.
        chosen: `(B,)`, the place of the image's operation in `OPERATIONS`.
        strengths: `(B,)`, -1 to 1.

    Returns:
        As `images`.
    """
    # Each operation is computed for its own images alone; those that move pixels are the last.
    kinds = tf.minimum(chosen, len(_VALUES))
    numbers = tf.dynamic_partition(tf.range(tf.shape(images)[0]), kinds, len(_VALUES) + 1)
    *parts, moved = [(tf.gather(images, rows), tf.gather(strengths, rows)) for rows in numbers]
    parts = [value(*part) for value, part in zip(_VALUES, parts, strict=True)]
    motions = tf.gather(chosen, numbers[-1]) - len(_VALUES)
    return tf.dynamic_stitch(numbers, [*parts, _move(*moved, motions)])


def identity(images, strength):
    """Leaves the images as they are."""
    return images


def autocontrast(images, strength):
    """Stretches each channel from 0 to 255, whatever the strength; a flat one stays."""
    low = tf.reduce_min(images, [1, 2], keepdims=True)
    high = tf.reduce_max(images, [1, 2], keepdims=True)
    stretched = 255.0 * tf.math.divide_no_nan(images - low, high - low)
    return tf.where(high > low, stretched, images)


def equalize(images, strength):
    """Spreads the values of each channel so that all are about as frequent, whatever the strength.

    A lookup table as in Pillow; values are rounded to integers.
    """
    height, width, channels = images.shape[1:]
    values = tf.cast(tf.round(tf.clip_by_value(images, 0, 255)), tf.int32)
    values = tf.reshape(tf.transpose(values, [0, 3, 1, 2]), [-1, height * width])
    places = values + 256 * tf.range(tf.shape(values)[0])[:, None]
    counts = tf.math.bincount(tf.reshape(places, [-1]), minlength=256 * tf.shape(values)[0])
    counts = tf.reshape(counts, [-1, 256])
    last = tf.gather(counts, tf.reduce_max(values, axis=1, keepdims=True), batch_dims=1)
    step = (height * width - last) // 255
    before = tf.cumsum(counts, axis=1, exclusive=True)
    table = tf.minimum((before + step // 2) // tf.maximum(step, 1), 255)
    table = tf.where(step > 0, table, tf.range(256))
    spread = tf.reshape(tf.gather(table, values, batch_dims=1), [-1, channels, height, width])
    return tf.cast(tf.transpose(spread, [0, 2, 3, 1]), images.dtype)


def solarize(images, strength):
    """Inverts what is as bright as 256, at strength 1 as 0, or brighter."""
    threshold = 256.0 * (1 - _each(tf.abs(strength)))
    return tf.where(images >= threshold, 255.0 - images, images)


def posterize(images, strength):
    """Keeps the highest 8 bits of each value, at strength 1 the highest 4."""
    step = tf.pow(2.0, tf.round(BITS * _each(tf.abs(strength))))
    # Rounded first, so that 127.9999 is 128; at strength 0 nothing changes.
    return tf.where(step > 1, step * tf.floor(tf.round(images) / step), images)


def color(images, strength):
    """Takes colour away, or makes it stronger; grey images stay."""
    return _enhance(_grey(images), images, strength)


def contrast(images, strength):
    """Draws the values to the mean grey of the image, or away from it."""
    mean = tf.round(tf.reduce_mean(_grey(images), [1, 2, 3], keepdims=True))
    return _enhance(mean, images, strength)


def brightness(images, strength):
    """Makes images darker, or brighter."""
    return _enhance(0.0, images, strength)


def sharpness(images, strength):
    """Blurs images, or sharpens them; the outermost pixels stay."""
    # Sums of slices, because a convolution of no images at all fails.
    lines = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    boxes = lines[:, :, :-2] + lines[:, :, 1:-1] + lines[:, :, 2:]
    inner = images[:, 1:-1, 1:-1]
    blurred = (boxes + 4 * inner) / 13
    return images + tf.pad(_enhance(blurred, inner, strength) - inner, _EDGES)


def _move(images, strength, motions):
    """Rotates, shears or shifts, by the number of the motion in `_MOTIONS`, `(B,)`."""
    height, width = images.shape[1:3]
    motions = tf.one_hot(motions, len(_MOTIONS))
    angle, shear_x, shear_y, shift_x, shift_y = tf.unstack(motions * strength[:, None], axis=1)
    angle = angle * ROTATION * math.pi / 180
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b, c, d = cos, SHEAR * shear_x - sin, SHEAR * shear_y + sin, cos
    # Around the middle of the image.
    x, y = (width - 1) / 2, (height - 1) / 2
    right = x - a * x - b * y + tf.round(TRANSLATION * width * shift_x)
    down = y - c * x - d * y + tf.round(TRANSLATION * height * shift_y)
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, right, c, d, down, zero, zero], axis=1),
        output_shape=[height, width],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=FILL,
    )


def _enhance(plain, images, strength):
    """Pillow's `ImageEnhance`: on the line from the plain image to the given one, and beyond."""
    factor = 1 + ENHANCEMENT * _each(strength)
    return tf.clip_by_value(plain + factor * (images - plain), 0.0, 255.0)


def _grey(images):
    if images.shape[3] == 1:
        return images
    return tf.tensordot(images, tf.constant([[0.299], [0.587], [0.114]], images.dtype), 1)


def _each(values):
    return values[:, None, None, None]


_VALUES = (
    identity,
    autocontrast,
    equalize,
    solarize,
    posterize,
    color,
    contrast,
    brightness,
    sharpness,
)
_MOTIONS = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
OPERATIONS = (*(value.__name__ for value in _VALUES), *_MOTIONS)
