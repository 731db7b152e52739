"""Operations of small models, counted by hand."""

import keras
import numpy as np
import pytest

import layers
from pipelines.training.throughput.model_flops import training_flops

B, S, T, D, M, V = 3, 7, 5, 8, 11, 13
TRAINING = 3 * 2  # Forward and backward, of an addition and a multiplication each.


def attention(queries, keys):
    """Terms of the scores, and of the sums of the values."""
    return 2 * queries * keys * D


def translator():
    """What `remat` computes again counts once."""
    model = layers.encoder_decoder(
        V, D, encoder_layers=2, decoder_layers=1, num_heads=2, mlp_dim=M, dropout=0.1, remat=True
    )
    encoder = 2 * (4 * S * D * D + attention(S, S) + 2 * S * D * M)
    decoder = 4 * T * D * D + attention(T, T) + 2 * T * D * M
    memory = 2 * T * D * D + 2 * S * D * D + attention(T, S)
    inputs = {"source": np.ones((B, S), "int32"), "tokens": np.ones((B, T), "int32")}
    return model, inputs, TRAINING * B * (encoder + decoder + memory + T * D * V)


def classifier():
    tokenizer = layers.patch_tokenizer((8, 8, 3), 4, D)
    model = layers.VisionTransformer(tokenizer, V, depth=1, num_heads=2, mlp_dim=M)
    model.build((None, 8, 8, 3))
    cells, length = 2 * 2, 1 + 2 * 2
    block = 4 * length * D * D + attention(length, length) + 2 * length * D * M
    patches = cells * D * 4 * 4 * 3
    return model, np.ones((B, 8, 8, 3), "float32"), TRAINING * B * (patches + block + D * V)


def listener():
    encoder = layers.SpeechEncoder(D, 1, "conformer", 2, M, kernel_size=3, filters=4)
    model = layers.SpeechToText(encoder, vocabulary_size=V)
    model.build({"features": (None, None, 12)})
    frames, bands, length = (16, 8, 4), (12, 6, 3), 4
    subsampling = frames[1] * bands[1] * 4 * 9 + frames[2] * bands[2] * 4 * 9 * 4
    subsampling += length * bands[2] * 4 * D
    halves = 2 * 2 * length * D * M
    block = halves + 4 * length * D * D + attention(length, length)
    block += length * (D * 2 * D + 3 * D + D * D)
    inputs = {"features": np.ones((B, 16, 12), "float32"), "frames": np.full((B,), 16, "int32")}
    return model, inputs, TRAINING * B * (subsampling + block + length * D * (V + 1))


@pytest.mark.parametrize("case", [translator, classifier, listener])
def test_backends_count_what_is_counted_by_hand(case):
    model, inputs, expected = case()
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    assert training_flops(model, inputs) == expected
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(variable))
    assert model.losses == []


def test_backends_know_nothing_of_frozen_weights():
    model, inputs, _ = translator()
    model.encoder.trainable = False
    assert training_flops(model, inputs) is None


def test_backends_count_the_steps_of_a_recurrent_layer_or_say_that_they_do_not_know():
    model = keras.Sequential([keras.Input((T, D)), keras.layers.LSTM(M)])
    expected = TRAINING * B * T * 4 * (D * M + M * M)
    known = {"tensorflow": None, "jax": expected, "torch": expected}[keras.backend.backend()]
    assert training_flops(model, np.ones((B, T, D), "float32")) == known
