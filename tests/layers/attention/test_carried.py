"""Every layer that is no mechanism in a model of its own: compiled, saved, exported.

The mechanisms have the same in `test_models.py` and in the harness.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import layers
from tests.layers.backend import BACKEND, compiled_with_xla, gradients, randomise, to_numpy
from tests.layers.mechanism import close

B, T, S, D, VOCABULARY = 2, 5, 7, 12, 11
only_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="a SavedModel and tf2onnx take TensorFlow as the backend"
)


def rnn(attention):
    return layers.AttentionRNN(keras.layers.LSTMCell(5), attention)


def sequence_to_sequence(source, tokens):
    decoder = layers.PointerGenerator(
        layers.TransformerDecoder(VOCABULARY, D, num_heads=2, max_length=T), copy_dim=4
    )
    model = layers.SequenceToSequence(layers.RecurrentEncoder(6), decoder)
    return model({"source": source, "tokens": tokens})


# The layer, and what it is given: numbers (length, size), tokens (length,), or a picture.
LAYERS = {
    "additive rnn": (lambda: rnn(layers.AdditiveAttention(3)), [(T, D), (S, D)]),
    "coverage rnn": (lambda: rnn(layers.CoverageAttention(3)), [(T, D), (S, D)]),
    "location rnn": (lambda: rnn(layers.LocationSensitiveAttention(3)), [(T, D), (S, D)]),
    "monotonic rnn": (lambda: rnn(layers.MonotonicAttention(3)), [(T, D), (S, D)]),
    "recurrent decoder": (lambda: layers.RecurrentDecoder(VOCABULARY, 6), [(T,), (S, D)]),
    "transformer decoder": (
        lambda: layers.TransformerDecoder(VOCABULARY, D, num_heads=2, max_length=T),
        [(T,), (S, D)],
    ),
    "transformer encoder": (
        lambda: layers.TransformerEncoder(2, 2, 17, attention="linear", max_length=T),
        [(T, D)],
    ),
    "recurrent encoder": (lambda: layers.RecurrentEncoder(6, num_layers=2), [(T, D)]),
    "pointer generator": (
        lambda: layers.PointerGenerator(layers.RecurrentDecoder(VOCABULARY, 6, num_layers=2)),
        [(T,), (S, D)],
    ),
    "sequence to sequence": (lambda: sequence_to_sequence, [(S,), (T,)]),
    "encoder block": (lambda: layers.TransformerEncoderBlock(2, 17), [(T, D)]),
    "decoder block": (lambda: layers.TransformerDecoderBlock(2, 17), [(T, D), (S, D)]),
    "conformer block": (lambda: layers.ConformerBlock(2, 17, 5), [(T, D)]),
    "rotary": (lambda: layers.MultiHeadAttention(2, 4, position="rotary"), [(T, D), (S, D)]),
    "relative chunked": (
        lambda: layers.MultiHeadAttention(
            2, 5, position="relative", implementation="chunked", num_kv_heads=1
        ),
        [(T, D), (S, D)],
    ),
    "pooling": (lambda: layers.AttentionPooling(3), [(T, D)]),
    "patches": (lambda: layers.PatchEmbedding(4, 6, class_token=True), [(12, 8, 3)]),
    "class token": (layers.ClassToken, [(T, D)]),
    "grid positions": (lambda: layers.GridPositionEmbedding((2, 3)), [(6, D)]),
    "learned positions": (lambda: layers.PositionEmbedding(13, kind="learned"), [(T, D)]),
    "layer scale": (lambda: layers.LayerScale(0.1), [(T, D)]),
    "stochastic depth": (lambda: layers.StochasticDepth(0.2), [(T, D)]),
}


def arrays(name):
    rng = np.random.default_rng(1)
    return [
        rng.integers(1, VOCABULARY, (B, *shape)).astype("int32")
        if len(shape) == 1
        else rng.normal(size=(B, *shape)).astype("float32")
        for shape in LAYERS[name][1]
    ]


def model_of(name):
    """A functional model of the layer, its weights random."""
    make, shapes = LAYERS[name]
    inputs = [
        keras.Input(shape, dtype="int32" if len(shape) == 1 else "float32", name=f"input_{i}")
        for i, shape in enumerate(shapes)
    ]
    return randomise(keras.Model(inputs, make()(*inputs)))


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_xla_equals_eager(name):
    model, inputs = model_of(name), [ops.convert_to_tensor(array) for array in arrays(name)]
    close(to_numpy(compiled_with_xla(lambda *x: model(list(x)))(*inputs)), to_numpy(model(inputs)))


@only_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LAYERS.keys() - {"stochastic depth"}))  # It has no weights.
def test_gradients_by_xla_equal_those_without(name):
    import tensorflow as tf

    model, inputs = model_of(name), arrays(name)
    assert model.trainable_variables

    def loss():
        return ops.sum(ops.sin(model(inputs, training=False)))

    @tf.function(jit_compile=True)
    def compiled():
        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(
            value,
            [variable.value for variable in model.trainable_variables],
            unconnected_gradients="zero",
        )

    for found, expected in zip(compiled(), gradients(loss, model.trainable_variables), strict=True):
        close(to_numpy(found), expected)


LOAD = """
import sys
import layers
import keras, numpy as np
for path in sys.argv[1:]:
    data = np.load(path + ".npz")
    inputs = [data[f"input_{i}"] for i in range(len(data.files) - 1)]
    output = keras.ops.convert_to_numpy(keras.models.load_model(path)(inputs))
    np.testing.assert_allclose(output, data["output"], rtol=1e-5, atol=1e-5)
    print("loaded")
"""


@pytest.mark.slow
def test_all_load_in_a_fresh_process(tmp_path):
    paths = []
    for name in LAYERS:
        model, inputs = model_of(name), arrays(name)
        paths.append(str(tmp_path / f"{name}.keras"))
        model.save(paths[-1])
        named = {f"input_{i}": array for i, array in enumerate(inputs)}
        np.savez(paths[-1] + ".npz", output=to_numpy(model(inputs)), **named)
    child = subprocess.run(
        [sys.executable, "-c", LOAD, *paths],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "KERAS_BACKEND": BACKEND},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == ["loaded"] * len(LAYERS)


@only_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_model_of_tensorflow_serves_equal(name, tmp_path):
    import tensorflow as tf

    model, inputs = model_of(name), arrays(name)
    expected = to_numpy(model(inputs))
    model.export(str(tmp_path), format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(str(tmp_path))
    close(to_numpy(served.serve(inputs)), expected)


@only_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_onnx_equals_the_model(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model, inputs = model_of(name), arrays(name)
    expected = to_numpy(model(inputs))
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [x.name for x in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, inputs, strict=True)))
    close(found, expected)
