"""The leak check finds a lost causal mask, and nothing where it holds."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import sees_the_future

B, T, D = 3, 7, 12
RNG = np.random.default_rng(1)
SEQUENCES = {
    "numbers": RNG.normal(size=(B, T, D)).astype("float32"),
    "tokens": RNG.integers(1, 11, (B, T)),
}


def model(kind, causal):
    embed = keras.layers.Embedding(11, D) if kind == "tokens" else lambda x: x
    attention = layers.MultiHeadAttention(2, 5)

    def run(x):
        x = embed(x)
        return attention(x, x, use_causal_mask=causal)

    return run


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("causal", [True, False])
def test_a_lost_mask_is_found(kind, causal):
    assert sees_the_future(model(kind, causal), SEQUENCES[kind]) is not causal


def test_a_look_one_step_ahead_is_found():
    x = SEQUENCES["numbers"]
    assert sees_the_future(lambda x: ops.roll(x, -1, axis=1), x)
    assert sees_the_future(lambda x: ops.concatenate([x[:, :-2], x[:, -1:], x[:, -1:]], 1), x)
    assert not sees_the_future(lambda x: ops.cumsum(x, axis=1), x)


def test_the_decoder_block_sees_no_future():
    block = layers.TransformerDecoderBlock(num_heads=2, mlp_dim=17)
    assert not sees_the_future(block, SEQUENCES["numbers"])
