"""Pairs of texts as they are prepared once, for data larger than memory."""

import functools

import numpy as np

from apps.translation import data
from apps.translation.config import Config
from pipelines.data.prepared.preparation import Preparation
from pipelines.text.tokenizer import Tokenizer


class PreparedPairs(Preparation):
    """A record of the ids of each training pair; the others are encoded where they are used."""

    CONFIG = Config

    @classmethod
    def read(cls, config, folder):
        rows = data.read(config)
        data.train_tokenizer(rows["train"], config).save(folder)
        return config, rows, {}

    @functools.cached_property
    def _tokenizer(self):
        return Tokenizer.load(self.folder)

    def examples(self, split, rows):
        if split != "train":
            yield from ((place, [{}]) for place in range(len(rows)))
            return
        place = 0
        for sources, targets in data.encode_pairs(rows, self._tokenizer, self.config):
            for source, target in zip(sources, targets, strict=True):
                yield (
                    place,
                    [{"source": np.array(source, "int32"), "target": np.array(target, "int32")}],
                )
                place += 1
