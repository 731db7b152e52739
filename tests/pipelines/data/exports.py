"""Exported sets of TensorFlow Datasets: made in a folder, and their lines."""

import json

from pipelines.data import sources
from pipelines.data.fields import Field
from pipelines.data.sources import DataSet


def locate(name, fields, cache_dir, features=None, data_dir=None):
    """Has a set exported.

    Args:
        name: `tfds:NAME`.
        fields: For each field its type.
        cache_dir: Where the folder is made.
        features: For each field the features that may hold it.
        data_dir: Where sets are prepared.
    """
    data_set = DataSet(
        fields={field: Field((field,), kind=kind) for field, kind in fields.items()},
        builtin={},
        version="1",
        identity=list,
        tfds_features=features or {},
    )
    return sources.locate(data_set, name, data_dir=data_dir, cache_dir=cache_dir)


def read(folder, split):
    """The lines of a split."""
    text = (folder / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
