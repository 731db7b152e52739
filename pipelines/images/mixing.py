"""MixUp and CutMix: images made of two, and targets made of theirs."""

import tensorflow as tf

from pipelines.images.augmentation import rectangles


def mixup(images, targets, seed, alpha):
    """Lays each image over the next of the batch, Zhang et al. (2018).

    Args:
        images: `(B, H, W, C)`, float.
        targets: `(B, classes)`, what part each class has.
        seed: `(2,)` integers.
        alpha: The shares of the two are drawn from Beta(alpha, alpha), for each image.

    Returns:
        As `images` and `targets`.

    References:
        - [Zhang et al., 2018](https://arxiv.org/abs/1710.09412)
    """
    shares = _beta(alpha, tf.shape(images)[0], seed)
    return _blend(images, shares[:, None, None, None]), _blend(targets, shares[:, None])


def cutmix(images, targets, seed, alpha):
    """Puts a rectangle of the next image of the batch into each, Yun et al. (2019).

    Args:
        images: `(B, H, W, C)`, float.
        targets: `(B, classes)`, what part each class has.
        seed: `(2,)` integers.
        alpha: The part that stays is drawn from Beta(alpha, alpha), for each image. Targets go by
            the area that is really seen, as the rectangle may reach over the edge.

    Returns:
        As `images` and `targets`.

    References:
        - [Yun et al., 2019](https://arxiv.org/abs/1905.04899)
    """
    batch, (height, width) = tf.shape(images)[0], images.shape[1:3]
    seeds = tf.random.split(seed, 3)
    side = tf.sqrt(1 - _beta(alpha, batch, seeds[0]))

    def span(number, size):
        centre = tf.floor(tf.random.stateless_uniform([batch], seeds[number], 0, size))
        length = tf.floor(side * size)
        start = centre - tf.floor(length / 2)
        return tf.maximum(start, 0.0), tf.minimum(start + length, float(size))

    (tops, bottoms), (lefts, rights) = span(1, height), span(2, width)
    inside = rectangles(tops, lefts, bottoms, rights, height, width)
    shares = 1 - (bottoms - tops) * (rights - lefts) / (height * width)
    mixed = tf.where(inside, tf.roll(images, -1, axis=0), images)
    return mixed, _blend(targets, shares[:, None])


def mix(images, targets, seed, mixup_alpha=0.0, cutmix_alpha=0.0):
    """MixUp, CutMix, or each for a random half of the images where both have an alpha.

    Args:
        images: `(B, H, W, C)`, float.
        targets: `(B, classes)`, what part each class has.
        seed: `(2,)` integers.
        mixup_alpha: Of `mixup`; 0 for none.
        cutmix_alpha: Of `cutmix`; 0 for none.

    Returns:
        As `images` and `targets`.
    """
    seeds = tf.random.split(seed, 3)
    if not cutmix_alpha:
        return mixup(images, targets, seeds[0], mixup_alpha) if mixup_alpha else (images, targets)
    cut, cut_targets = cutmix(images, targets, seeds[1], cutmix_alpha)
    if not mixup_alpha:
        return cut, cut_targets
    over, over_targets = mixup(images, targets, seeds[0], mixup_alpha)
    first = tf.random.stateless_uniform([tf.shape(images)[0], 1], seeds[2]) < 0.5
    return (
        tf.where(first[:, :, None, None], over, cut),
        tf.where(first, over_targets, cut_targets),
    )


def _blend(values, shares):
    return shares * values + (1 - shares) * tf.roll(values, -1, axis=0)


def _beta(alpha, count, seed):
    """Draws `(count,)` numbers from Beta(alpha, alpha)."""
    one, two = tf.unstack(tf.random.stateless_gamma([2, count], seed, alpha))
    return tf.math.divide_no_nan(one, one + two)
