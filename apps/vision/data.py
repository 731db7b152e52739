"""From a data set's name to batches of images and their classes."""

import functools
import os
import random
import re
import statistics
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from apps.vision.config import Config
from pipelines.builtin import digits
from pipelines.commands.errors import UserError
from pipelines.data import buckets, cache, sources, splits
from pipelines.images import augmentation, class_folders, image_files, mixing
from pipelines.images.rand_augment import rand_augment

FIELDS = {"file_name": str, "label": str}
TFDS_FEATURES = {"file_name": ("image",), "label": ("label",)}
LARGEST = 64  # Pixels, of images whose size nobody gives.
BACKBONE_SIZE = 224


@dataclass(frozen=True)
class Split:
    """The images of one split that can be read.

    Attributes:
        rows: The lines of the data set, each with the `path` of its image.
        numbers: The row of each image in `pixels`, `(N,)`.
        pixels: A memory map `(M, size, size, channels)`, uint8.
    """

    rows: list
    numbers: np.ndarray
    pixels: np.ndarray

    def labels(self, names):
        """The place of each image's label in `names`, `(N,)`."""
        places = {name: place for place, name in enumerate(names)}
        return np.array([places[row["label"]] for row in self.rows], "int32")


def read(config: Config, wanted=sources.SPLITS) -> dict:
    """The rows of the splits that are wanted, each with the `path` of its image.

    A split that is missing is cut from the training images. Unreadable ones are left out before,
    lest a split, or what training has of a class, be nothing else.
    """
    folder = sources.locate(
        config.dataset,
        {"digits": digits.write},
        version=digits.VERSION,
        fields=FIELDS,
        tfds_features=TFDS_FEATURES,
        data_dir=config.data_dir,
    )
    if sources.find(folder, "train"):
        readers = sources.readers(folder, FIELDS)
    else:
        readers = class_folders.readers(folder)

    def with_paths(read_rows):
        rows = read_rows()
        paths = sources.media(folder, rows)
        return [{**row, "path": path} for row, path in zip(rows, paths, strict=True)]

    def readable(rows):
        return open_split(rows, fit_sizes(config, rows).image_size, count_channels(rows)).rows

    readers = {split: functools.partial(with_paths, read) for split, read in readers.items()}
    rows = splits.read_wanted(readers, wanted, config.dataset, label="label", sift=readable)
    if "train" in rows and config.max_train is not None:
        rows["train"] = _some(rows["train"], config.max_train, config.seed)
    return rows


def _some(rows, count, seed):
    """A random choice of rows, in their order; one of each label comes first of all."""
    shuffled = random.Random(seed).sample(range(len(rows)), len(rows))
    firsts = {rows[i]["label"]: i for i in reversed(shuffled)}
    rest = [i for i in shuffled if firsts[rows[i]["label"]] != i]
    return [rows[i] for i in sorted([*firsts.values(), *rest][:count])]


def class_names(rows):
    """The labels of the training images, in natural order: "2" comes before "10".

    Raises:
        UserError: There is but one.
    """

    def parts(name):
        found = re.findall(r"(\d+)|(\D+)", name)
        return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in found]

    names = sorted({row["label"] for row in rows}, key=lambda name: (parts(name), name))
    if len(names) < 2:
        raise UserError(f"all training images have the label '{names[0]}': there is no choice")
    return names


def check_labels(rows, names, what="images"):
    """Makes sure that a model of these classes can be scored on images.

    Another label can never be right. To leave its images out would flatter the score, so that it
    is for the user to decide.

    Args:
        rows: The rows of the images.
        names: The classes of the model.
        what: What an error calls the images, such as "test images".

    Raises:
        UserError: An image has a label that training does not know.
    """
    known = set(names)
    unknown = Counter(row["label"] for row in rows if row["label"] not in known)
    if unknown:
        some = ", ".join(f"'{label}' ({count})" for label, count in unknown.most_common(5))
        raise UserError(
            f"{sum(unknown.values())} of {len(rows)} {what} have a label that training "
            f"does not know: {some}{', …' if len(unknown) > 5 else ''}; "
            "rename it, remove them, or add such images to train"
        )


