"""Documents and summaries as they are prepared once, for data larger than memory."""

import functools

import numpy as np

from apps.summarization import data
from apps.summarization.config import Config
from pipelines.data.prepared.preparation import Preparation


class PreparedDocuments(Preparation):
    """A record of the ids of each training document with each of its summaries.

    The other documents are encoded where they are used.
    """

    CONFIG = Config

    @classmethod
    def read(cls, config, folder):
        rows = data.read(config)
        data.train_tokenizer(rows["train"], config).save(folder)
        return config, rows, {}

    @functools.cached_property
    def _tokenizer(self):
        return data.load_tokenizer(self.folder, self.config)

    def examples(self, split, rows):
        for place, row in enumerate(rows):
            if split != "train":
                yield place, [{}]
                continue
            (pairs,) = data.encode_pairs([row], self._tokenizer, self.config)
            records = [
                {"source": np.array(source, "int32"), "target": np.array(target, "int32")}
                for source, target in zip(*pairs, strict=True)
            ]
            yield place, records or "no summary"
