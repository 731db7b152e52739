"""From a data set's name, or images of any kind, to batches of images and captions."""

import random
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from apps.captioning.config import Config
from pipelines.builtin import scenes
from pipelines.commands.errors import UserError
from pipelines.data import sources, splits
from pipelines.data.buckets import Batches, finish, limits
from pipelines.data.caches import row_cache
from pipelines.data.fields import Field
from pipelines.data.layouts import captions as caption_files
from pipelines.data.layouts import headerless, transcripts
from pipelines.images import backbones, image_files
from pipelines.metrics import captions
from pipelines.text.tokenizer import Tokenizer, pad

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


@dataclass(frozen=True)
class Split:
    """Images that could be read, as the model takes them.

    Attributes:
        rows: The lines of the data set, each with the `path` of its image.
        inputs: What the model is given of each: `(N,)` row numbers into one or two arrays (the
            second holds the mirrored images).
        arrays: Features `(M, S, C)` or pixels `(M, size, size, 3)`, in memory or memory maps.
        grid: Rows and columns of the cells `(h, w)`; of pixels, those of the model's network.
    """

    rows: list
    inputs: list
    arrays: list
    grid: tuple | None = None

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
    files = [row["path"] for row in rows]
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
        rows=[rows[i] for i in readable],
        inputs=[numbers[readable] for _, numbers in maps],
        arrays=[array for array, _ in maps],
        grid=grid,
    )


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
    return Tokenizer.train(_texts(rows, config), config.vocabulary_size)


def _texts(rows, config):
    texts = [text for row in rows for text in row["captions"]]
    return [captions.normalize(text) for text in texts] if config.normalize_captions else texts


@dataclass(frozen=True)
class Groups:
    """Captions of one image, `captions_per_picture` at a time.

    Attributes:
        pictures: The row of each group's image, `(G,)`.
        lengths: Tokens of its longest caption, `(G,)`.
        tokens: `(G, K, T)`.
    """

    pictures: np.ndarray
    lengths: np.ndarray
    tokens: np.ndarray


def group_captions(split, tokenizer, config) -> Groups:
    """All captions of a split as tokens, those of an image in random groups."""
    size = config.captions_per_picture
    pictures, groups = [], []
    for i, row in enumerate(split.rows):
        ids = tokenizer.encode(_texts([row], config))
        random.Random(f"{config.seed}{i}").shuffle(ids)
        for start in range(0, len(ids), size):
            part = ids[start : start + size]
            groups.append(part + [[]] * (size - len(part)))
            pictures.append(i)
    lengths = [min(max(map(len, part)), config.max_tokens) for part in groups]
    tokens = np.stack([pad(part, max(lengths)) for part in groups])
    return Groups(np.array(pictures, "int32"), np.array(lengths, "int32"), tokens)


def training_batches(split, groups, config):
    """Endless `Batches` of `({"picture", "tokens"}, targets)`.

    Each is of groups of similar length, padded to one of a few lengths.
    """
    longest = limits(groups.lengths, (0.9, 0.75, 0.5, 0.25))
    batches = _shuffled(groups, config).bucket_by_sequence_length(
        lambda picture, length, tokens: length,
        bucket_boundaries=[limit + 1 for limit in longest[:-1]],
        bucket_batch_sizes=[config.batch_size] * len(longest),
        drop_remainder=True,
    )

    def example(picture, length, tokens):
        # The bucket's limit, so that each bucket has one shape.
        limit = tf.constant(longest)[tf.searchsorted(longest, tf.reduce_max(length)[None])[0]]
        pixels = _gather(split, picture, config.flip)
        return {"picture": pixels, "tokens": tokens[:, :, : limit - 1]}, tokens[:, :, 1:limit]

    return _batches(batches.map(example, num_parallel_calls=2), groups, config.batch_size)


def validation_batches(split, tokenizer, config):
    """As `training_batches`, but of the images as they are."""
    groups = group_captions(split, tokenizer, config)
    size = min(config.batch_size, len(groups.pictures))
    return training_batches(split, groups, replace(config, flip=False, batch_size=size))


def concept_batches(split, groups, config):
    """Endless `Batches` of `({"picture"}, tokens)`."""
    size = max(config.batch_size, 4)  # The statistics of batch normalization need a few images.

    def example(picture, length, tokens):
        return {"picture": _gather(split, picture, config.flip)}, tokens

    batches = _shuffled(groups, config).batch(size, drop_remainder=True)
    return _batches(batches.map(example, num_parallel_calls=2), groups, size)


def _batches(dataset, groups, size):
    """What `fit` is given of a dataset of batches, of which an epoch has only whole ones."""
    steps = max(len(groups.pictures) // size, 1)
    return Batches(finish(dataset), steps, steps * size)


def _shuffled(groups, config):
    elements = (groups.pictures, groups.lengths, groups.tokens)
    elements = tf.data.Dataset.from_tensor_slices(elements)
    return elements.shuffle(len(groups.pictures), seed=config.seed).repeat()


def _gather(split, pictures, flip=False):
    """The inputs of some images, float32; with `flip`, half of them mirrored."""
    inputs, arrays = split.inputs, split.arrays

    def read(pictures):
        chosen = row_cache.gather(arrays[0], inputs[0][pictures])
        if flip and len(arrays) == 2:
            mirrored = np.flatnonzero(np.random.default_rng(pictures).random(len(pictures)) < 0.5)
            chosen[mirrored] = row_cache.gather(arrays[1], inputs[1][pictures[mirrored]])
        return chosen.astype("float32")

    batch = tf.numpy_function(read, [pictures], tf.float32, stateful=False)
    batch.set_shape((None, *arrays[0].shape[1:]))
    if flip and len(arrays) == 1:
        batch = tf.image.random_flip_left_right(batch)
    return batch


def picture_batches(split, batch_size):
    """The inputs of all images of a split, in order, each once."""
    numbers = tf.data.Dataset.from_tensor_slices(np.arange(len(split.rows)))
    return finish(numbers.batch(batch_size).map(lambda i: _gather(split, i)))
