"""What the layers use of Keras that is not public, and what to do when a new Keras has moved it."""

import ast
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.backend import AutocastScope

import layers
from layers.functional.masking import carry_mask, implicit_mask
from layers.functional.sizes import is_for_xla
from tests.layers import backend
from tests.layers.backend import to_numpy

ROOT = Path(layers.__file__).parent
TOKENS = np.array([[1, 2, 0], [1, 0, 0]])


def private_imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras.src"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (x.name for x in node.names if x.name.startswith("keras.src"))


def test_two_files_alone_use_what_is_private():
    found = {
        path.relative_to(ROOT).as_posix(): set(private_imports(path)) for path in ROOT.rglob("*.py")
    }
    assert {path: names for path, names in found.items() if names} == {
        "functional/masking.py": {
            "keras.src.backend.get_keras_mask",
            "keras.src.backend.set_keras_mask",
        },
        "functional/rematerialize.py": {"keras.src.backend.AutocastScope"},
    }


def test_the_mask_of_a_tensor_is_read_as_keras_sets_it():
    """Should this fail: find where `Layer.__call__` in Keras sets masks, and read them there.

    `implicit_mask` is the one place. In Keras 3.15 a mask is the attribute `_keras_mask`.
    """
    embedded = keras.layers.Embedding(3, 4, mask_zero=True)(TOKENS)
    np.testing.assert_array_equal(to_numpy(implicit_mask(embedded)), TOKENS != 0)
    assert implicit_mask(keras.ops.ones((2, 3, 4))) is None


def test_a_mask_that_is_set_arrives_at_the_next_layer():
    """Should this fail: find where `Layer.__call__` in Keras reads masks, and set them there.

    `carry_mask` is the one place. An explicit `query_mask` is lost to later layers without it.
    """
    tensor = keras.ops.ones((2, 3, 4))
    carry_mask(tensor, TOKENS != 0)
    np.testing.assert_array_equal(backend.implicit_mask(tensor), TOKENS != 0)


def test_a_weight_is_read_in_its_own_precision_where_layers_cast_it():
    """Should this fail: find what casts weights in Keras's `Layer.__call__`, and turn that off.

    `rematerialized` is the one place: cast there, they would be rounded for float32 layers inside.
    """
    weight = keras.Variable([1.0 + 2.0**-12], dtype="float32")
    with AutocastScope("bfloat16"):
        assert keras.backend.standardize_dtype(weight.dtype) == "bfloat16"
        with AutocastScope(None):
            assert float(to_numpy(weight.value)[0]) == 1.0 + 2.0**-12


@pytest.mark.skipif(backend.BACKEND != "tensorflow", reason="TensorFlow alone has XLA as an option")
def test_a_function_that_xla_compiles_is_known_while_it_is_traced():
    """Should this fail: find how `tf.cond` learns of XLA, and ask the same in `is_for_xla`.

    In TensorFlow 2.21 the graph, or one around it, has a control flow context of XLA's.
    """
    import tensorflow as tf

    said = []

    def outer(x):
        return tf.map_fn(lambda row: said.append(is_for_xla(row)) or row, x)

    for jit in (False, True):
        tf.function(outer, jit_compile=jit).get_concrete_function(tf.TensorSpec((None,)))
    assert set(said[: len(said) // 2]) == {False}
    assert set(said[len(said) // 2 :]) == {True}
    assert not is_for_xla(tf.constant(1.0))
