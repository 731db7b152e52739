"""From a data set's name to batches of images and their classes."""

import math
import os
import random
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from apps.vision.config import Config
from pipelines.builtin import digits
from pipelines.commands import runs
from pipelines.commands.errors import MachineError, UserError
from pipelines.commands.left_out import Tally
from pipelines.data import buckets, sources, splits
from pipelines.data.caches import row_cache
from pipelines.data.fields import Field
from pipelines.data.layouts import class_folders, headerless
from pipelines.data.prepared.rows import PreparedRows
from pipelines.data.rows import column, select
from pipelines.images import augmentation, backbones, image_files, mixing
from pipelines.images.rand_augment import rand_augment

LABEL = (
    *("label", "labels", "class", "class_name", "category", "target", "breed", "species"),
    *("label_name", "fine_label", "diagnosis", "class_id", "classid", "dx", "finding_labels"),
)
DATA = sources.DataSet(
    fields={"file_name": image_files.COLUMN, "label": Field(LABEL, is_label=True)},
    builtin={"digits": digits.write},
    version=digits.VERSION,
    identity=splits.by_bytes,
    label="label",
    endings=image_files.endings,
    folders=(class_folders.of_files,),
    headerless=headerless.files("label", image_files.endings),
    tfds_features={"file_name": ("image",), "label": ("label",)},
)
NAMES = "labels.json"
FROZEN = ("image_size", "backbone", "freeze")  # What decides about the features of a backbone.
LARGEST = 64  # Pixels, of images whose size nobody gives.
BACKBONE_SIZE = 224
IMAGES_SEEN = 200_000  # In a training whose epochs nobody gives.


@dataclass(frozen=True)
class Split:
    """The images of one split that can be read.

    Attributes:
        rows: The lines of the data set, each with the `path` of its image, a list or on disk.
        numbers: The row of each image in `pixels`, `(N,)`.
        pixels: A memory map `(M, size, size, channels)`, uint8; or the features of a frozen
            backbone in their place, `(M, h, w, C)`, float16.
        mirrored: The `Split` of the mirrored images, where there are features of them too.
    """

    rows: Sequence
    numbers: np.ndarray
    pixels: np.ndarray
    mirrored: "Split | None" = None

    def labels(self, names):
        """The place of each image's label in `names`, `(N,)`."""
        if isinstance(self.rows, PreparedRows) and names == class_names(self.rows):
            return self.rows.column("label")[self.rows.starts]
        places = {name: place for place, name in enumerate(names)}
        return np.fromiter((places[row["label"]] for row in self.rows), "int32")


def read(config: Config, wanted=sources.SPLITS) -> dict:
    """The rows of the splits that are wanted, each with the `path` of its image.

    A split that is missing is cut from the training images. Unreadable ones are left out before,
    lest a split, or what training has of a class, be nothing else.
    """

    def readable(rows):
        return open_split(rows, fit_sizes(config, rows).image_size, count_channels(rows)).rows

    rows = sources.read(DATA, config, wanted, sift=readable)
    if "train" in rows and len(rows["train"]) > (config.max_train or math.inf):
        rows["train"] = _some(rows["train"], config.max_train, config.seed)
    return rows


def _some(rows, count, seed):
    """A random choice of rows, in their order; one of each label comes first of all."""
    shuffled = random.Random(seed).sample(range(len(rows)), len(rows))
    places = {label: place for place, label in enumerate(dict.fromkeys(column(rows, "label")))}
    labels = np.fromiter((places[label] for label in column(rows, "label")), "int32")
    firsts = {labels[i]: i for i in reversed(shuffled)}
    rest = (i for i in shuffled if firsts[labels[i]] != i)
    return select(rows, sorted([*firsts.values(), *rest][:count]))


def class_names(rows):
    """The labels of the training images, in natural order: "2" comes before "10".

    Raises:
        UserError: There is but one.
    """
    if isinstance(rows, PreparedRows):
        return runs.read_names(rows.folder / NAMES)

    def parts(name):
        found = re.findall(r"(\d+)|(\D+)", name)
        return [(0, int(digits), "") if digits else (1, 0, text) for digits, text in found]

    names = sorted({row["label"] for row in rows}, key=lambda name: (parts(name), name))
    if len(names) < 2:
        raise UserError(f"all training images have the label '{names[0]}': there is no choice")
    return names


def with_known_labels(split, names, what="images") -> Split:
    """The images of a split that a model of these classes can be scored on.

    Args:
        split: A `Split`.
        names: The classes of the model.
        what: What a line calls the images, such as "test images".

    Returns:
        The split without the images that have another label, which can never be right.

    Raises:
        UserError: There are too many of those; see `left_out.Tally`.
    """
    if isinstance(split.rows, PreparedRows) and split.labels(names).min() >= 0:
        return split
    known, tally, kept = set(names), Tally(what), []
    for place, row in enumerate(split.rows):
        if row["label"] in known:
            kept.append(place)
        else:
            tally.add(f"no training image has the label '{row['label']}'", row["path"])
    tally.close(len(kept))
    return Split(select(split.rows, kept), split.numbers[kept], split.pixels)


