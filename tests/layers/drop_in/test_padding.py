"""A padded batch says of each sequence what the sequence says alone."""

import keras
import numpy as np
import pytest

import layers
from tests.layers.backend import randomise, to_numpy

B, T, D, LENGTHS = 3, 11, 12, (11, 5, 2)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype("float32")
MASK = np.arange(T) < np.array(LENGTHS)[:, None]
PADDED = np.where(MASK[..., None], X, 1e3).astype("float32")
TOKENS = RNG.integers(1, 11, size=(B, 5))


def masked(layer):
    return lambda x, mask: layer(x, mask=mask)


def attending(layer):
    return lambda x, mask: layer(x, x, query_mask=mask, value_mask=mask)


LAYERS = {
    **{name: (lambda n=name: layers.get(n, D, 2), attending) for name in layers.mechanisms()},
    "AttentionPooling": (lambda: layers.AttentionPooling(5), masked),
    "ConformerBlock": (lambda: layers.ConformerBlock(2, 17, 5), masked),
    "RecurrentEncoder": (lambda: layers.RecurrentEncoder(D, 2), masked),
    "TransformerEncoder": (lambda: layers.TransformerEncoder(2, 2), masked),
    "TransformerEncoderBlock": (lambda: layers.TransformerEncoderBlock(2, 17), masked),
}


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer(name):
    make, call = LAYERS[name]
    layer = make()
    call(layer)(X, MASK)
    call = call(randomise(layer, scale=0.3))
    padded = to_numpy(call(PADDED, MASK))
    for i, length in enumerate(LENGTHS):
        alone = to_numpy(call(X[i : i + 1, :length], np.ones((1, length), bool)))[0]
        found = padded[i] if padded.ndim == 2 else padded[i, :length]
        np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.RecurrentDecoder(13, D),
        lambda: layers.RecurrentDecoder(13, D, "coverage"),
        lambda: layers.TransformerDecoder(13, D, 1, 2),
        lambda: layers.PointerGenerator(layers.TransformerDecoder(13, D, 1, 2), copy_dim=D),
    ],
)
def test_each_decoder_of_a_padded_memory(make):
    decoder = make()
    decoder(TOKENS, X)
    randomise(decoder, scale=0.3)
    padded = to_numpy(decoder(TOKENS, PADDED, memory_mask=MASK))
    for i, length in enumerate(LENGTHS):
        alone = to_numpy(decoder(TOKENS[i : i + 1], X[i : i + 1, :length]))[0]
        np.testing.assert_allclose(padded[i, :, : alone.shape[-1]], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("block", ["conformer", "transformer", "lstm"])
def test_an_encoder_of_sound(block):
    encoder = layers.SpeechEncoder(dim=8, num_layers=1, block=block, num_heads=2, kernel_size=3)
    frames = np.array(LENGTHS)
    encoder(X, frames)
    randomise(encoder, scale=0.3)
    found, mask = to_numpy(encoder(PADDED, frames))
    for i, length in enumerate(LENGTHS):
        alone, _ = to_numpy(encoder(X[i : i + 1, :length], frames[i : i + 1]))
        np.testing.assert_allclose(found[i, mask[i]], alone[0], rtol=1e-4, atol=1e-4)


def test_a_translator_of_padded_sources():
    keras.utils.set_random_seed(0)
    source = np.where(MASK, RNG.integers(1, 11, size=(B, T)), 0)
    for model in ("rnn", "transformer"):
        network = layers.encoder_decoder(11, 8, model, num_heads=2)
        padded = to_numpy(network({"source": source, "tokens": TOKENS}))
        for i, length in enumerate(LENGTHS):
            one = {"source": source[i : i + 1, :length], "tokens": TOKENS[i : i + 1]}
            np.testing.assert_allclose(padded[i], to_numpy(network(one))[0], atol=1e-4)
