"""Images and labels as they are prepared once, for data larger than memory."""

import functools
from dataclasses import replace

import numpy as np

from apps.vision import data
from apps.vision.config import Config
from pipelines.commands import runs
from pipelines.data.prepared.preparation import Preparation
from pipelines.images import backbones, image_files


class PreparedImages(Preparation):
    """A record of each image, and one of its mirrored features if those are wanted.

    With a frozen backbone the features of training and validation images take the place of pixels.
    """

    CONFIG = Config
    MEDIA = "path"

    @classmethod
    def read(cls, config, folder):
        rows = data.read(config)
        config = replace(config, image_size=data.fit_sizes(config, rows["train"]).image_size)
        runs.write_json(folder / data.NAMES, data.class_names(rows["train"]))
        channels = 3 if config.freeze else data.count_channels(rows["train"])
        return config, rows, {"channels": channels}

    @functools.cached_property
    def _places(self):
        names = runs.read_names(self.folder / data.NAMES)
        return {name: place for place, name in enumerate(names)}

    @functools.cached_property
    def _network(self):
        return backbones.open_frozen(self.config.backbone, self.config.image_size).model

    def examples(self, split, rows):
        files, skipped = [row["path"] for row in rows], []
        frozen = self.config.freeze and split != "test"
        for places, pixels in image_files.batches(
            files, self.config.image_size, backbones.BATCH_SIZE, self.facts["channels"], skipped
        ):
            pictures = [pixels]
            if frozen and self.config.flip and split == "train":
                pictures.append(pixels[:, :, ::-1])
            if frozen:
                pictures = [backbones.compute_features(self._network, each) for each in pictures]
            for number, place in enumerate(places):
                label = np.array(self._places.get(rows[place]["label"], -1), "int32")
                yield place, [{"picture": each[number], "label": label} for each in pictures]
        for place, error in skipped:
            yield place, image_files.reason_of(error)