def fit_training(config, rows):
    """The configuration with the training that suits the size and the number of these images."""
    config = fit_sizes(config, rows)
    chosen = {
        "crop": 0 if config.freeze else config.image_size // 8,
        "epochs": _within(20, IMAGES_SEEN // len(rows), 60),
        "batch_size": _within(32, len(rows) // 100, 128),
    }
    missing = {name: value for name, value in chosen.items() if getattr(config, name) is None}
    return replace(config, **missing).resolved


def _within(least, value, most):
    return min(max(value, least), most)


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
    except MachineError:
        raise
    except UserError:  # Of a damaged image; `open_split` counts it.
        return None


def count_channels(rows):
    """1 if all images are kept in grey, else 3."""
    if isinstance(rows, PreparedRows):
        return rows.fact("channels", int)
    return image_files.count_channels(row["path"] for row in rows)


def open_splits(rows, config, channels):
    """Opens training, validation and test split, in this order.

    With a frozen backbone the first two are of its features; the test is of images in any case.

    Args:
        rows: Of `read`.
        config: The configuration, with the size of the images.
        channels: As for `open_split`.
    """
    test = open_split(rows["test"], config.image_size, channels)
    if config.freeze:
        training = open_features(rows["train"], config, config.flip)
        return [training, open_features(rows["validation"], config), test]
    held = [open_split(rows[split], config.image_size, channels) for split in sources.SPLITS[:2]]
    return [*held, test]


def open_split(rows, size, channels) -> Split:
    """Brings the images of a split into memory maps; unreadable ones are left out and counted.

    Args:
        rows: With the `path` of each image.
        size: Width and height in pixels.
        channels: 1 or 3.

    Raises:
        UserError: No image can be read.
    """
    if _is_prepared(rows, (size, size, channels)):
        return Split(rows, rows.starts, rows.array("picture"))
    files = column(rows, "path")
    pixels, numbers = image_files.cached_pixels(files, size, channels=channels)
    readable = image_files.readable(files, numbers)
    return Split(select(rows, readable), numbers[readable], pixels)


def _is_prepared(rows, shape):
    """Whether rows are prepared as images of this shape."""
    if not isinstance(rows, PreparedRows):
        return False
    found = rows.array("picture").shape[1:]
    if found != shape and rows.split == "train":
        raise UserError(f"{rows.folder} holds arrays {found} in place of images {shape}")
    return found == shape  # Of a held-out split there are the files as well.


def open_features(rows, config, flip=False) -> Split:
    """As `open_split`, but of what a frozen backbone computes of the images, once.

    Args:
        rows: With the `path` of each image.
        config: The configuration.
        flip: Whether those of the mirrored images are there as well.
    """
    if isinstance(rows, PreparedRows) and rows.serves(config, FROZEN):
        features = rows.array("picture")
        mirrored = Split(rows, rows.starts + 1, features) if flip else None
        return Split(rows, rows.starts, features, mirrored)
    files = column(rows, "path")
    mirrored = None
    if flip:
        mirrored = _features(rows, files, config, flip=True)
    return replace(_features(rows, files, config), mirrored=mirrored)


def _features(rows, files, config, flip=False):
    found, numbers, grid = backbones.cached_features(
        files, config.backbone, config.image_size, flip=flip
    )
    readable = image_files.readable(files, numbers)
    found = found.reshape(len(found), *grid, found.shape[-1])
    return Split(select(rows, readable), numbers[readable], found)


def training_batches(split, names, config):
    """Endless `Batches` of pixels `(B, size, size, C)` and targets `(B, classes)`.

    Whatever is drawn at random depends on the seed and on the number of the batch.
    """
    labels = tf.constant(split.labels(names))
    seed = np.uint32(config.seed).view("int32")  # As these operations take it.

    def read(bucket, counters, images):
        seeds = tf.random.split([seed, tf.cast(counters[0], tf.int32)], 4)
        pixels = _read(split, images)
        if split.mirrored is not None:
            chosen = tf.random.stateless_uniform(tf.shape(images), seeds[0]) < 0.5
            others = _read(split.mirrored, images)
            pixels = tf.where(chosen[:, None, None, None], others, pixels)
        elif not config.freeze:
            pixels = augmentation.crop_and_flip(pixels, seeds[0], config.crop, config.flip)
        pixels = tf.cast(pixels, tf.float32)
        if config.rand_augment:
            pixels = rand_augment(pixels, seeds[1], config.rand_augment, config.magnitude)
        if config.erasing:
            pixels = augmentation.random_erasing(pixels, seeds[2], config.erasing)
        targets = tf.one_hot(tf.gather(labels, images), len(names))
        return mixing.mix(pixels, targets, seeds[3], config.mixup, config.cutmix)

    steps = max(len(split.rows) // config.batch_size, 1)
    return buckets.Batches(
        counts=[len(split.rows)],
        sizes=[config.batch_size],
        seed=config.seed,
        read=read,
        steps=steps,
        examples=steps * config.batch_size,
        parallel=os.cpu_count(),
    )


def validation_batches(split, names, config):
    """As `training_batches`, but of the images as they are."""
    split = replace(split, mirrored=None)
    plain = {"crop": 0, "rand_augment": 0, "erasing": 0.0, "mixup": 0.0, "cutmix": 0.0}
    size = min(config.batch_size, len(split.rows))
    return training_batches(split, names, replace(config, batch_size=size, flip=False, **plain))


def image_batches(split, batch_size, places=None):
    """The pixels of images of a split, all or given by their places, in order, each once."""
    places = range(len(split.rows)) if places is None else places
    numbers = tf.data.Dataset.from_tensor_slices(np.array(places, "int64")).batch(batch_size)
    return buckets.finish(numbers.map(lambda i: tf.cast(_read(split, i), tf.float32)))


def gather(split, images):
    """The pixels of some images, given by their places, uint8, or their features, float16."""
    return row_cache.gather(split.pixels, split.numbers[images])


def _read(split, images):
    """As `gather`, inside `tf.data`."""
    pixels = tf.numpy_function(
        lambda images: gather(split, images), [images], split.pixels.dtype, stateful=False
    )
    return tf.ensure_shape(pixels, (images.shape[0], *split.pixels.shape[1:]))
