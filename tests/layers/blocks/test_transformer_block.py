"""What both Transformer blocks promise: mechanisms, masks and scales."""

import keras
import numpy as np
import pytest

import layers
from layers import TransformerDecoderBlock, TransformerEncoderBlock
from tests.layers.backend import (
    implicit_mask,
    randomise,
    to_numpy,
)
from tests.layers.references.transformer import numpy_decoder, numpy_encoder
from tests.layers.transformer_blocks import (
    MEMORY_DIM,
    MEMORY_MASK,
    MLP,
    X_MASK,
    B,
    D,
    N,
    T,
    close,
    data,
    decoder,
    encoder,
)


@pytest.mark.parametrize("name", ["additive", "multi_head"])
def test_a_layer_inside_equals_the_name(name):
    def mechanism():
        return layers.get(name, dim=D, num_heads=N)

    inputs = data(D)
    parts = ["self_attention_norm", "self_attention", "mlp_norm", "mlp_hidden", "mlp_output"]
    for by_name, by_layer, arrays in (
        (encoder(name), encoder(mechanism()), inputs[:1]),
        (decoder(name, name, D), decoder(mechanism(), mechanism(), D), inputs),
    ):
        own = parts + ["cross_attention_norm", "cross_attention"] * (len(arrays) == 2)
        for part in own:
            getattr(by_layer, part).set_weights(getattr(by_name, part).get_weights())
        assert sum(len(getattr(by_layer, part).weights) for part in own) == len(by_layer.weights)
        close(to_numpy(by_layer(*arrays)), to_numpy(by_name(*arrays)))


@pytest.mark.parametrize("norm_first", [True, False])
def test_layer_scale_multiplies_each_branch(norm_first):
    options = {"norm_first": norm_first, "layer_scale": 0.3}
    block, (x, memory) = encoder(**options), data()
    assert len(block.weights) == 16 + 2
    close(to_numpy(block(x)), numpy_encoder(block, x)[0])
    block = decoder(**options)
    assert len(block.weights) == 26 + 3
    close(to_numpy(block(x, memory)), numpy_decoder(block, x, memory)[0])
    fresh = TransformerEncoderBlock(N, MLP, layer_scale=0.3)
    fresh.build((B, T, D))
    np.testing.assert_allclose(to_numpy(fresh.mlp_scale.scale), np.full(D, 0.3), rtol=1e-6)


def test_masked_positions_have_no_influence():
    x, memory = data()
    changed_x, changed_memory = x.copy(), memory.copy()
    changed_x[~X_MASK] += 100.0
    changed_memory[~MEMORY_MASK] += 100.0
    block = encoder()
    one, other = (to_numpy(block(array, mask=X_MASK)) for array in (x, changed_x))
    np.testing.assert_array_equal(one[X_MASK], other[X_MASK])
    block, masks = decoder(), {"mask": X_MASK, "memory_mask": MEMORY_MASK}
    one, weights = to_numpy(block(x, memory, **masks, return_attention_scores=True))
    other = to_numpy(block(changed_x, changed_memory, **masks))
    np.testing.assert_array_equal(one[X_MASK], other[X_MASK])
    assert not weights[~np.broadcast_to(MEMORY_MASK[:, None, None], weights.shape)].any()


def embed(tokens, dim):
    return keras.layers.Embedding(3, dim, mask_zero=True)(tokens)


def test_implicit_masks_are_picked_up_and_explicit_ones_take_their_place():
    tokens = X_MASK * np.array([[1, 2, 1, 2, 1]])
    memory_tokens = MEMORY_MASK * np.array([[1, 2, 1, 2, 1, 2, 1]])
    x, memory = embed(tokens, D), embed(memory_tokens, MEMORY_DIM)
    plain_x, plain_memory = to_numpy((x, memory))
    other, other_memory = np.roll(X_MASK, 1, axis=1), np.roll(MEMORY_MASK, 1, axis=1)

    block = encoder()
    close(to_numpy(block(x)), to_numpy(block(plain_x, mask=X_MASK)))
    close(to_numpy(block(x, mask=other)), to_numpy(block(plain_x, mask=other)))

    block, masks = decoder(), {"mask": X_MASK, "memory_mask": MEMORY_MASK}
    close(to_numpy(block(x, memory)), to_numpy(block(plain_x, plain_memory, **masks)))
    for explicit in ({"mask": other}, {"memory_mask": other_memory}):
        found = to_numpy(block(x, memory, **explicit))
        close(found, to_numpy(block(plain_x, plain_memory, **{**masks, **explicit})))
    block = decoder(memory_dim=None)
    close(to_numpy(block(x)), to_numpy(block(plain_x, mask=X_MASK)))


def test_output_carries_the_mask_of_the_positions():
    x = embed(X_MASK.astype("int32"), D)
    _, memory = data()
    plain = to_numpy(x)
    other = np.roll(X_MASK, 1, axis=1)
    square = np.ones((B, T, T), bool)
    for call in (encoder(), lambda x, **masks: decoder()(x, memory, **masks)):
        np.testing.assert_array_equal(implicit_mask(call(x)), X_MASK)
        np.testing.assert_array_equal(implicit_mask(call(plain, mask=other)), other)
        assert implicit_mask(call(plain)) is None
        assert implicit_mask(call(plain, mask=square)) is None


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_masked_stack_ignores_padding_and_warns_of_nothing():
    tokens = keras.Input((None,), dtype="int32")
    source = keras.Input((None,), dtype="int32")
    memory = keras.layers.Embedding(7, D, mask_zero=True)(source)
    for _ in range(2):
        memory = TransformerEncoderBlock(N, MLP)(memory)
    x = keras.layers.Embedding(7, D, mask_zero=True)(tokens)
    for _ in range(2):
        x = TransformerDecoderBlock(N, MLP)(x, memory)
    model = keras.Model([source, tokens], keras.layers.GlobalAveragePooling1D()(x))
    randomise(model, scale=0.3)
    source = np.array([[1, 2, 3, 4, 5], [6, 5, 4, 0, 0]])
    target = np.array([[5, 6, 1], [2, 3, 0]])
    short = to_numpy(model([source, target]))
    long = to_numpy(model([np.pad(source, [(0, 0), (0, 2)]), np.pad(target, [(0, 0), (0, 3)])]))
    close(long, short)
