"""A call argument in a constructor is told to be one, by every layer that has some of its own."""

import keras
import pytest

import layers

MAKE = {
    "AttentionPooling": lambda **options: layers.AttentionPooling(5, **options),
    "AttentionRNN": lambda **options: layers.AttentionRNN(
        keras.layers.LSTMCell(5), layers.AdditiveAttention(3), **options
    ),
    "ConformerBlock": lambda **options: layers.ConformerBlock(2, 17, 5, **options),
    "MultiHeadAttention": lambda **options: layers.MultiHeadAttention(2, 5, **options),
    "PointerGenerator": lambda **options: layers.PointerGenerator(
        layers.RecurrentDecoder(11, 6), **options
    ),
    "RecurrentDecoder": lambda **options: layers.RecurrentDecoder(11, 6, **options),
    "TransformerDecoder": lambda **options: layers.TransformerDecoder(11, 6, **options),
    "TransformerDecoderBlock": lambda **options: layers.TransformerDecoderBlock(2, 17, **options),
    "TransformerEncoderBlock": lambda **options: layers.TransformerEncoderBlock(2, 17, **options),
}


@pytest.mark.parametrize("name", MAKE)
def test_it_is_said_by_name(name):
    with pytest.raises(TypeError, match=rf"`return_attention_scores` is a call argument.*{name}"):
        MAKE[name](return_attention_scores=True)
    with pytest.raises((TypeError, ValueError), match="no_such_thing"):
        MAKE[name](no_such_thing=True)
