"""Spectrograms and transcripts as they are prepared once, for data larger than memory."""

import functools
import itertools
import operator

import numpy as np

from apps.speech import data
from apps.speech.config import Config
from pipelines.audio.mel_store import spectrograms
from pipelines.audio.normalization import normalization
from pipelines.audio.prepared_mels import PreparedMels
from pipelines.audio.recordings import why_unreadable
from pipelines.data.prepared.preparation import Preparation
from pipelines.text.speech_units import Units


class PreparedSpeech(Preparation):
    """A record of the spectrogram of each utterance at each speed, and one of its units."""

    CONFIG = Config
    MEDIA = "file_name"

    @classmethod
    def read(cls, config, folder):
        rows = data.read(config)
        units = data.train_tokenizer(rows["train"], config)
        units.save(folder)
        data.train_language_model(rows["train"], units, config).save(folder)
        speeds = data.SPEEDS if config.speed_perturbation else (1.0,)
        return config, rows, {"speeds": speeds}

    @functools.cached_property
    def _units(self):
        return Units.load(self.folder)

    def examples(self, split, rows):
        speeds = self.facts["speeds"] if split == "train" else (1.0,)
        entries = [(row["file_name"], speed) for row in rows for speed in speeds]
        unread = set(range(len(rows)))
        read = ((position // len(speeds), mel) for position, mel, _ in spectrograms(entries))
        for place, pairs in itertools.groupby(read, key=operator.itemgetter(0)):
            mels = [{"mel": mel} for _, mel in pairs]
            if len(mels) == len(speeds):
                unread.remove(place)
                yield place, [*mels, self._text(rows[place])]
        for place in sorted(unread):
            yield place, why_unreadable(rows[place]["file_name"])

    def _text(self, row):
        (ids,) = self._units.encode([row["text"]])
        repeats = np.array(data.count_repeats(ids), "int32")
        return {"tokens": np.array(ids, "int32"), "repeats": repeats}

    def finish(self, splits):
        normalization(PreparedMels(splits["train"], self.facts["speeds"])).save(self.folder)
