"""The Transformer encoder beside its composition in NumPy."""

import numpy as np
import pytest

from layers import LocalAttention, TransformerEncoder
from tests.layers.backend import to_numpy
from tests.layers.encoding import (
    MASK,
    E,
    EncoderPromises,
    S,
    build,
    close,
    vectors,
)
from tests.layers.references.transformer import normalise, numpy_encoder


def maker(attention="multi_head"):
    def make(**options):
        options = {"num_layers": 2, "mlp_dim": 11, "max_length": 13, **options}
        return TransformerEncoder(num_heads=2, attention=attention, **options)

    return make


class TestTransformerEncoder(EncoderPromises):
    @pytest.fixture
    def make(self):
        return maker()


@pytest.mark.parametrize("attention", ["multi_head", "additive", "local", "linear"])
def test_it_equals_numpy(attention):
    encoder, x = build(maker(attention)()), vectors()
    # Vaswani et al. 2017, section 3.5.
    angles = np.arange(S)[:, None] / 10_000 ** (np.arange(0, E, 2) / E)
    positions = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(S, E)
    for mask, masks in ((None, {}), (MASK, {"query_mask": MASK, "value_mask": MASK})):
        expected = x + positions
        for block in encoder.blocks:
            expected, _ = numpy_encoder(block, expected, **masks)
        close(to_numpy(encoder(x, mask=mask)), normalise(encoder.norm, expected), 1e-4)


def test_a_layer_is_copied_for_each_block():
    attention = LocalAttention(2, 5, window=1)
    encoder = build(maker(attention)())
    first, second = (block.self_attention for block in encoder.blocks)
    assert first is attention and second is not attention
    assert second.window == 1 and first.name == second.name
    by_name = build(maker("local")())
    assert len(encoder.weights) == len({id(w) for w in encoder.weights}) == len(by_name.weights)

    rebuilt = TransformerEncoder.from_config(encoder.get_config())
    assert rebuilt.attention.window == 1
    rebuilt.build((None, None, E))
    rebuilt.set_weights(encoder.get_weights())
    x = vectors()
    close(to_numpy(rebuilt(x, mask=MASK)), to_numpy(encoder(x, mask=MASK)))


def test_the_configuration_names_every_size():
    options = {"num_layers": 3, "mlp_dim": 17, "max_length": 19}
    encoder = build(maker("linear")(**options))
    config = encoder.get_config()
    assert {name: config[name] for name in options} == options
    assert (config["num_heads"], config["attention"]) == (2, "linear")
    assert len(encoder.blocks) == 3
    assert {block.mlp_hidden.units for block in encoder.blocks} == {17}
    assert build(maker()(mlp_dim=None)).blocks[0].mlp_hidden.units == 4 * E


def test_a_sequence_longer_than_the_positions_is_an_error():
    with pytest.raises(ValueError, match="3 positions"):
        build(maker()(max_length=3))(vectors())
