"""`model.quantize` quantizes what computes with weights here, and outputs stay near."""

import gc

import keras
import numpy as np
import pytest

import layers
from tests.layers.backend import to_numpy

X = np.random.default_rng(0).normal(size=(2, 7, 16)).astype("float32")
TOKENS = np.random.default_rng(1).integers(1, 11, size=(2, 5))
SOURCE = {"source": np.random.default_rng(2).integers(1, 11, size=(2, 7)), "tokens": TOKENS}
PROJECTIONS = {"luong_dot": 0, "luong_general": 1, "additive": 3, "luong_concat": 3}
PROJECTIONS.update({"location_sensitive": 4, "coverage": 4, "monotonic": 3})


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """Keras collects garbage after each layer, which takes longer than all else here."""
    monkeypatch.setattr(gc, "collect", lambda *generation: 0)


def quantized(model, inputs, mode="int8"):
    """Outputs before and after, and the names of the weights that are integers."""
    before = to_numpy(model(inputs))
    model.quantize(mode)
    integers = [w.path for w in model.weights if keras.backend.standardize_dtype(w.dtype) == "int8"]
    return before, to_numpy(model(inputs)), integers


def near(found, expected, share=0.06):
    assert np.abs(found - expected).max() < share * np.abs(expected).max()


def of_layer(layer):
    x = keras.Input((None, 16))
    return keras.Model(x, layer(x))


@pytest.mark.parametrize("name", layers.mechanisms())
def test_every_mechanism(name, tmp_path):
    keras.utils.set_random_seed(0)
    x = keras.Input((7, 16))
    options = {"mode": "soft"} if name == "monotonic" else {}
    model = keras.Model(x, layers.get(name, 16, 4, **options)(x, x))
    before, after, integers = quantized(model, X)
    assert len(integers) == PROJECTIONS.get(name, 4)
    assert all(path.endswith("_projection/kernel") for path in integers)
    near(after, before)
    assert not integers or np.abs(after - before).max() > 0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(X)), after, atol=1e-5)


@pytest.mark.parametrize(
    "layer, number",
    [
        (lambda: layers.TransformerEncoderBlock(4, 32), 6),
        (lambda: layers.TransformerEncoderBlock(4, 32, layers.LinearAttention(4, 4)), 6),
        (lambda: layers.ConformerBlock(4, 32, 3), 10),
        (lambda: layers.AttentionPooling(8), 2),
        (lambda: layers.GroupedQueryAttention(4, 4, 2), 4),
    ],
)
def test_blocks(layer, number, tmp_path):
    keras.utils.set_random_seed(0)
    layer = layer()
    if isinstance(layer, layers.AttentionLayer):
        x = keras.Input((None, 16))
        model = keras.Model(x, layer(x, x))
    else:
        model = of_layer(layer)
    before, after, integers = quantized(model, X)
    assert len(integers) == number
    near(after, before)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(X)), after, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rnn", "transformer"])
def test_whole_models_with_their_embeddings(model, tmp_path):
    keras.utils.set_random_seed(0)
    network = layers.encoder_decoder(11, 16, model, num_heads=2, copies=True)
    before, after, integers = quantized(network, SOURCE)
    assert any("embedding" in path for path in integers)
    near(after, before)
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(SOURCE)), after, atol=1e-4)


def test_a_decoder_reads_its_logits_out_of_the_table_in_floats():
    decoder = layers.TransformerDecoder(11, 16, num_layers=1, num_heads=2)
    memory = keras.Input((7, 16))
    tokens = keras.Input((5,), dtype="int32")
    model = keras.Model([tokens, memory], decoder(tokens, memory))
    before, after, integers = quantized(model, [TOKENS, X])
    assert any(path.endswith("embedding/embeddings") for path in integers)
    near(after, before)


def test_of_mixed_precision_and_in_four_bits():
    for policy, mode in (("mixed_bfloat16", "int8"), ("float32", "int4")):
        keras.utils.set_random_seed(0)
        x = keras.Input((7, 16))
        model = keras.Model(x, layers.MultiHeadAttention(2, 8, dtype=policy)(x, x))
        before, after, integers = quantized(model, X, mode)
        assert sum(path.endswith("/kernel") for path in integers) == 4
        near(after, before, 0.3)
