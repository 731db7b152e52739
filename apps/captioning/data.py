"""From a data set's name, or images of any kind, to batches of images and captions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from apps.captioning.config import Config
from apps.captioning.groups import group_captions, texts
from pipelines.builtin import scenes
from pipelines.commands.errors import UserError
from pipelines.data import buckets, sources, splits
from pipelines.data.caches import row_cache
from pipelines.data.fields import Field
from pipelines.data.layouts import captions as caption_files
from pipelines.data.layouts import headerless, transcripts
from pipelines.data.prepared.rows import PreparedRows
from pipelines.data.rows import column, select
from pipelines.images import backbones, image_files
from pipelines.metrics import captions
from pipelines.text.tokenizer import Tokenizer

CAPTIONS = (
    *("captions", "captions/text", "caption", "text", "sentences", "sentence", "raw", "comment"),
    *("caption_text", "caption_str", "reference_strs", "description", "alt_text", "prompt"),
)
DATA = sources.DataSet(
    fields={
        "file_name": image_files.COLUMN,
        "captions": Field(CAPTIONS, kind=list),
    },
    builtin={"scenes": scenes.write},
    version=scenes.VERSION,
    identity=splits.by_bytes,
    endings=image_files.endings,
    layouts=(caption_files.coco, caption_files.karpathy, caption_files.flickr_tokens),
    folders=(transcripts.beside,),
    headerless=headerless.files("captions", image_files.endings),
    finish=caption_files.by_image,
    tfds_features={
        "file_name": ("image",),
        "captions": ("captions/text", "captions", "caption", "text"),
    },
)
QUANTILES = (0.9, 0.75, 0.5, 0.25)


BACKBONE = "backbone.keras"
MEDIA = ("image_size", "backbone", "fine_tune")  # What decides how an image is prepared.


@dataclass(frozen=True)
class Split:
    """Images that could be read, as the model takes them.

    Attributes:
        rows: The lines of the data set, each with the `path` of its image, a list or on disk.
        inputs: What the model is given of each: `(N,)` row numbers into one or two arrays (the
            second holds the mirrored images).
        arrays: Features `(M, S, C)` or pixels `(M, size, size, 3)`, in memory or memory maps.
        grid: Rows and columns of the cells `(h, w)`; of pixels, those of the model's network.
        backbone: The copy of a frozen backbone that came with the features, if one did.
    """

    rows: Sequence
    inputs: list
    arrays: list
    grid: tuple | None = None
    backbone: Path | None = None

    @property
    def references(self):
        """The captions of each image, as they are scored."""
        return [[captions.normalize(text) for text in row["captions"]] for row in self.rows]


def read(config: Config, wanted=sources.SPLITS) -> dict:
    """The rows of the splits that are wanted, each with the `path` of its image."""
    rows = sources.read(DATA, config, wanted)
    if "train" in rows:
        rows["train"] = rows["train"][: config.max_train]
    return rows


def know_objects(rows):
    """Whether the data set tells what every image shows, as `scenes` does."""
    return all("objects" in row for row in rows)


def choose_monitor(rows, config):
    """The metric that chooses the model, given the validation rows."""
    known = know_objects(rows)
    if config.monitor == "attribute_accuracy" and not known:
        raise UserError(
            f"--monitor {config.monitor} needs the objects of every image, which only scenes "
            "has: take cider or bleu_4"
        )
    return config.monitor or ("attribute_accuracy" if known else "cider")


def open_split(rows, config, flip=False, backbone=None) -> Split:
    """Brings the images of a split into memory maps; unreadable ones are left out and counted.

    Args:
        rows: Of `read`.
        config: The configuration.
        flip: Whether the mirrored images are there as well.
        backbone: Path of the run's own copy of a frozen backbone, for a machine that lacks the
            original.

    Raises:
        UserError: No image can be read, or the backbone cannot be opened.
    """
    if isinstance(rows, PreparedRows) and rows.serves(config, MEDIA):
        return _open_prepared(rows, config, flip)
    files = column(rows, "path")
    grid = None
    maps = []
    for mirrored in (False, True)[: 2 if flip else 1]:
        if config.has_features:
            array, numbers, grid = backbones.cached_features(
                files, config.backbone, config.image_size, flip=mirrored, saved=backbone
            )
        elif mirrored:
            break  # Pixels are mirrored on the way.
        else:
            array, numbers = image_files.cached_pixels(files, config.image_size)
        maps.append((array, numbers))
    readable = image_files.readable(files, maps[0][1])
    return Split(
        rows=select(rows, readable),
        inputs=[numbers[readable] for _, numbers in maps],
        arrays=[array for array, _ in maps],
        grid=grid,
    )


def _open_prepared(rows, config, flip):
    """The images of a prepared split; with `flip`, the mirrored ones are the records after them."""
    pictures, numbers = rows.array("picture"), [rows.starts]
    if flip and config.has_features:
        numbers.append(rows.starts + 1)
    shape, grid, backbone = pictures.shape[1:], None, None
    if config.has_features:
        grid, backbone = (
            rows.fact("grid", lambda grid: tuple(map(int, grid))),
            rows.folder / BACKBONE,
        )
        if len(shape) != 2 or math.prod(grid) != shape[0]:
            raise UserError(f"{rows.folder} holds no features of a grid {grid}")
    elif shape != (config.image_size, config.image_size, 3):
        raise UserError(f"{rows.folder} holds no pixels of this size, but {shape}")
    return Split(rows, numbers, [pictures] * len(numbers), grid, backbone)


def in_memory(rows, pixels, backbone=None) -> Split:
    """The images of some rows as a `Split` that is not cached.

    Args:
        rows: With the `path` of each image.
        pixels: `(N, size, size, 3)`, uint8.
        backbone: The `Backbone` that computes their features; without one they are given as pixels.
    """
    numbers = [np.arange(len(rows))]
    if backbone is None:
        return Split(rows, numbers, [pixels])
    features = backbones.compute_features(backbone.model, pixels)
    features = features.reshape(len(rows), -1, backbone.channels)
    return Split(rows, numbers, [features], backbone.grid)


def train_tokenizer(rows, config) -> Tokenizer:
    """A tokenizer of the training captions."""
    if isinstance(rows, PreparedRows):
        return Tokenizer.load(rows.folder)
    return Tokenizer.train(texts(rows, config), config.vocabulary_size)


def training_batches(split, groups, config):
    """Endless `Batches` of `({"picture", "tokens"}, targets)`.

    Each is of groups of similar length, padded to one of a few lengths.
    """
    parts = buckets.split(groups.lengths, QUANTILES)
    limits = [int(groups.lengths[part].max()) for part in parts]
    rows_of = buckets.reader(
        [
            (groups.pictures[part], groups.tokens[part, :, :limit])
            for part, limit in zip(parts, limits, strict=True)
        ]
    )

    def read(bucket, counters, rows):
        pictures, tokens = rows_of(bucket, rows)
        images = _gather(split, pictures, _seed(config, counters))
        return {"picture": images, "tokens": tokens[:, :, :-1]}, tokens[:, :, 1:]

    return _batches(list(map(len, parts)), read, config, config.batch_size)


def validation_batches(split, tokenizer, config):
    """As `training_batches`, but of the images as they are."""
    groups = group_captions(split, tokenizer, config)
    size = min(config.batch_size, len(groups.pictures))
    return training_batches(split, groups, replace(config, flip=False, batch_size=size))


def concept_batches(split, groups, config):
    """Endless `Batches` of `({"picture"}, tokens)`."""
    size = max(config.batch_size, 4)  # The statistics of batch normalization need a few images.
    rows_of = buckets.reader([(groups.pictures, groups.tokens)])

    def read(bucket, counters, rows):
        pictures, tokens = rows_of(bucket, rows)
        images = _gather(split, pictures, _seed(config, counters))
        return {"picture": images}, tokens

    return _batches([len(groups.pictures)], read, config, size)


def _batches(counts, read, config, size):
    """`Batches` all of one size, of which an epoch has only whole ones."""
    steps = max(sum(counts) // size, 1)
    return buckets.Batches(
        counts=counts,
        sizes=[size] * len(counts),
        seed=config.seed,
        read=read,
        steps=steps,
        examples=steps * size,
    )


def _seed(config, counters):
    """Of what is mirrored in a batch, if anything is."""
    if not config.flip:
        return None
    seed = np.uint32(config.seed).view("int32")  # As these operations take it.
    return tf.stack([seed, tf.cast(counters[0], tf.int32)])


def _gather(split, pictures, seed=None):
    """The inputs of some images, float32; with a seed, half of them mirrored."""
    inputs, arrays = split.inputs, split.arrays

    def read(pictures, mirrored):
        chosen = row_cache.gather(arrays[0], inputs[0][pictures])
        if mirrored.any():
            chosen[mirrored] = row_cache.gather(arrays[1], inputs[1][pictures[mirrored]])
        return chosen.astype("float32")

    mirrored = tf.zeros(tf.shape(pictures), tf.bool)
    if seed is not None and len(arrays) == 2:
        mirrored = tf.random.stateless_uniform(tf.shape(pictures), seed) < 0.5
    batch = tf.numpy_function(read, [pictures, mirrored], tf.float32, stateful=False)
    batch.set_shape((pictures.shape[0], *arrays[0].shape[1:]))
    if seed is not None and len(arrays) == 1:
        batch = tf.image.stateless_random_flip_left_right(batch, seed)
    return batch


def picture_batches(split, batch_size, places=None):
    """The inputs of images of a split, all or given by their places, in order, each once."""
    places = range(len(split.rows)) if places is None else places
    numbers = tf.data.Dataset.from_tensor_slices(np.array(places))
    return buckets.finish(numbers.batch(batch_size).map(lambda i: _gather(split, i)))
