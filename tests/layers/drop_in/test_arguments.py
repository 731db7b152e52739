"""What is passed as other libraries take it is refused with how it is passed here."""

import keras
import numpy as np
import pytest

import layers

X, MEMORY, TOKENS = np.ones((2, 5, 12)), np.ones((2, 7, 12)), np.ones((2, 5), "int32")


@pytest.mark.parametrize(
    "make, given, said",
    [
        (lambda: layers.AdditiveAttention(3), [X, MEMORY], "layer(query, value)"),
        (lambda: layers.MultiHeadAttention(2, 3), [X, MEMORY, MEMORY], "layer(query, value, key)"),
        (lambda: layers.LinearAttention(2, 3), (X, MEMORY), "layer(query, value)"),
        (lambda: layers.CoverageAttention(3), [X], "layer(query, value)"),
        (lambda: layers.TransformerDecoderBlock(2, 17), [X, MEMORY], "layer(x, memory)"),
        (lambda: layers.RecurrentDecoder(11, 6), [TOKENS, MEMORY], "layer(tokens, memory)"),
        (lambda: layers.TransformerDecoder(11, 6), [TOKENS, MEMORY], "layer(tokens, memory)"),
        (
            lambda: layers.PointerGenerator(layers.RecurrentDecoder(11, 6)),
            [TOKENS, MEMORY],
            "layer(tokens, memory)",
        ),
        (
            lambda: layers.AttentionRNN(keras.layers.GRUCell(3), layers.AdditiveAttention(3)),
            [X, MEMORY],
            "layer(inputs, memory)",
        ),
    ],
)
def test_a_list_of_tensors(make, given, said):
    layer = make()
    with pytest.raises(ValueError) as info:
        layer(given)
    name = type(layer).__name__
    assert str(info.value) == (
        f"{name} takes its tensors as arguments of their own, not as a list: {said}"
    )


@pytest.mark.parametrize(
    "cell, said",
    [
        (
            keras.layers.LSTM(5),
            r"LSTM is the loop over all.*: pass keras.layers.LSTMCell\(5\)",
        ),
        (keras.layers.GRU(3), r"pass keras.layers.GRUCell\(3\)"),
        (keras.layers.SimpleRNN(3), r"pass keras.layers.SimpleRNNCell\(3\)"),
        (keras.layers.RNN(keras.layers.LSTMCell(3)), "RNN is the loop.* pass its `cell`"),
        ([keras.layers.LSTMCell(3)], r"pass keras.layers.StackedRNNCells\(cells\)"),
        (keras.layers.Dense(3), r"must be a Keras RNN cell, such as keras.layers.LSTMCell\(512\)"),
        (keras.layers.LSTMCell, "must be a Keras RNN cell"),
        ("lstm", "cell='lstm'"),
    ],
)
def test_what_is_no_cell(cell, said):
    with pytest.raises(ValueError, match=said):
        layers.AttentionRNN(cell, layers.AdditiveAttention(3))


@pytest.mark.parametrize(
    "attention", ["additive", keras.layers.AdditiveAttention(), layers.MultiHeadAttention(1, 3)]
)
def test_what_is_no_attention_of_one_head(attention):
    with pytest.raises(ValueError, match="`attention` must be a single-head attention layer"):
        layers.AttentionRNN(keras.layers.LSTMCell(3), attention)


def speech(decoder=True):
    encoder = layers.SpeechEncoder(8, 1, "lstm")
    decoder = layers.RecurrentDecoder(11, 8) if decoder else None
    model = layers.SpeechToText(encoder, decoder, 11)
    model.build({"features": (None, None, 16)})
    return model


def captioner():
    model = layers.ImageCaptioner(layers.ImageEncoder(8), layers.RecurrentDecoder(11, 8))
    model.build({"picture": (None, 9, 5), "tokens": (None, None, None)})
    return model


MODELS = {
    "SequenceToSequence": (lambda: layers.encoder_decoder(11, 8, "rnn"), "`source`, `tokens`"),
    "SpeechToText": (speech, "`features`, `frames`, `tokens`"),
    "ImageCaptioner": (captioner, "`picture`, `tokens`"),
    "Whisper": (lambda: layers.Whisper(11, 8, 1, 2, 16), "`features`, `tokens`"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_dict_of_other_keys(name):
    make, keys = MODELS[name]
    model = make()
    for inputs, found in (
        ({"input": TOKENS, "target": TOKENS}, "the keys `input`, `target`"),
        ({"tokens": TOKENS}, "the keys `tokens`"),
        ((TOKENS, TOKENS), "a tuple"),
    ):
        with pytest.raises(ValueError) as info:
            model(inputs)
        assert f"{name} takes a dict with the keys {keys}. Received: {found}" in str(info.value)


def test_keys_that_a_model_has_no_use_for_are_let_be():
    model = layers.encoder_decoder(11, 8, "rnn")
    source = np.ones((2, 7), "int32")
    assert model({"source": source, "tokens": TOKENS, "id": TOKENS}).shape == (2, 5, 11)
    sound = {"features": np.ones((2, 9, 16)), "frames": np.array([9, 5])}
    assert set(speech(decoder=False)(sound)) == {"ctc"}


def test_a_transformer_refuses_cross_attention_that_needs_earlier_weights():
    with pytest.raises(ValueError, match="`cross_attention` cannot be CoverageAttention"):
        layers.TransformerDecoderBlock(2, 17, cross_attention="coverage")(X, MEMORY)
