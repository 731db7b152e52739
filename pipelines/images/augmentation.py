"""Random crops, mirror images and erased rectangles, of whole batches of images at once.

As all augmentation here: plain `tf` ops over `(B, H, W, C)`, for the inside of `tf.data`, and every
image is drawn for by itself. The same seed gives the same images.
"""

import math

import tensorflow as tf


def crop_and_flip(images, seed, padding=0, flip=False):
    """Moves images about and mirrors half of them.

    Args:
        images: `(B, H, W, C)`, of any type.
        seed: `(2,)` integers.
        padding: Pixels of black around an image before a part of its own size is cut out.
        flip: Whether to mirror, left to right.

    Returns:
        As `images`.
    """
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    seeds = tf.random.split(seed, 3)

    def starts(seed):
        return tf.random.stateless_uniform([batch, 1], seed, 0, 2 * padding + 1, tf.int32)

    rows = starts(seeds[0]) + tf.range(height)
    columns = tf.range(width)[None]
    if flip:
        mirrored = tf.random.stateless_uniform([batch, 1], seeds[2]) < 0.5
        columns = tf.where(mirrored, columns[:, ::-1], columns)
    columns = starts(seeds[1]) + columns
    if padding:
        images = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    elif not flip:
        return images
    # One index into all pixels: much faster than rows and columns one after the other.
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    first = padded_height * padded_width * tf.range(batch)[:, None, None]
    pixels = first + padded_width * rows[:, :, None] + columns[:, None, :]
    return tf.gather(tf.reshape(images, [-1, images.shape[3]]), pixels)


def random_erasing(images, seed, share=0.25, area=(0.02, 0.33), aspect=(0.3, 3.3)):
    """Fills a random rectangle of some images with noise, Zhong et al. (2020).

    Args:
        images: `(B, H, W, C)`, float, 0 to 255.
        seed: `(2,)` integers.
        share: Of images that lose a rectangle.
        area: Least and greatest part of the image that is erased.
        aspect: Least and greatest height of the rectangle, in widths.

    Returns:
        As `images`.

    References:
        - [Zhong et al., 2020](https://arxiv.org/abs/1708.04896)
    """
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    seeds = tf.random.split(seed, 6)

    def uniform(number, low=0.0, high=1.0):
        return tf.random.stateless_uniform([batch], seeds[number], low, high)

    areas = uniform(0, *area) * height * width
    aspects = tf.exp(uniform(1, *map(math.log, aspect)))
    heights = tf.minimum(tf.round(tf.sqrt(areas * aspects)), height)
    widths = tf.minimum(tf.round(tf.sqrt(areas / aspects)), width)
    tops = tf.floor(uniform(2) * (height - heights + 1))
    lefts = tf.floor(uniform(3) * (width - widths + 1))
    inside = rectangles(tops, lefts, tops + heights, lefts + widths, height, width)
    chosen = uniform(4) < share
    noise = tf.random.stateless_uniform(tf.shape(images), seeds[5], 0.0, 255.0, images.dtype)
    return tf.where(inside & chosen[:, None, None, None], noise, images)


def rectangles(tops, lefts, bottoms, rights, height, width):
    """Returns where the rectangles are, `(B, height, width, 1)`; their last row and column not.

    Args:
        tops: `(B,)`, as are `lefts`, `bottoms` and `rights`.
        lefts: The first column.
        bottoms: The row after the last.
        rights: The column after the last.
        height: Of the images.
        width: Of the images.
    """
    rows = tf.range(height, dtype=tops.dtype)
    columns = tf.range(width, dtype=tops.dtype)
    inside_rows = (rows >= tops[:, None]) & (rows < bottoms[:, None])
    inside_columns = (columns >= lefts[:, None]) & (columns < rights[:, None])
    return (inside_rows[:, :, None] & inside_columns[:, None, :])[..., None]
