"""Ways to prepare a data set in this process, and to compare what is drawn from it."""

import contextlib
import importlib
import itertools

import numpy as np
import tensorflow as tf

from pipelines.commands import flags, left_out
from pipelines.commands.disk import prepared_data
from pipelines.data.prepared import making


def config_of(app, *arguments, **settings):
    """The configuration of a training, as its command reads it."""
    config_class = importlib.import_module(f"apps.{app}.config").Config
    words = [*arguments, *flags_of(settings)]
    config = flags.parse(config_class, words, defaults=prepared_data.adopted)
    prepared_data.check(config)
    return config


def flags_of(settings):
    from tests.apps import commands

    return commands.flags(**settings)


def prepare(app, kind, output, shard_size=0.03, **settings):
    """Prepares a data set in small files; its folder."""
    left_out.begin(0.1)
    options = importlib.import_module(f"apps.{app}.config").Preparation
    words = flags_of({"output": output, "shard_size": shard_size, **settings})
    given = flags.parse(options, words)
    config = prepared_data.configure(kind.CONFIG)(given)
    with contextlib.redirect_stdout(None):
        return making.prepare(kind, config, given)


def assert_same(batches, others, count=7, start=0):
    """Makes sure that two `Batches` are of as many examples, and that all they hold is equal.

    Args:
        batches: The first.
        others: The second.
        count: How many batches are drawn.
        start: The step at which the second is opened.
    """
    for name in ("steps", "examples", "seed"):
        assert getattr(batches, name) == getattr(others, name)
    assert list(batches.counts) == list(others.counts)
    assert list(batches.sizes) == list(others.sizes)
    pairs = zip(batches.open().skip(start), others.open(start), strict=True)
    for one, other in itertools.islice(pairs, count):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def rows_of(rows, without=("path",)):
    """Rows without the places of their files."""
    return [{k: v for k, v in row.items() if k not in without} for row in rows]


def train(tiny, folder, **settings):
    """Prepares a data set and trains on it, as a user does; the result of the training."""
    flags = flags_of({"output": "set", **settings})
    assert tiny.finish("prepare", *flags, folder=folder).status == 0
    flags = flags_of({**tiny.SETTINGS, "dataset": "set", "name": "tiny"})
    result = tiny.finish("train", *flags, folder=folder)
    assert result.status == 0, result.err
    return result
