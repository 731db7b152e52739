"""What is shared out of the models that the applications build."""

import importlib
import types

import numpy as np
import pytest

import layers

LEAST = 4096  # Weights of a matrix that is worth sharing out.
SUBWORDS = types.SimpleNamespace(vocabulary_size=302, pad=0, start=1, end=2, has_shapes=False)


def network(application, **settings):
    """The model of an application, for 302 tokens, 3 classes or 10 kinds of images."""
    config = importlib.import_module(f"apps.{application}.config").Config(**settings)
    build = importlib.import_module(f"apps.{application}.model").build
    if application == "captioning":
        return build(config, (48, 48, 3), 302)
    if application == "vision":
        return build(config, 3, 10)
    if application == "understanding":
        return build(config, SUBWORDS, ["O", "B-place", "I-place"])
    return build(config, 302)


@pytest.mark.parametrize(
    ("application", "settings"),
    [
        ("translation", {"model": "rnn"}),
        ("summarization", {}),
        ("captioning", {"decoder": "rnn"}),
        ("captioning", {"decoder": "transformer"}),
        ("speech", {"encoder": "conformer"}),
        ("speech", {"encoder": "lstm"}),
        ("vision", {"model": "vit", "image_size": 24, "patch_size": 4}),
        ("vision", {"model": "compact", "image_size": 24, "convolutions": 1, "kernel_size": 3}),
        *(("understanding", {"task": task}) for task in ("sentiment", "ner", "qa")),
    ],
)
def test_large_matrices_are_shared_out_and_all_else_is_whole(application, settings):
    cut, whole = [], []
    for variable in network(application, **settings).variables:
        axes = layers.sharded_axes(variable.path, variable.shape, 2)
        (cut if "model" in axes else whole).append(variable)
    convolutions = ("conv", "depthwise", "patch")
    positions = ("positions", "position")
    for variable in whole:
        name = variable.path.rpartition("/")[2]
        small = np.prod(variable.shape) < LEAST or name in positions
        assert small or any(kind in variable.path for kind in convolutions), variable.path
    assert all(len(variable.shape) > 1 for variable in cut)
    of_all = sum(np.prod(v.shape) for v in (*cut, *whole))
    assert sum(np.prod(v.shape) for v in cut) > of_all / 3
