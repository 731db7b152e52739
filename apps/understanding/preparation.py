"""Texts with labels, tags or answers as they are prepared once, for data larger than memory."""

import functools

from apps.understanding import data
from apps.understanding.config import Config
from apps.understanding.tasks.registry import task_of
from pipelines.commands import runs
from pipelines.data.prepared.preparation import Preparation
from pipelines.text import subwords


class PreparedTexts(Preparation):
    """A record of each encoded piece of a training text; others are encoded where they are used."""

    CONFIG = Config

    @classmethod
    def read(cls, config, folder):
        rows = data.read(config)
        data.make_tokenizer(rows["train"], config).save(folder)
        runs.write_json(folder / data.CLASSES, data.make_classes(rows["train"], config))
        return config, rows, {}

    @functools.cached_property
    def _tokenizer(self):
        return subwords.load(self.folder)

    @functools.cached_property
    def _classes(self):
        return runs.read_names(self.folder / data.CLASSES)

    def examples(self, split, rows):
        task = task_of(self.config)
        for place, row in enumerate(rows):
            if split != "train":
                yield place, [{}]
                continue
            encoded, _ = task.encode([row], self._tokenizer, self._classes)
            names, values = encoded.features.keys(), encoded.features.values()
            records = [dict(zip(names, each, strict=True)) for each in zip(*values, strict=True)]
            yield place, records or "nothing to encode"
