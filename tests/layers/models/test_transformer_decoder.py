"""The Transformer decoder in use: what it decodes, with every mechanism towards the memory."""

import numpy as np
import pytest

from layers import TransformerDecoder
from tests.layers.backend import to_numpy
from tests.layers.decoding import (
    DIM,
    KEYS,
    LENGTH,
    MASK,
    VOCABULARY,
    DecoderPromises,
    DecodingPromises,
    build,
    decode,
    memories,
)
from tests.layers.transformer_blocks import CROSS_ATTENTION


def maker(cross_attention, num_layers=2):
    def make(vocabulary_size=VOCABULARY, **options):
        defaults = {
            "num_layers": num_layers,
            "num_heads": 2,
            "mlp_dim": 10,
            "cross_attention": cross_attention,
            "max_length": LENGTH,
        }
        return TransformerDecoder(vocabulary_size, DIM, **{**defaults, **options})

    return make


class TestEveryMechanism(DecoderPromises):
    @pytest.fixture(params=CROSS_ATTENTION)
    def make(self, request):
        return maker(request.param, num_layers=1)


class TestDecoding(DecodingPromises):
    @pytest.fixture
    def make(self):
        return maker("multi_head")


def test_weights_are_the_mean_over_blocks_and_heads():
    decoder, memory = build(maker("multi_head")()), memories()
    tokens = np.array([[1, 4, 3], [1, 5, 3], [1, 6, 3]], "int32")
    _, weights = decoder(tokens, memory, memory_mask=MASK, return_attention_scores=True)
    x = decoder.positions(decoder.embed(tokens))
    every = []
    for block in decoder.blocks:
        x, of_block = block(x, memory, memory_mask=MASK, return_attention_scores=True)
        every.append(to_numpy(of_block))
    every = np.stack(every)
    assert every.shape == (2, 3, 2, 3, KEYS) and np.ptp(every, axis=(0, 2)).max() > 0.01
    np.testing.assert_allclose(to_numpy(weights), every.mean(axis=(0, 2)), rtol=1e-5, atol=1e-6)


def test_features_times_the_table_are_the_logits():
    decoder, memory = build(maker("multi_head")()), memories()
    tokens = np.array([[1, 4, 3], [1, 5, 3], [1, 6, 3]], "int32")
    table = decoder.embedding.get_weights()[0]
    np.testing.assert_allclose(to_numpy(decoder.embed(tokens)), table[tokens] * DIM**0.5, 1e-5)
    features, weights = decoder.features(tokens, memory, return_attention_scores=False)
    assert weights is None and features.shape[-1] == decoder.features_dim(DIM) == DIM
    logits = to_numpy(decoder(tokens, memory))
    np.testing.assert_allclose(to_numpy(features) @ table.T, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(decoder.project(features)), logits, rtol=1e-4, atol=1e-5)
    projected, state = decoder.start(memory, 1, LENGTH)
    found, _, _ = decoder.step_features(tokens[:, 0], 0, projected, state)
    np.testing.assert_allclose(to_numpy(found), to_numpy(features)[:, 0], rtol=1e-4, atol=1e-5)


def test_embedding_and_logits_share_their_table():
    decoder = build(maker("multi_head")())
    tables = [w for w in decoder.weights if VOCABULARY in w.shape]
    assert len(tables) == 1 and tables[0] is decoder.embedding.embeddings
    tokens, memory = np.array([[1, 4]] * 3, "int32"), memories()
    before = to_numpy(decoder(tokens, memory))
    table = decoder.embedding.get_weights()[0]
    table[7] *= 3  # A token that is not among the inputs: its logit alone changes.
    decoder.embedding.set_weights([table])
    after = to_numpy(decoder(tokens, memory))
    np.testing.assert_allclose(after[..., 7], 3 * before[..., 7], rtol=1e-4)
    others = np.arange(VOCABULARY) != 7
    np.testing.assert_allclose(after[..., others], before[..., others], rtol=1e-5)


def test_the_configuration_names_every_size():
    options = {"num_layers": 3, "num_heads": 4, "mlp_dim": 10, "max_length": 77}
    decoder = maker("luong_general")(**options)
    config = decoder.get_config()
    assert {name: config[name] for name in options} == options
    assert config["cross_attention"] == "luong_general"
    decoder.build((None, None), (None, None, DIM))
    assert [block.num_heads for block in decoder.blocks] == [4, 4, 4]
    assert {block.mlp_hidden.units for block in decoder.blocks} == {10}
    assert maker("luong_general")(mlp_dim=None).mlp_dim is None


def test_a_sequence_longer_than_the_positions_is_an_error():
    decoder = build(maker("multi_head")(max_length=3))
    with pytest.raises(ValueError, match="3 positions"):
        decoder(np.ones((3, 4), "int32"), memories())


def test_the_cache_may_be_longer_than_the_sequence():
    decoder, memory = build(maker("multi_head")()), memories()
    short = decoder.start(memory, 1, LENGTH)[1]
    assert [tuple(x.shape) for x in short[0]] == [(3, 2, LENGTH, DIM // 2)] * 2
    for length in (LENGTH, 9):
        projected, state = decoder.start(memory, 1, length)
        logits = []
        for t, token in enumerate((1, 4, 3)):
            tokens = np.full((3,), token, "int32")
            step_logits, _, state = decoder.step(tokens, t, projected, state)
            logits.append(to_numpy(step_logits))
        whole = to_numpy(decoder(np.array([[1, 4, 3]] * 3, "int32"), memory))
        np.testing.assert_allclose(np.stack(logits, 1), whole, rtol=1e-4, atol=1e-5)


def test_decoding_is_the_same_on_every_call():
    decoder = build(maker("multi_head")(dropout=0.5, seed=1))
    first, second = (decode(decoder, memories(), MASK) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
