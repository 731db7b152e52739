"""The recurrent decoder in use: what it decodes, with every mechanism that fits it."""

import keras
import numpy as np
import pytest

import layers
from layers import AdditiveAttention, RecurrentDecoder
from layers.registry import MECHANISMS
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

SINGLE_HEAD = [name for name, known in MECHANISMS.items() if known.single_head]


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


class TestDeep(DecoderPromises):
    @pytest.fixture
    def make(self):
        return lambda *sizes, **options: maker("additive")(*sizes, num_layers=3, **options)


def test_mechanisms_with_heads_do_not_fit():
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


@pytest.mark.parametrize("num_layers", [1, 3])
def test_every_cell_has_a_first_state_of_its_own_and_reads_the_one_below(num_layers):
    decoder, memory = build(maker("additive")(num_layers=num_layers)), memories()
    memory = keras.ops.convert_to_tensor(memory)
    cell = decoder.rnn.cell
    cells = getattr(cell, "cells", [cell])
    assert len(cells) == num_layers == decoder.get_config()["num_layers"]
    projected, state = decoder.start(memory, 1, 5)
    states, (context,) = to_numpy(state[:-1]), state[-1:]
    assert len(states) == 2 * num_layers
    np.testing.assert_allclose(
        np.concatenate(states, axis=-1),
        to_numpy(decoder.first_state(keras.ops.mean(memory, axis=1))),
        rtol=1e-5,
        atol=1e-6,
    )
    tokens = np.array([4, 5, 6], "int32")
    embedded = decoder.embed(tokens)
    hidden = keras.ops.concatenate([embedded, context], axis=-1)
    for i, one in enumerate(cells):
        hidden, _ = one(hidden, [keras.ops.convert_to_tensor(s) for s in states[2 * i : 2 * i + 2]])
    read, weights = decoder.rnn.attention.attend(hidden[:, None], projected[0])
    features, found_weights, _ = decoder.step_features(tokens, 0, projected, state)
    expected = np.concatenate(to_numpy([hidden, read[:, 0], embedded]), axis=-1)
    np.testing.assert_allclose(to_numpy(features), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(found_weights), to_numpy(weights)[:, 0], 1e-5, 1e-6)
    assert features.shape[-1] == decoder.features_dim(DIM) == 3 * DIM
    logits, _, _ = decoder.step(tokens, 0, projected, state)
    np.testing.assert_allclose(to_numpy(logits), to_numpy(decoder.project(features)), 1e-5, 1e-5)


def test_a_decoder_saved_by_the_name_of_its_attention_keeps_plain_scores():
    config = layers.RecurrentDecoder(11, 8, attention="additive").get_config()
    assert config["attention"] == "additive"
    decoder = layers.RecurrentDecoder.from_config(config)
    decoder.build((3, 5), (3, 7, 6))
    assert decoder.rnn.attention.scale == 1.0
