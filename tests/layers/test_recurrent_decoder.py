"""The recurrent decoder in use: what it decodes, with every mechanism that fits it."""

import keras
import numpy as np
import pytest

import layers
from layers import AdditiveAttention, RecurrentDecoder
from tests.layers.backend import to_numpy
from tests.layers.decoding import (
    DIM,
    EXAMPLES,
    MASK,
    VOCABULARY,
    DecoderPromises,
    DecodingPromises,
    build,
    memories,
    whole_pass,
)

SINGLE_HEAD = [name for name in layers.mechanisms() if layers.get(name).num_heads is None]


def maker(attention):
    def make(vocabulary_size=VOCABULARY, **options):
        part = attention() if callable(attention) else attention
        return RecurrentDecoder(vocabulary_size, DIM, part, **options)

    return make


class TestEveryMechanism(DecoderPromises):
    @pytest.fixture(params=[*SINGLE_HEAD, "a layer"])
    def make(self, request):
        if request.param == "a layer":
            return maker(lambda: AdditiveAttention(5, use_bias=False))
        return maker(request.param)


class TestDecoding(DecodingPromises):
    @pytest.fixture
    def make(self):
        return maker("additive")


def test_mechanisms_with_heads_do_not_fit():
    assert SINGLE_HEAD == ["additive", "luong_dot", "luong_general", "luong_concat"]
    for name in set(layers.mechanisms()) - set(SINGLE_HEAD):
        with pytest.raises(ValueError, match="single-head"):
            build(maker(name)())


def test_the_first_state_comes_from_the_mean_of_the_memory():
    decoder, memory = build(maker("additive")()), memories()
    kernel, bias = decoder.first_state.get_weights()
    masked = np.where(MASK[..., None], memory, 0).sum(1) / MASK.sum(1, keepdims=True)
    for mask, mean in ((None, memory.mean(1)), (MASK, masked)):
        mask = None if mask is None else keras.ops.convert_to_tensor(mask)
        _, (hidden, carry, context) = decoder.start(
            keras.ops.convert_to_tensor(memory), 2, 5, memory_mask=mask
        )
        expected = np.repeat(np.tanh(mean @ kernel + bias), 2, axis=0)
        found = np.concatenate(to_numpy([hidden, carry]), axis=-1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert not to_numpy(context).any() and context.shape == (2 * EXAMPLES, DIM)


def test_a_memory_without_a_position_left_gives_finite_logits():
    decoder = build(maker("additive")())
    mask = np.zeros_like(MASK)
    log_probs, weights = whole_pass(decoder, np.ones((EXAMPLES, 4), "int32"), memories(), mask)
    assert np.isfinite(log_probs).all() and not weights.any()


def test_logits_are_the_deep_output_of_state_context_and_token():
    decoder, memory = build(maker("additive")()), memories()
    tokens = np.array([[1, 4], [1, 5], [1, 6]], "int32")
    table = decoder.embedding.get_weights()[0]
    states = [to_numpy(s) for s in decoder.start(memory, 1, 5)[1]]
    outputs, _ = decoder.rnn(
        keras.ops.convert_to_tensor(table[tokens]),
        memory,
        initial_state=states,
        return_attention_scores=True,
    )
    (w1, b1), (w2, b2) = decoder.readout.get_weights(), decoder.logits.get_weights()
    read = np.tanh(np.concatenate([to_numpy(outputs), table[tokens]], axis=-1) @ w1 + b1)
    np.testing.assert_allclose(
        to_numpy(decoder(tokens, memory)), read @ w2 + b2, rtol=1e-4, atol=1e-5
    )


def test_a_layer_may_stand_for_the_name():
    by_name = build(maker("additive")())
    units = by_name.rnn.attention.units
    by_layer = build(maker(lambda: AdditiveAttention(units))())
    for part in ("embedding", "first_state", "rnn", "readout", "logits"):
        getattr(by_layer, part).set_weights(getattr(by_name, part).get_weights())
    tokens, memory = np.array([[1, 4], [1, 5], [1, 6]], "int32"), memories()
    for found, expected in zip(
        whole_pass(by_layer, tokens, memory), whole_pass(by_name, tokens, memory), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    rebuilt = RecurrentDecoder.from_config(by_layer.get_config())
    assert rebuilt.attention.units == units
