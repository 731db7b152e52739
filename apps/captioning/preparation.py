"""Images and captions as they are prepared once, for data larger than memory."""

import functools

import numpy as np

from apps.captioning import data
from apps.captioning.config import Config
from apps.captioning.groups import texts
from pipelines.data.prepared.preparation import Preparation
from pipelines.images import backbones, image_files
from pipelines.text.tokenizer import Tokenizer


class PreparedCaptions(Preparation):
    """A record of each image, one of its mirrored features if wanted, and one of each caption."""

    CONFIG = Config
    MEDIA = "path"

    @classmethod
    def read(cls, config, folder):
        rows = data.read(config)
        data.train_tokenizer(rows["train"], config).save(folder)
        facts = {}
        if config.has_features:
            backbones.save(config.backbone, config.image_size, folder / data.BACKBONE)
            facts["grid"] = backbones.open_frozen(config.backbone, config.image_size).grid
        return config, rows, facts

    @functools.cached_property
    def _tokenizer(self):
        return Tokenizer.load(self.folder)

    @functools.cached_property
    def _network(self):
        return backbones.open_frozen(str(self.folder / data.BACKBONE), self.config.image_size)

    def examples(self, split, rows):
        files, skipped = [row["path"] for row in rows], []
        for places, pixels in image_files.batches(
            files, self.config.image_size, backbones.BATCH_SIZE, skipped=skipped
        ):
            mirrored = self.config.has_features and self.config.flip and split == "train"
            pictures = [pixels, pixels[:, :, ::-1]] if mirrored else [pixels]
            if self.config.has_features:
                pictures = list(map(self._features, pictures))
            for number, place in enumerate(places):
                captions = self._tokenizer.encode(texts([rows[place]], self.config))
                yield (
                    place,
                    [
                        *({"picture": each[number]} for each in pictures),
                        *({"tokens": np.array(ids, "int32")} for ids in captions),
                    ],
                )
        for place, error in skipped:
            yield place, image_files.reason_of(error)

    def _features(self, pixels):
        found = backbones.compute_features(self._network.model, pixels)
        return found.reshape(len(pixels), -1, found.shape[-1])
