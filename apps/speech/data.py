"""From a data set's name to utterances and their transcripts."""

import functools
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.audio import audio_files, utterances, whisper
from pipelines.audio.log_mel import FRAME_SECONDS
from pipelines.audio.mel_store import MelStore
from pipelines.builtin import spoken_numbers
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.data import parallel_text, sources
from pipelines.decoding.ngrams import NGramModel
from pipelines.text.speech_units import Units

FIELDS = {"file_name": str, "text": str}
TFDS_FEATURES = {
    "file_name": ("speech", "audio", "voice"),
    "text": ("text_normalized", "text", "transcription", "transcript", "sentence", "label"),
}
SPEEDS = (0.9, 1.0, 1.1)
NOISE_DB = (5.0, 40.0)
MARGIN = 1.25  # How much longer a piece may be than any utterance of training.


def read(config, wanted=sources.SPLITS):
    """The lines of the splits that are wanted, with the paths of their sounds as `file_name`.

    What has no transcript is left out of training, and a message counts it.
    """
    folder = sources.locate(
        config.dataset,
        {"spoken-numbers": spoken_numbers.write},
        version=spoken_numbers.VERSION,
        fields=FIELDS,
        tfds_features=TFDS_FEATURES,
        data_dir=config.data_dir,
    )
    splits = sources.read_splits(folder, FIELDS, wanted, may_be_blank="text")
    if "train" in splits:
        splits["train"] = splits["train"][: config.max_train]
    return {
        name: [
            {**row, "file_name": os.path.abspath(path)}
            for row, path in zip(rows, sources.media(folder, rows), strict=True)
        ]
        for name, rows in splits.items()
    }


@dataclass(frozen=True)
class Sounds:
    """Utterances whose sound can be read.

    Attributes:
        rows: Their lines.
        store: Their log-mel spectrograms, at one speed or several.
    """

    rows: list
    store: MelStore

    @property
    def seconds(self):
        """How long each one lasts at each of its speeds, `(N, speeds)`."""
        return self.store.frames.reshape(len(self.rows), -1) * FRAME_SECONDS

    def hours(self, tokens):
        """How long those that have tokens last in all, at their slowest speed."""
        chosen = [ids is not None for ids in tokens]
        return float(self.seconds[chosen].max(axis=1).sum()) / 3600

    def heard_by(self, front_end):
        """What the front end of a recognizer takes for them, in order, at the first speed."""
        if front_end.takes_samples:
            return _Samples([row["file_name"] for row in self.rows])
        return [self.store[i] for i in range(0, len(self.store), len(self.store.speeds))]


class _Samples(Sequence):
    """The samples of sounds, read when they are asked for."""

    def __init__(self, files):
        self._files = files
        self._read = functools.lru_cache(1)(
            audio_files.read
        )  # A long one is asked for piece by piece.

    def __len__(self):
        return len(self._files)

    def __getitem__(self, number):
        return self._read(self._files[number])


def listen(rows, config, training=False):
    """The spectrograms of some lines, computed once; see `MelStore`."""
    speeds = SPEEDS if training and config.speed_perturbation else (1.0,)
    store = MelStore([row["file_name"] for row in rows], speeds)
    return Sounds([rows[i] for i in store.kept], store)


def train_tokenizer(rows, config):
    """The units, from the training transcripts."""
    return Units.train([row["text"] for row in rows], config.vocabulary_size, config.units)


def train_language_model(rows, tokenizer, config):
    """The n-gram model of the training transcripts, and of a text if one is given."""
    texts = [row["text"] for row in rows]
    if config.language_model_text is not None:
        lines = parallel_text.read_lines(config.language_model_text)
        texts += [line for line in lines if line.strip()]
    return NGramModel.train(
        tokenizer.encode(texts), tokenizer.vocabulary_size, config.language_model_order
    )


def encode(sounds, tokenizer, front_end, config):
    """The transcripts of utterances as ids, from start to end.

    What is longer than a piece of the front end, or has a text that is too long for it, has `None`
    in place of ids; a message counts it.
    """
    encoded = tokenizer.encode([row["text"] for row in sounds.rows])
    fits = [
        max(seconds) <= front_end.max_seconds and _fits(ids, min(seconds), config)
        for ids, seconds in zip(encoded, sounds.seconds, strict=True)
    ]
    _report(sounds, fits, config)
    return [ids if fit else None for ids, fit in zip(encoded, fits, strict=True)]


def training_batches(sounds, tokens, front_end, config):
    """Endless `Batches` of utterances that have tokens, see `encode`."""
    if config.whisper is None:
        return _own_batches(sounds, tokens, front_end, config)
    return _whisper_batches(sounds, tokens, front_end, config)


def _own_batches(sounds, tokens, front_end, config):
    augmentation = utterances.Augmentation(
        noise_db=NOISE_DB if config.noise else None,
        time_masks=config.time_masks,
        frequency_masks=config.frequency_masks,
        time_warp=config.time_warp,
    )
    batches = utterances.training_batches(
        sounds.store,
        tokens,
        front_end.normalization,
        config.seconds_per_batch,
        config.seed,
        augmentation,
    )

    def of_heads(inputs, labels):
        return inputs, {name: labels[name] for name in config.heads}

    return batches._replace(dataset=batches.dataset.map(of_heads))


def _whisper_batches(sounds, tokens, front_end, config):
    kept = [number for number, ids in enumerate(tokens) if ids is not None]
    return whisper.training_batches(
        [sounds.rows[number]["file_name"] for number in kept],
        [tokens[number] for number in kept],
        front_end.extractor,
        max(int(config.seconds_per_batch / front_end.max_seconds), 1),
        config.seed,
    )


def _report(sounds, fits, config):
    """Tells of the utterances that do not fit."""
    if not any(fits):
        raise UserError(
            f"no training utterance can be learnt: all are longer than --max-seconds "
            f"{config.max_seconds:g}, have --max-target {config.max_target} units or more, or are "
            "too short for CTC to write their text"
        )
    if not all(fits):
        first = sounds.rows[fits.index(False)]["file_name"]
        console.print(
            f"{fits.count(False):,} of {len(fits):,} training utterances are too long, or too "
            f"short for their text: skipped, the first is {first}"
        )


def _fits(ids, seconds, config):
    """Whether CTC and decoder can say a text in so many seconds."""
    content = ids[1:-1]
    if len(content) >= config.max_target:
        return False
    if config.ctc_weight == 0:
        return True
    repeats = sum(a == b for a, b in itertools.pairwise(content))
    positions = -(-round(seconds / FRAME_SECONDS) // 4)
    return len(content) + repeats <= positions