def fit_sizes(config, rows):
    """The configuration with the sizes of image and patch that suit these images."""
    size, patch = config.image_size, config.patch_size
    if size is None and config.backbone:
        size = BACKBONE_SIZE
    if size is None:
        multiple = patch or 4
        size = -(-min(_usual_side(rows), LARGEST) // multiple) * multiple
    if patch is None:
        fitting = [side for side in range(1, 17) if size % side == 0]
        patch = min(fitting, key=lambda side: (abs(side - max(size / 8, 2)), -side))
    try:
        return replace(config, image_size=size, patch_size=patch)
    except ValueError as error:
        raise UserError(str(error)) from error


def _usual_side(rows, most=64):
    """The median of the longer sides of some images, spread evenly over all, in pixels."""
    sample = rows[:: -(-len(rows) // most)]
    sides = [side for row in sample if (side := _longer_side(row["path"]))]
    return statistics.median_low(sides) if sides else LARGEST


def _longer_side(path):
    try:
        return max(image_files.dimensions(path))
    except Exception:  # Of a damaged image; `open_split` counts it.
        return None


def count_channels(rows):
    """1 if all images are kept in grey, else 3."""
    return image_files.count_channels(row["path"] for row in rows)


def open_splits(rows, size, channels):
    """Opens training, validation and test split, in this order.

    Args:
        rows: Of `read`.
        size: As for `open_split`.
        channels: As for `open_split`.
    """
    return [open_split(rows[split], size, channels) for split in sources.SPLITS]


def open_split(rows, size, channels) -> Split:
    """Brings the images of a split into memory maps; unreadable ones are left out and counted.

    Args:
        rows: With the `path` of each image.
        size: Width and height in pixels.
        channels: 1 or 3.

    Raises:
        UserError: No image can be read.
    """
    files = [row["path"] for row in rows]
    pixels, numbers = image_files.cached_pixels(files, size, channels=channels)
    readable = image_files.readable(files, numbers)
    return Split([rows[i] for i in readable], numbers[readable], pixels)


def training_batches(split, names, config):
    """Endless `Batches` of pixels `(B, size, size, C)` and targets `(B, classes)`.

    Whatever is drawn at random depends on the seed and on the number of the batch alone.
    """
    labels, count = tf.constant(split.labels(names)), len(split.rows)
    seed = np.uint32(config.seed).view("int32")  # As these operations take it.

    def example(number, images):
        seeds = tf.random.split([seed, tf.cast(number, tf.int32)], 4)
        pixels = _read(split, images)
        pixels = augmentation.crop_and_flip(pixels, seeds[0], config.crop, config.flip)
        pixels = tf.cast(pixels, tf.float32)
        if config.rand_augment:
            pixels = rand_augment(pixels, seeds[1], config.rand_augment, config.magnitude)
        if config.erasing:
            pixels = augmentation.random_erasing(pixels, seeds[2], config.erasing)
        targets = tf.one_hot(tf.gather(labels, images), len(names))
        return mixing.mix(pixels, targets, seeds[3], config.mixup, config.cutmix)

    order = tf.data.Dataset.range(count).shuffle(count, seed=config.seed).repeat()
    batches = order.batch(config.batch_size, drop_remainder=True).enumerate()
    batches = batches.map(example, num_parallel_calls=os.cpu_count())
    steps = max(count // config.batch_size, 1)
    return buckets.Batches(buckets.finish(batches), steps, steps * config.batch_size)


def image_batches(split, batch_size):
    """The pixels of all images of a split, in order, each once."""
    numbers = tf.data.Dataset.range(len(split.rows)).batch(batch_size)
    return buckets.finish(numbers.map(lambda i: tf.cast(_read(split, i), tf.float32)))


def gather(split, images):
    """The pixels of some images, given by their places, uint8."""
    return cache.gather(split.pixels, split.numbers[images])


def _read(split, images):
    """As `gather`, inside `tf.data`."""
    pixels = tf.numpy_function(
        lambda images: gather(split, images), [images], tf.uint8, stateful=False
    )
    return tf.ensure_shape(pixels, (None, *split.pixels.shape[1:]))
