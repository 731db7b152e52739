"""The decoder block beside its composition in NumPy, its memory, and decoding with a cache."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import TransformerDecoderBlock
from layers.registry import MECHANISMS
from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    to_numpy,
)
from tests.layers.references.transformer import numpy_decoder
from tests.layers.transformer_blocks import (
    CROSS_ATTENTION,
    MAX_LENGTH,
    MEMORY_DIM,
    MEMORY_MASK,
    MLP,
    POLICIES,
    SELF_ATTENTION_ONLY,
    X_MASK,
    B,
    D,
    N,
    S,
    T,
    close,
    data,
    decoder,
)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("attention", layers.mechanisms())
def test_decoder_equals_numpy(attention, norm_first):
    memory_dim = D if MECHANISMS[attention].single_head else MEMORY_DIM
    cross_attention = attention if attention in CROSS_ATTENTION else "multi_head"
    block = decoder(attention, cross_attention, memory_dim, norm_first=norm_first)
    x, memory = data(memory_dim)
    square = np.random.default_rng(2).random((B, T, T)) < 0.7
    for masks in (
        {},
        {"memory_mask": MEMORY_MASK},
        {"mask": X_MASK, "memory_mask": MEMORY_MASK},
        {"mask": square},
    )[: 4 if MECHANISMS[attention].takes_attention_mask else 3]:
        output, weights = to_numpy(block(x, memory, **masks, return_attention_scores=True))
        expected_output, expected_weights = numpy_decoder(block, x, memory, **masks)
        close(output, expected_output)
        close(weights, expected_weights[0])
        np.testing.assert_allclose(to_numpy(block(x, memory, **masks)), output, atol=1e-6)


def test_decoder_without_a_memory_equals_numpy():
    block, (x, _) = decoder(memory_dim=None), data()
    for mask in (None, X_MASK):
        close(to_numpy(block(x, mask=mask)), numpy_decoder(block, x, None, mask)[0])


@pytest.mark.parametrize("attention", SELF_ATTENTION_ONLY)
def test_a_mechanism_that_cannot_attend_to_a_memory_says_so(attention):
    with pytest.raises(ValueError, match="Attention is self-attention"):
        decoder(cross_attention=attention)


@pytest.mark.parametrize("attention", SELF_ATTENTION_ONLY)
def test_lengths_that_happen_to_be_equal_do_not_make_two_sequences_one(attention):
    block = TransformerDecoderBlock(2, MLP, cross_attention=attention)
    with pytest.raises(ValueError, match="Attention, which is self-attention: target and memory"):
        block.build((B, T, D), (B, T, D))


def test_keras_own_attention_looks_at_a_memory():
    theirs = decoder(cross_attention=keras.layers.MultiHeadAttention(N, 2, D // N))
    ours = decoder(cross_attention=layers.MultiHeadAttention(N, 2, value_dim=D // N))
    masks = {"mask": X_MASK, "memory_mask": MEMORY_MASK}
    ours.set_weights(theirs.get_weights())
    seen = X_MASK[..., None]  # Keras's own gives a masked query the mean of the memory.
    found, expected = (to_numpy(block(*data(), **masks)) * seen for block in (theirs, ours))
    close(found, expected)


def test_positions_towards_a_memory_are_refused():
    with pytest.raises(ValueError, match=r"`cross_attention` has no positions.*'alibi'"):
        decoder(cross_attention=layers.MultiHeadAttention(N, 2, position="alibi"))


def test_decoder_leaks_nothing_of_the_future():
    for dropout in (0.0, 0.5):
        outputs = []
        for change in (0.0, 100.0):
            block = decoder(dropout=dropout, seed=3)
            x, memory = data()
            x[:, 3:] += change
            output = block(x, memory, return_attention_scores=True, training=dropout > 0)
            outputs.append(to_numpy(output))
        np.testing.assert_allclose(outputs[0][0][:, :3], outputs[1][0][:, :3], atol=1e-6)
        np.testing.assert_allclose(outputs[0][1][:, :, :3], outputs[1][1][:, :, :3], atol=1e-6)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_example_with_all_of_its_memory_masked_has_finite_gradients(policy):
    block = decoder(dtype=policy)
    x, memory = data()
    mask = MEMORY_MASK.copy()
    mask[1] = False
    output, weights = to_numpy(block(x, memory, memory_mask=mask, return_attention_scores=True))
    assert not weights[1].any()
    assert np.isfinite(output).all()
    found = gradients(
        lambda: ops.sum(ops.square(ops.cast(block(x, memory, memory_mask=mask), "float32"))),
        block.trainable_variables,
    )
    assert all(np.isfinite(gradient).all() for gradient in found)


def test_a_masked_query_has_no_weights_over_a_projected_memory():
    block, (x, memory) = decoder(), data()
    masks = {"mask": X_MASK, "memory_mask": MEMORY_MASK, "return_attention_scores": True}
    expected = to_numpy(block(x, memory, **masks))
    projected = block.project_memory(ops.convert_to_tensor(memory))
    for found, wanted in zip(to_numpy(block(x, projected, **masks)), expected, strict=True):
        close(found, wanted)
    assert not expected[1][1, :, 3:].any()


@pytest.mark.parametrize("chunks", [[1, 1, 1, 1, 1], [2, 3], [3, 1, 1]])
@pytest.mark.parametrize(
    "attention", [name for name, known in MECHANISMS.items() if known.has_cache]
)
@pytest.mark.parametrize("masked", [False, True])
def test_step_by_step_with_a_cache_equals_the_whole_pass(masked, attention, chunks):
    block = decoder(attention)
    x, memory = data()
    keywords = {"return_attention_scores": True}
    whole_masks, masks = {}, {}
    if masked:
        over_cache = np.array([[True] * MAX_LENGTH, [True, False, True, True, True, True, False]])
        masks = {"mask": over_cache, "memory_mask": MEMORY_MASK}
        square = np.broadcast_to(over_cache[:, None, :T], (B, T, T))
        whole_masks = {"mask": square, "memory_mask": MEMORY_MASK}
    whole, whole_weights = to_numpy(block(x, memory, **whole_masks, **keywords))
    projected = block.project_memory(ops.convert_to_tensor(memory))
    for source in (memory, projected):
        cache, start = block.init_cache(B, MAX_LENGTH), 0
        for length in chunks:
            piece = x[:, start : start + length]
            output, weights, cache = block(
                piece, source, cache=cache, cache_index=start, **masks, **keywords
            )
            close(to_numpy(output), whole[:, start : start + length])
            close(to_numpy(weights), whole_weights[..., start : start + length, :])
            assert implicit_mask(output) is None
            start += length


@pytest.mark.parametrize("cross_attention", ["multi_head", "additive"])
def test_candidates_side_by_side_share_a_projected_memory(cross_attention):
    memory_dim = D if cross_attention == "additive" else MEMORY_DIM
    block = decoder("multi_head", cross_attention, memory_dim)
    _, memory = data(memory_dim)
    candidates = 3
    x = np.random.default_rng(5).normal(size=(B * candidates, 2, D)).astype("float32")
    keywords = {"return_attention_scores": True}
    whole = block(
        x,
        np.repeat(memory, candidates, axis=0),
        memory_mask=np.repeat(MEMORY_MASK, candidates, axis=0),
        **keywords,
    )
    output, weights, _ = block(
        x,
        block.project_memory(ops.convert_to_tensor(memory)),
        memory_mask=MEMORY_MASK,
        cache=block.init_cache(B * candidates, MAX_LENGTH),
        cache_index=0,
        **keywords,
    )
    close(to_numpy(output), to_numpy(whole[0]))
    close(to_numpy(weights), to_numpy(whole[1]))


def test_one_compiled_step_serves_every_index():
    block = decoder()
    x, memory = map(ops.convert_to_tensor, data())
    whole = to_numpy(block(x, memory))
    step = compiled_with_xla(
        lambda x, memory, cache, i: block(x, memory, cache=cache, cache_index=i)
    )
    cache = block.init_cache(B, MAX_LENGTH)
    memory = block.project_memory(memory)
    for i in range(T):
        index = ops.convert_to_tensor(i, dtype="int32")
        output, cache = step(x[:, i : i + 1], memory, cache, index)
        close(to_numpy(output)[:, 0], whole[:, i])


def test_a_mechanism_without_a_cache_says_so():
    with pytest.raises(ValueError, match="no cache"):
        decoder("additive").init_cache(B, MAX_LENGTH)


def test_a_memory_is_there_for_all_calls_or_none():
    x, memory = data()
    with pytest.raises(ValueError, match="built with a memory"):
        decoder()(x)
    with pytest.raises(ValueError, match="built without a memory"):
        decoder(memory_dim=None)(x, memory)
    with pytest.raises(ValueError, match="memory"):
        decoder(memory_dim=None)(x, return_attention_scores=True)


def test_training_lowers_the_loss():
    keras.utils.set_random_seed(0)
    x, memory = keras.Input((T, D)), keras.Input((S, MEMORY_DIM))
    outputs = TransformerDecoderBlock(N, MLP, dropout=0.1)(x, memory)
    model = keras.Model([x, memory], keras.layers.Dense(1)(outputs))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    target = np.random.default_rng(8).normal(size=(B, T, 1))
    losses = model.fit(data(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
