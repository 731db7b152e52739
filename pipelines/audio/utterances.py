"""Batches of spectrograms and their transcripts, padded to a few lengths."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.audio.log_mel import FRAME_SECONDS, NUMBER_OF_BINS
from pipelines.audio.spec_augment import add_noise, spec_augment
from pipelines.data.buckets import finish, limits
from pipelines.text.tokenizer import END, PAD, pad


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random in every utterance.

    Attributes:
        noise_db: Least and greatest ratio of sound to noise, in dB, as for `add_noise`; `None` for
            no noise.
        time_masks: As for `spec_augment`, like the others.
        time_width: In frames.
        frequency_masks: 0 for none.
        frequency_width: In bands.
        time_warp: In frames.
    """

    noise_db: tuple[float, float] | None = None
    time_masks: int = 2
    time_width: int = 40
    frequency_masks: int = 2
    frequency_width: int = 27
    time_warp: int = 5

    def apply(self, features, normalization, seed):
        """Adds noise, normalises, then warps and masks.

        Args:
            features: `(F, 80)`, of a `MelStore`.
            normalization: A `Normalization`.
            seed: `(2,)` integers.

        Returns:
            As `features`, normalised.
        """
        seeds = tf.random.split(seed)
        options = dataclasses.asdict(self)
        noise_db = options.pop("noise_db")
        if noise_db is not None:
            features = add_noise(features, seeds[0], *noise_db)
        features = normalization.apply(features)
        return spec_augment(features, tf.shape(features)[0], seeds[1], **options)


@dataclass(frozen=True)
class _Bucket:
    """Entries of a store that are about equally long.

    Attributes:
        entries: `(n,)`.
        tokens: `(n, T + 1)` ids from start to end, padded.
        length: Frames that all are padded to.
        batch_size: Entries in a batch.
    """

    entries: np.ndarray
    tokens: np.ndarray
    length: int
    batch_size: int


def training_batches(
    store,
    tokens: Sequence[Sequence[int] | None],
    normalization,
    seconds_per_batch: float,
    seed: int,
    augment: Augmentation | None = None,
):
    """An endless dataset of utterances with their transcripts, and its batches in an epoch.

    Utterances of about one length share a batch; the order of the batches and in them is new every
    time. An epoch sees as many utterances as there are sounds. Where they have several speeds, each
    comes at one of them, drawn without replacement: as many epochs as there are speeds see all.

    Whatever is drawn at random depends on the seed and on the number of the utterance alone.

    Args:
        store: A `MelStore`.
        tokens: For each sound of the store its ids from start to end, or `None` to leave it out.
        normalization: A `Normalization`, as `mel_store.normalization` computes it.
        seconds_per_batch: Of sound, padding included.
        seed: Of order and augmentation.
        augment: What is changed in every utterance; `None` for nothing.

    Returns:
        A `tf.data.Dataset` of `({"features", "frames", "tokens"}, {"attention", "ctc"})` and the
        steps of an epoch. `features` `(B, F, 80)`, float32, are normalised and padded with 0,
        `frames` `(B,)` tells what is none; `tokens` `(B, T)` are the ids without the end,
        `attention` those one step later, and `ctc` those between start and end, padded with 0.
    """
    buckets = _make_buckets(store, tokens, seconds_per_batch)

    def read(entry):
        found = tf.numpy_function(store.__getitem__, [entry], tf.float32, stateful=False)
        return tf.ensure_shape(found, (None, NUMBER_OF_BINS))

    def batches_of(number, bucket):
        def example(count, place):
            features = read(tf.gather(bucket.entries, place))
            if augment is None:
                features = normalization.apply(features)
            else:
                drawn = tf.cast(count * len(buckets) + number, tf.int32)
                start = np.uint32(seed).view("int32")  # As these operations take it.
                features = augment.apply(features, normalization, [start, drawn])
            frames = tf.shape(features)[0]
            features = tf.pad(features, [[0, bucket.length - frames], [0, 0]])
            ids = tf.gather(bucket.tokens, place)
            content = tf.where(ids == END, PAD, ids)
            inputs = {
                "features": tf.ensure_shape(features, (bucket.length, NUMBER_OF_BINS)),
                "frames": frames,
                "tokens": content[:-1],
            }
            return inputs, {"attention": ids[1:], "ctc": content[1:]}

        size = len(bucket.entries)
        order = tf.data.Dataset.range(size).shuffle(size, seed=seed + number).repeat()
        examples = order.enumerate().map(example, num_parallel_calls=os.cpu_count())
        return examples.batch(bucket.batch_size, drop_remainder=True)

    counts = [max(round(len(bucket.entries) / bucket.batch_size), 1) for bucket in buckets]
    turns = np.repeat(np.arange(len(buckets)), counts)
    turns = tf.data.Dataset.from_tensor_slices(turns).shuffle(len(turns), seed=seed).repeat()
    batches = tf.data.Dataset.choose_from_datasets(
        [batches_of(number, bucket) for number, bucket in enumerate(buckets)], turns
    )
    return finish(batches), max(round(sum(counts) / len(store.speeds)), 1)


def _make_buckets(store, tokens, seconds_per_batch) -> list[_Bucket]:
    """Sorts the entries of a store into buckets by their frames."""
    speeds = len(store.speeds)
    if len(tokens) * speeds != len(store.frames):
        raise ValueError(
            f"Expected the tokens of {len(store.frames) // speeds} sounds, received {len(tokens)}."
        )
    wanted = np.repeat([ids is not None for ids in tokens], speeds)
    buckets, least = [], 0
    for limit in limits(store.frames[wanted]):
        entries = np.flatnonzero(wanted & (store.frames > least) & (store.frames <= limit))
        least = limit
        texts = [tokens[entry // speeds] for entry in entries]
        size = int(seconds_per_batch / FRAME_SECONDS) // limit
        padded = pad(texts, max(map(len, texts)))
        buckets.append(_Bucket(entries, padded, limit, min(max(size, 1), len(entries))))
    return buckets
