"""From a data set's name to utterances and their transcripts."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipelines.audio import audio_files, log_mel, whisper
from pipelines.audio import utterances as utterance_batches
from pipelines.audio.mel_store import MelStore
from pipelines.audio.normalization import Normalization, normalization
from pipelines.audio.prepared_mels import PreparedIds, PreparedMels
from pipelines.audio.recordings import Recordings, report_unreadable
from pipelines.builtin import spoken_numbers
from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import sources, splits
from pipelines.data.fields import Field
from pipelines.data.formats import text_files
from pipelines.data.layouts import class_folders, headerless, transcripts
from pipelines.data.prepared.rows import PreparedRows
from pipelines.data.rows import Rows, column, select
from pipelines.decoding.ngrams import NGramModel
from pipelines.text.speech_units import Units

AUDIO = (
    *("file_name", "audio", "audio_filepath", "path", "file", "filename", "wav", "audio_path"),
    *("wav_filename", "file_path", "audio_file", "id", "utt_id"),
)
TEXT = (
    *("text", "transcription", "transcript", "sentence", "normalized_text", "raw_text"),
    *("normalized_transcription", "transcripts", "utterance", "label"),
)
FIELDS = {"file_name": Field(AUDIO, is_file=True), "text": Field(TEXT)}
DATA = sources.DataSet(
    fields=FIELDS,
    builtin={"spoken-numbers": spoken_numbers.write},
    version=spoken_numbers.VERSION,
    identity=splits.by_bytes,
    endings=audio_files.endings,
    layouts=(transcripts.kaldi,),
    folders=(transcripts.beside, transcripts.lists, class_folders.of_files),
    convert=transcripts.whole_files(FIELDS),
    headerless=headerless.files("text", audio_files.endings),
    tfds_features={
        "file_name": ("speech", "audio", "voice"),
        "text": ("text_normalized", "text", "transcription", "transcript", "sentence", "label"),
    },
)
SERVED = ("speed_perturbation",)
SPEEDS = (0.9, 1.0, 1.1)
NOISE_DB = (5.0, 40.0)
MARGIN = 1.25  # How much longer a piece may be than any utterance of training.


def read(config, wanted=sources.SPLITS):
    """The lines of the splits that are wanted, with the paths of their sounds as `file_name`.

    What has no transcript is left out, and a message counts it.
    """
    found = sources.read(DATA, config, wanted)
    if "train" in found:
        found["train"] = found["train"][: config.max_train]
    return {
        name: rows
        if isinstance(rows, PreparedRows)
        else Rows({**row, "file_name": os.path.abspath(path)} for path, row in _paths(rows))
        for name, rows in found.items()
    }


def _paths(rows):
    """The paths of rows, and each row without its own."""
    for row in rows:
        yield row["path"], {key: value for key, value in row.items() if key != "path"}


@dataclass(frozen=True, eq=False)
class Utterances:
    """Lines and their audio.

    Attributes:
        rows: The lines, with `file_name` and perhaps `text`, a list or on disk.
        recordings: Their audio.
        frames: `(N, speeds)`, the frames of each at each of its speeds; `None` before it is read.
        store: Their log-mel spectrograms at these speeds, where they are kept on disk.
    """

    rows: Sequence
    recordings: Recordings
    frames: np.ndarray | None = None
    store: MelStore | None = None

    @classmethod
    def of(cls, inputs, **memory):
        """Utterances of paths, arrays of samples, or lines with `file_name`; see `Recordings`."""
        if isinstance(inputs, Rows):
            return cls(inputs, Recordings(column(inputs, "file_name"), **memory))
        rows, sources = [], []
        for each in inputs:
            if isinstance(each, str | Path):
                each = {"file_name": str(each)}
            is_row = isinstance(each, dict)
            rows.append(each if is_row else {"file_name": ""})
            sources.append(each["file_name"] if is_row else each)
        return cls(rows, Recordings(sources, **memory))

    def readable(self):
        """Those whose audio can be read, and for each other one a `UserError`."""
        counts = self.recordings.scan()
        kept = [i for i, count in enumerate(counts) if isinstance(count, int)]
        frames = np.array([log_mel.frames(counts[i]) for i in kept]).reshape(-1, 1)
        recordings = self.recordings.select(kept)
        return (
            Utterances(select(self.rows, kept), recordings, frames),
            {i: count for i, count in enumerate(counts) if isinstance(count, UserError)},
        )

    @property
    def seconds(self):
        """How long each one lasts at each of its speeds, `(N, speeds)`."""
        return self.frames * log_mel.FRAME_SECONDS

    def hours(self, tokens):
        """How long those that have tokens last in all, at their slowest speed."""
        chosen = utterance_batches.id_counts(tokens) > 0
        return float(self.seconds[chosen].max(axis=1).sum()) / 3600

    def heard_by(self, front_end):
        """What a front end takes for them, in order, at the first speed."""
        if front_end.takes_samples:
            return self.recordings
        if self.store is None:
            return [front_end.read(samples) for samples in self.recordings]
        return [self.store[i] for i in range(0, len(self.store), len(self.store.speeds))]


def listen(rows, config, training=False):
    """The utterances of lines whose audio can be read; a message counts the others.

    Spectrograms are computed once, see `MelStore`. A Whisper takes samples in their place.
    """
    if isinstance(rows, PreparedRows):
        if config.whisper is None and rows.serves(config, SERVED if training else ()):
            return _prepared(rows)
        if training:
            raise UserError(f"a Whisper is trained on audio, which {rows.folder} has no more")
    if config.whisper is None:
        speeds = SPEEDS if training and config.speed_perturbation else (1.0,)
        store = MelStore(column(rows, "file_name"), speeds)
        found = Utterances.of(select(rows, store.kept))
        return replace(found, frames=store.frames.reshape(-1, len(speeds)), store=store)
    # Training reads in an order of its own, through tf.data.
    found, errors = Utterances.of(rows, **({"kept": 0} if training else {})).readable()
    report_unreadable([rows[i]["file_name"] for i in errors], len(rows))
    return found


def _prepared(rows):
    """The utterances of a prepared split; the audio of a held-out one is there to be drawn."""
    speeds = (1.0,)
    if rows.split == "train":
        speeds = rows.fact("speeds", lambda speeds: tuple(map(float, speeds)))
    store = PreparedMels(rows, speeds)
    files = [] if rows.split == "train" else [row["file_name"] for row in rows]
    return Utterances(rows, Recordings(files), store.frames.reshape(len(rows), -1), store)


def limit_pieces(utterances, config):
    """The configuration with pieces not much longer than what a model of our own is trained on."""
    longest = MARGIN * float(utterances.seconds.max())
    return replace(config, max_seconds=min(config.max_seconds, longest))


def train_tokenizer(rows, config):
    """The units, from the training transcripts."""
    if isinstance(rows, PreparedRows):
        return Units.load(rows.folder)
    return Units.train((row["text"] for row in rows), config.vocabulary_size, config.units)


def train_language_model(rows, tokenizer, config):
    """The n-gram model of the training transcripts, and of a text if one is given."""
    if isinstance(rows, PreparedRows):
        return NGramModel.load(rows.folder)
    texts = [row["text"] for row in rows]
    if config.language_model_text is not None:
        lines = text_files.read_lines(config.language_model_text)
        texts += [line for line in lines if line.strip()]
    return NGramModel.train(
        tokenizer.encode(texts), tokenizer.vocabulary_size, config.language_model_order
    )


def train_normalization(rows, utterances):
    """Mean and deviation of each mel band of the training utterances."""
    if isinstance(rows, PreparedRows):
        return Normalization.load(rows.folder)
    return normalization(utterances.store)


def encode(utterances, tokenizer, front_end, config):
    """The transcripts of utterances as ids, from start to end.

    What is longer than a piece of the front end, or has a text that is too long for it, has `None`
    in place of ids; a message counts it.
    """
    tokens, reasons = _learnable(utterances, tokenizer, front_end, config)
    _left_out(utterances, reasons)
    return tokens


def _learnable(utterances, tokenizer, front_end, config):
    """The ids of utterances that can be learnt, `None` for each other one, and why it cannot."""
    if isinstance(utterances.rows, PreparedRows):
        encoded = PreparedIds(utterances.rows, len(utterances.store.speeds))
        repeats = encoded.repeats
    else:
        encoded = tokenizer.encode([row["text"] for row in utterances.rows])
        repeats = map(count_repeats, encoded)
    reasons = [
        _misfit(count - 2, repeated, seconds, front_end, config)
        for count, repeated, seconds in zip(
            utterance_batches.id_counts(encoded), repeats, utterances.seconds, strict=True
        )
    ]
    if isinstance(encoded, PreparedIds):
        return encoded.only(np.array([reason is None for reason in reasons])), reasons
    tokens = [None if reason else ids for ids, reason in zip(encoded, reasons, strict=True)]
    return tokens, reasons


def count_repeats(ids):
    """How often an id follows itself between start and end: CTC writes a blank between them."""
    return sum(a == b for a, b in itertools.pairwise(ids[1:-1]))


def training_batches(utterances, tokens, front_end, config):
    """Endless `Batches` of utterances that have tokens, see `encode`."""
    if config.whisper is None:
        return _own_batches(utterances, tokens, front_end, config)
    return _whisper_batches(utterances, tokens, front_end, config)


def _own_batches(utterances, tokens, front_end, config):
    augmentation = utterance_batches.Augmentation(
        noise_db=NOISE_DB if config.noise else None,
        time_masks=config.time_masks,
        frequency_masks=config.frequency_masks,
        time_warp=config.time_warp,
    )
    batches = utterance_batches.training_batches(
        utterances.store,
        tokens,
        front_end.normalization,
        config.seconds_per_batch,
        config.seed,
        augmentation,
    )

    def of_heads(*chosen):
        inputs, labels = batches.read(*chosen)
        return inputs, {name: labels[name] for name in config.heads}

    return replace(batches, read=of_heads)


def validation_batches(utterances, tokenizer, front_end, config):
    """As `training_batches`, but of the utterances as they are; `None` where none can be learnt."""
    tokens, reasons = _learnable(utterances, tokenizer, front_end, config)
    if None not in reasons:
        return None
    plain = {"time_masks": 0, "frequency_masks": 0, "time_warp": 0}
    plain = replace(config, noise=False, **plain)
    return training_batches(utterances, tokens, front_end, plain)


def _whisper_batches(utterances, tokens, front_end, config):
    kept = [number for number, ids in enumerate(tokens) if ids is not None]
    return whisper.training_batches(
        [utterances.rows[number]["file_name"] for number in kept],
        [tokens[number] for number in kept],
        front_end.extractor,
        max(int(config.seconds_per_batch / front_end.max_seconds), 1),
        config.seed,
    )


def _left_out(utterances, reasons):
    """Leaves out the utterances that have a reason, and tells them apart by it."""
    tally = Tally("train")
    for row, reason in zip(utterances.rows, reasons, strict=True):
        if reason:
            tally.add(reason, row["file_name"])
    tally.close(reasons.count(None))


def _misfit(count, repeats, seconds, front_end, config):
    """Why decoder and CTC cannot say so many units in the seconds of each speed; or None."""
    if max(seconds) > front_end.max_seconds:
        return f"longer than --max-seconds {front_end.max_seconds:g}"
    if count >= config.max_target:
        return f"text of --max-target {config.max_target} units or more"
    if config.ctc_weight == 0:
        return None
    positions = -(-round(min(seconds) / log_mel.FRAME_SECONDS) // 4)
    return None if count + repeats <= positions else "too short for CTC to write its text"
