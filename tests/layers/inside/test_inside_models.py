"""Layers inside other people's: functional models of any size, trained and exported.

A functional model asks a custom layer for its shape with sizes that are no numbers: expressions on
JAX, tensors on TensorFlow. An export computes with them.
"""

import keras
import numpy as np
import pytest

from tests.layers.backend import BACKEND, to_numpy
from tests.layers.inside.cases import CASES, KINDS

# What is fast enough for every run; the others are slow.
FIT = {"tensorflow": ["multi_head_masked"]}.get(BACKEND, ["multi_head_masked", "rnn_additive"])
EXPORT = {"tensorflow": ["local_masked"]}.get(BACKEND, ["multi_head_masked", "local_masked"])
# `torch.export` takes lengths as they are for what loops over them, or counts blocks of them.
FIXED = ("rnn", "recurrent", "lstm", "monotonic", "coverage", "location", "crf", "viterbi")
FIXED += ("block_sparse", "chunked", "captioner")


def cases(fast):
    return [
        pytest.param(case, id=name, marks=[pytest.mark.slow] * (name not in fast))
        for name, case in CASES.items()
    ]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_custom_layer_around_ours_takes_any_size(kind):
    failed = {}
    for case in KINDS[kind]():
        layer = case.make()
        for known in (False, True):
            try:
                shape = case.build(known, layer).output_shape
                assert shape[0] is None, shape
                assert known <= (None not in shape[1:]), shape
            except Exception as error:
                failed[f"{case.name}, {'known' if known else 'unknown'}"] = error
    assert failed == {}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("case", cases(FIT))
def test_fit_trains_it_compiled(case, known):
    """With XLA, where there is one, on TensorFlow too."""
    keras.utils.set_random_seed(0)
    model = case.build(known)
    jit = True if BACKEND == "tensorflow" else "auto"
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    for which in (0,) if known else (0, 1):
        arrays = case.arrays(which)
        before = [np.array(x) for x in model.get_weights()]
        target = np.ones(model(arrays).shape, "float32")
        loss = model.fit(arrays, target, epochs=1, verbose=0).history["loss"][0]
        assert np.isfinite(loss)
        changed = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
        assert any(changed) or not changed


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("case", cases(EXPORT))
def test_it_is_exported(case, known, tmp_path):
    """To a SavedModel, from PyTorch to a program of its own; with the numbers of the model."""
    keras.utils.set_random_seed(0)
    known = known or (BACKEND == "torch" and any(name in case.name for name in FIXED))
    model = case.build(known)
    served = (from_torch if BACKEND == "torch" else from_tensorflow)(case, model, known, tmp_path)
    for which in (0,) if known else (0, 1):
        arrays = case.arrays(which)
        close(served(arrays), to_numpy(model(arrays, training=False)))


def from_tensorflow(case, model, known, path):
    import tensorflow as tf

    model.export(str(path), format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(path))
    return lambda arrays: to_numpy(loaded.serve(arrays))


def from_torch(case, model, known, path):
    import torch

    def dynamic(length):
        axes = {0: torch.export.Dim("batch", min=2, max=64)}
        if length is not None and not known:
            axes[1] = torch.export.Dim(length, min=2, max=64)
        return axes

    shapes = [dynamic(length) for length in case.inputs.values()]
    file = str(path / "model.pt2")
    model.export(file, format="torch", verbose=False, dynamic_shapes=((shapes,),))
    program = torch.export.load(file).module()
    return lambda arrays: to_numpy(program([torch.tensor(array) for array in arrays]))
