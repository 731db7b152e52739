"""A model out of names: its layers, that all of them are used, and that it is saved."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import encoder_decoder
from tests.layers.backend import gradients, randomise, to_numpy

B, T, S, V, D = 3, 5, 7, 11, 8
CASES = {
    "transformer": {},
    "copying transformer": {"copies": True, "attention": "additive"},
    "linear encoder": {"encoder_attention": "linear"},
    "rnn": {"model": "rnn", "attention": "luong_general"},
    "covering rnn": {"model": "rnn", "copies": True, "covers": True, "decoder_layers": 2},
}
cases = pytest.mark.parametrize("name", CASES)


def build(**options):
    return encoder_decoder(V, D, num_heads=2, encoder_layers=1, **{"decoder_layers": 1, **options})


def data():
    rng = np.random.default_rng(0)
    source = rng.integers(4, V, (B, S)).astype("int32")
    source[1, 4:] = 0
    return {"source": source, "tokens": rng.integers(4, V, (B, T)).astype("int32")}


class TestParts:
    def test_a_transformer(self):
        model = encoder_decoder(
            *(V, D),
            encoder_attention="performer",
            encoder_layers=3,
            decoder_layers=4,
            num_heads=2,
            mlp_dim=13,
            dropout=0.2,
            word_dropout=0.3,
            max_source=17,
            max_target=19,
        )
        encoder, decoder = model.encoder, model.decoder
        assert type(encoder) is layers.TransformerEncoder
        assert type(decoder) is layers.TransformerDecoder
        assert (encoder.num_layers, encoder.num_heads, encoder.mlp_dim) == (3, 2, 13)
        assert (encoder.attention, encoder.max_length, encoder.dropout) == ("performer", 17, 0.2)
        assert (decoder.num_layers, decoder.num_heads, decoder.mlp_dim) == (4, 2, 13)
        assert (decoder.cross_attention, decoder.max_length) == ("multi_head", 19)
        assert (decoder.dropout, decoder.word_dropout, decoder.dim) == (0.2, 0.3, D)
        assert model.built and not model.copies and decoder.vocabulary_size == V

    def test_a_recurrent_model(self):
        options = {"encoder_layers": 2, "decoder_layers": 3, "dropout": 0.2, "word_dropout": 0.3}
        model = encoder_decoder(V, D, model="rnn", **options)
        encoder, decoder = model.encoder, model.decoder
        assert type(encoder) is layers.RecurrentEncoder
        assert type(decoder) is layers.RecurrentDecoder
        assert (encoder.dim, encoder.num_layers, encoder.dropout) == (D, 2, 0.2)
        assert (decoder.num_layers, decoder.dropout, decoder.word_dropout) == (3, 0.2, 0.3)
        attention = decoder.rnn.attention
        assert type(attention) is layers.AdditiveAttention
        assert (attention.units, attention.scale) == (D // 2, (D // 2) ** -0.5)
        assert model.built and not model.copies

    @pytest.mark.parametrize("name", ["luong_dot", "luong_general", "luong_concat"])
    def test_attention_of_the_recurrent_model(self, name):
        attention = build(model="rnn", attention=name).decoder.rnn.attention
        assert type(attention) is layers.LuongAttention
        assert attention.get_config()["score"] == name.removeprefix("luong_")
        assert attention.scale == D**-0.5

    def test_coverage(self):
        attention = build(model="rnn", covers=True).decoder.rnn.attention
        assert type(attention) is layers.CoverageAttention and attention.units == D // 2

    def test_copies(self):
        recurrent, transformer = build(model="rnn", copies=True), build(copies=True)
        for model in (recurrent, transformer):
            assert model.copies and type(model.decoder) is layers.PointerGenerator
            assert model.embedding is model.decoder.decoder.embedding
        assert (recurrent.decoder.copy_dim, transformer.decoder.copy_dim) == (None, D)

    def test_an_unknown_model(self):
        with pytest.raises(ValueError, match=r"`model` must be 'transformer' or 'rnn'.*'gru'"):
            encoder_decoder(V, D, model="gru")


@cases
def test_every_weight_has_a_part_in_what_it_says(name):
    model, inputs = randomise(build(**CASES[name])), data()

    def loss():
        return ops.mean(ops.sin(model(inputs)))

    weights = model.trainable_variables
    assert to_numpy(model(inputs)).shape == (B, T, V + S * model.copies)
    found = gradients(loss, weights)
    unused = [
        w.path for w, gradient in zip(weights, found, strict=True) if abs(gradient).max() < 1e-7
    ]
    # A bias that all scores have alike has none.
    assert all(path.endswith("bias") for path in unused) and len(unused) <= 4, unused


@cases
def test_it_comes_back_from_a_file(name, tmp_path):
    model, inputs = randomise(build(**CASES[name])), data()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        to_numpy(loaded(inputs)), to_numpy(model(inputs)), rtol=1e-5, atol=1e-5
    )
