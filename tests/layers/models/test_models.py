"""Whole models of every mechanism: trained, saved, and exported to a SavedModel and to ONNX.

All mechanisms stand side by side in one model, since compiling and exporting take long; each is
judged by its own output.
"""

import keras
import numpy as np
import pytest

import layers
from tests.layers.backend import BACKEND, to_numpy
from tests.layers.mechanism import close
from tests.layers.test_mechanisms import MECHANISMS

VOCABULARY, UNITS, N, D, MLP, KERNEL = 7, 3, 2, 12, 17, 5
# Batch, query length, value length.
SIZES = [(2, 5, 7), (3, 11, 4)]
only_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="a SavedModel and tf2onnx take TensorFlow as the backend"
)


def embedding(dim):
    return keras.layers.Embedding(VOCABULARY, dim, mask_zero=True)


def mechanism_branch(mechanism):
    """What one branch computes from tokens, and its layers."""
    parts = embed_query, embed_value, attention, dense = (
        embedding(mechanism.query_dim),
        embedding(mechanism.value_dim),
        mechanism.make(),
        keras.layers.Dense(UNITS),
    )

    def run(query, value):
        value = query if mechanism.self_attention_only else value
        return dense(attention(embed_query(query), embed_value(value)))

    return run, parts


def blocks_branch():
    """The layers that are built of mechanisms, one after the other."""
    parts = embed_query, embed_value, positions, encoder, conformer, decoder, pooling = (
        embedding(D),
        embedding(D),
        layers.PositionEmbedding(kind="sinusoidal"),
        layers.TransformerEncoderBlock(N, MLP),
        layers.ConformerBlock(N, MLP, KERNEL),
        layers.TransformerDecoderBlock(N, MLP),
        layers.AttentionPooling(UNITS),
    )

    def run(query, value):
        x = conformer(encoder(positions(embed_query(query))))
        return pooling(decoder(x, embed_value(value)))

    return run, parts


BRANCHES = {
    **{mechanism.name: lambda m=mechanism: mechanism_branch(m) for mechanism in MECHANISMS},
    "blocks": blocks_branch,
}


def functional(names=tuple(BRANCHES)):
    inputs = [keras.Input((None,), dtype="int32", name=name) for name in ("query", "value")]
    return keras.Model(inputs, {name: BRANCHES[name]()[0](*inputs) for name in names})


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        branches = {name: make() for name, make in BRANCHES.items()}
        self.runs = {name: run for name, (run, _) in branches.items()}
        self.parts = [part for _, parts in branches.values() for part in parts]

    def call(self, inputs):
        return {name: run(*inputs) for name, run in self.runs.items()}


def tokens(size):
    """Tokens of a query and a value; the last sequences end in padding."""
    rng = np.random.default_rng(sum(size))
    batch, *lengths = size
    found = [rng.integers(1, VOCABULARY, (batch, length)) for length in lengths]
    for array in found:
        array[-1, -2:] = 0
    return [array.astype("int32") for array in found]


def predictions(model):
    """Outputs by name, for every size."""
    return [to_numpy(model(tokens(size), training=False)) for size in SIZES]


def equal(found, expected, name):
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other[name]).max() > 1e-3
        close(one[name], other[name])


@pytest.fixture(
    scope="module",
    params=[functional, pytest.param(Subclassed, marks=pytest.mark.slow)],
    ids=["functional", "subclassed"],
)
def model(request):
    """A model after one step of training, and its outputs before."""
    keras.utils.set_random_seed(0)
    model = request.param()
    inputs = tokens(SIZES[0])
    before = to_numpy(model(inputs))
    rng = np.random.default_rng(1)
    target = {name: rng.normal(size=output.shape) for name, output in before.items()}
    # One step of a graph, one eager. XLA would compile for a minute; the harness trains with it.
    options = {"jit_compile": False, "run_eagerly": request.param is Subclassed}
    model.compile(keras.optimizers.SGD(0.5), dict.fromkeys(target, "mse"), **options)
    model.fit(inputs, target, epochs=1, verbose=0)
    model.before = before
    return model


@pytest.fixture(scope="module")
def expected(model):
    return predictions(model)


@pytest.fixture(scope="module")
def loaded(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    return [loaded.predict(tokens(size), verbose=0) for size in SIZES]


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    import tensorflow as tf

    path = str(tmp_path_factory.mktemp("exported"))
    spec = keras.layers.InputSpec(shape=(None, None), dtype="int32")
    model.export(path, format="tf_saved_model", verbose=False, input_signature=[[spec, spec]])
    served = tf.saved_model.load(path)
    return [to_numpy(served.serve(tokens(size))) for size in SIZES]


@pytest.mark.parametrize("name", BRANCHES)
def test_a_step_of_training_reaches_every_branch(model, expected, name):
    after = expected[0][name]
    assert np.isfinite(after).all()
    assert np.abs(after - model.before[name]).max() > 1e-3


@pytest.mark.parametrize("name", BRANCHES)
def test_a_saved_model_predicts_equal(loaded, expected, name):
    equal(loaded, expected, name)


@pytest.mark.slow
@only_tensorflow
@pytest.mark.parametrize("name", BRANCHES)
def test_a_saved_model_of_tensorflow_serves_equal(served, expected, name):
    equal(served, expected, name)


# ONNX


def run_onnx(model, path):
    """The outputs of a model by name, for every size, as onnxruntime computes them."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    inputs, outputs = ([x.name for x in x] for x in (session.get_inputs(), session.get_outputs()))
    assert inputs == ["query", "value"]
    found = []
    for size in SIZES:
        arrays = session.run(None, dict(zip(inputs, tokens(size), strict=True)))
        found.append(dict(zip(outputs, arrays, strict=True)))
    return found


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """What ONNX and what the model says."""
    model = functional(list(BRANCHES))
    expected = predictions(model)
    return run_onnx(model, str(tmp_path_factory.mktemp("onnx") / "model.onnx")), expected


@pytest.mark.slow
@only_tensorflow
@pytest.mark.parametrize("name", list(BRANCHES))
def test_onnx_equals_the_model(onnx, name):
    found, expected = onnx
    equal(found, expected, name)
