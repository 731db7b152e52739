"""Batches of spectrograms and their transcripts, padded to a few lengths."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipelines.audio.log_mel import FRAME_SECONDS, NUMBER_OF_BINS
from pipelines.audio.prepared_mels import PreparedIds
from pipelines.audio.spec_augment import add_noise, spec_augment
from pipelines.data import buckets
from pipelines.text.tokenizer import END, PAD, pad


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random in every utterance.

    Attributes:
        noise_db: Least and greatest ratio of speech to noise, in dB, as for `add_noise`; `None` for
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


def id_counts(tokens: Sequence[Sequence[int] | None]) -> np.ndarray:
    """How many ids each transcript has, `(N,)`, 0 where it is left out.

    Those on disk, `PreparedIds`, need not be read for it.
    """
    if isinstance(tokens, PreparedIds):
        return tokens.lengths
    return np.array([0 if ids is None else len(ids) for ids in tokens], "int32")


def training_batches(
    store,
    tokens: Sequence[Sequence[int] | None],
    normalization,
    seconds_per_batch: float,
    seed: int,
    augment: Augmentation | None = None,
):
    """Draws batches of utterances of about one length with their transcripts.

    An epoch sees as many utterances as there are recordings. Where they have several speeds, each
    comes at one of them, drawn without replacement: as many epochs as there are speeds see all.

    Whatever is drawn at random depends on the seed and on the number of the utterance alone.

    Args:
        store: A `MelStore`.
        tokens: For each recording of the store its ids from start to end; `None` leaves it out.
        normalization: A `Normalization`, as `normalization.normalization` computes it.
        seconds_per_batch: Of audio, padding included.
        seed: Of order and augmentation.
        augment: What is changed in every utterance; `None` for nothing.

    Returns:
        `Batches` of `({"features", "frames", "tokens"}, {"attention", "ctc"})`. `features`
        `(B, F, 80)`, float32, are normalised and padded with 0, `frames` `(B,)` tells where the
        padding begins; `tokens` `(B, T)` are the ids without the end, `attention` those one step
        later, and `ctc` those between start and end, padded with 0.
    """
    speeds = len(store.speeds)
    recordings = len(store.frames) // speeds
    if len(tokens) != recordings:
        raise ValueError(f"Expected the tokens of {recordings} recordings, received {len(tokens)}.")
    counts = id_counts(tokens)
    wanted = np.flatnonzero(np.repeat(counts > 0, speeds))
    parts = buckets.split(store.frames[wanted])
    entries = [wanted[part] for part in parts]
    lengths = [int(store.frames[part].max()) for part in entries]
    longest = [int(counts[part // speeds].max()) for part in entries]

    def texts(bucket, rows):
        chosen = entries[bucket][rows]
        return chosen, pad([tokens[entry // speeds] for entry in chosen], longest[bucket])

    def rows_of(bucket, rows):
        chosen, ids = tf.numpy_function(texts, [bucket, rows], [tf.int64, tf.int32], stateful=False)
        size = rows.shape[0]
        return tf.ensure_shape(chosen, [size]), tf.ensure_shape(
            ids, [size, buckets.shared(longest)]
        )

    def read(entry):
        found = tf.numpy_function(store.__getitem__, [entry], tf.float32, stateful=False)
        return tf.ensure_shape(found, (None, NUMBER_OF_BINS))

    def features(number, entry, length):
        heard = read(entry)
        if augment is None:
            heard = normalization.apply(heard)
        else:
            start = np.uint32(seed).view("int32")  # As these operations take it.
            heard = augment.apply(heard, normalization, [start, tf.cast(number, tf.int32)])
        frames = tf.shape(heard)[0]
        return tf.pad(heard, [[0, length - frames], [0, 0]]), frames

    def batch(bucket, counters, rows):
        chosen, ids = rows_of(bucket, rows)
        length = tf.gather(lengths, bucket)
        numbers = counters * len(entries) + bucket
        heard, frames = tf.map_fn(
            lambda utterance: features(*utterance, length),
            (numbers, chosen),
            fn_output_signature=(tf.float32, tf.int32),
        )
        heard = tf.ensure_shape(heard, (rows.shape[0], buckets.shared(lengths), NUMBER_OF_BINS))
        content = tf.where(ids == END, PAD, ids)
        inputs = {"features": heard, "frames": frames, "tokens": content[:, :-1]}
        return inputs, {"attention": ids[:, 1:], "ctc": content[:, 1:]}

    frames_per_batch = int(seconds_per_batch / FRAME_SECONDS)
    batches = buckets.Batches(
        counts=[len(part) for part in entries],
        sizes=[
            buckets.batch_size(frames_per_batch, length, len(part))
            for length, part in zip(lengths, entries, strict=True)
        ],
        seed=seed,
        read=batch,
        parallel=os.cpu_count(),
    )
    # As many epochs as there are speeds draw each recording at each of them.
    return dataclasses.replace(
        batches,
        steps=max(round(batches.steps / speeds), 1),
        examples=batches.examples // speeds,
    )
