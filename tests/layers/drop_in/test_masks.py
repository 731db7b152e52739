"""Masks that are none, or of another shape, and batches that do not fit, are refused by name."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers.functional.masking import boolean_mask
from tests.layers.backend import BACKEND, to_numpy

B, T, S, D = 2, 5, 7, 12
X, MEMORY = np.ones((B, T, D), "float32"), np.ones((B, S, D), "float32")
RNN = layers.AttentionRNN(keras.layers.LSTMCell(3), layers.AdditiveAttention(3))
ADDITIVE = np.where(np.arange(S) < 5, 0.0, -1e9) * np.ones((B, 1))

# A call of each layer that takes a mask, and the shape that mask has.
CALLS = {
    "query_mask": (lambda m: layers.AdditiveAttention(3)(X, MEMORY, query_mask=m), (B, T)),
    "value_mask": (lambda m: layers.get("multi_head", D, 2)(X, MEMORY, value_mask=m), (B, S)),
    "key_mask": (lambda m: layers.LinearAttention(2, 3)(X, MEMORY, MEMORY, key_mask=m), (B, S)),
    "mask of AttentionPooling": (lambda m: layers.AttentionPooling(3)(X, mask=m), (B, T)),
    "mask of AttentionRNN": (lambda m: RNN(X, MEMORY, mask=m), (B, T)),
    "memory_mask of AttentionRNN": (lambda m: RNN(X, MEMORY, memory_mask=m), (B, S)),
    "mask of ConditionalRandomField": (
        lambda m: layers.ConditionalRandomField(D).decode(X, mask=m),
        (B, T),
    ),
    "mask of ConformerBlock": (lambda m: layers.ConformerBlock(2, 17, 3)(X, mask=m), (B, T)),
    "mask of RecurrentEncoder": (lambda m: layers.RecurrentEncoder(6)(X, mask=m), (B, T)),
    "memory_mask of RecurrentDecoder": (
        lambda m: layers.RecurrentDecoder(11, 6)(np.ones((B, T), int), MEMORY, memory_mask=m),
        (B, S),
    ),
    "mask of TransformerEncoder": (lambda m: layers.TransformerEncoder(1, 2)(X, mask=m), (B, T)),
    "mask of TransformerEncoderBlock": (
        lambda m: layers.TransformerEncoderBlock(2, 17)(X, mask=m),
        (B, T),
    ),
    "memory_mask of TransformerDecoderBlock": (
        lambda m: layers.TransformerDecoderBlock(2, 17)(X, MEMORY, memory_mask=m),
        (B, S),
    ),
    "memory_mask of TransformerDecoder": (
        lambda m: layers.TransformerDecoder(11, D, 1, 2)(
            np.ones((B, T), int), MEMORY, memory_mask=m
        ),
        (B, S),
    ),
}
LAST = np.arange(S) < 5


@pytest.fixture(params=CALLS)
def call(request):
    make, shape = CALLS[request.param]
    return request.param, make, shape


def test_what_is_added_to_scores_is_refused_in_each(call):
    name, make, shape = call
    mask = np.where(np.arange(shape[1]) < 3, 0.0, -1e9) * np.ones((B, 1))
    with pytest.raises(ValueError, match=rf"`{name.split()[0]}` must be boolean.*`mask == 0`"):
        make(mask.astype("float32"))


def test_another_length_or_batch_is_refused_in_each(call):
    name, make, (batch, length) = call
    for shape in ((batch, length + 1), (batch + 1, length), (1, length), (length,)):
        with pytest.raises(ValueError) as info:
            make(np.ones(shape, bool))
        message = str(info.value)
        assert f"`{name.split()[0]}`" in message
        assert f"= ({batch}, {length})" in message
        assert f"of shape {shape}" in message


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8", "float32"])
def test_zeros_and_ones_of_any_dtype_are_booleans(dtype):
    layer = layers.AdditiveAttention(3)
    mask = np.tile(LAST, (B, 1))
    expected = to_numpy(layer(X, MEMORY, value_mask=mask, return_attention_scores=True)[1])
    found = layer(X, MEMORY, value_mask=mask.astype(dtype), return_attention_scores=True)[1]
    np.testing.assert_array_equal(to_numpy(found), expected)
    assert not expected[..., 5:].any()


@pytest.mark.parametrize("values", [[0, -1], [1, 2], [0.5, 1], [np.nan, 1], [-np.inf, 0]])
def test_other_values_are_refused(values):
    with pytest.raises(ValueError, match=r"`attention_mask` must be boolean, or of zeros and ones"):
        layers.AttentionMask(attention_mask=np.array([values]))


def test_lists_are_masks():
    assert to_numpy(boolean_mask([[True, False]])).tolist() == [[True, False]]
    assert to_numpy(boolean_mask([[1, 0]])).tolist() == [[True, False]]
    assert boolean_mask(None) is None


def test_in_a_graph_integers_are_taken_and_floats_refused():
    value, layer = keras.Input((S, D)), layers.AdditiveAttention(3)
    with pytest.raises(ValueError, match="float32, with values that are not known yet"):
        layer(value, value, value_mask=keras.Input((S,)))
    mask = keras.Input((S,), dtype="int32")
    _, weights = layer(value, value, value_mask=mask, return_attention_scores=True)
    model = keras.Model([value, mask], weights)
    found = model.predict([MEMORY, np.tile(LAST, (B, 1)).astype("int32")], verbose=0)
    assert (found > 0).tolist() == np.tile(LAST, (B, S, 1)).tolist()


def test_a_float_mask_is_refused_inside_a_compiled_function():
    if BACKEND == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(lambda mask: ops.cast(boolean_mask(mask), "int32"))
    elif BACKEND == "jax":
        import jax

        compiled = jax.jit(lambda mask: ops.cast(boolean_mask(mask), "int32"))
    else:
        pytest.skip("on PyTorch values are known wherever a model is called")
    assert to_numpy(compiled(ops.convert_to_tensor([1, 0]))).tolist() == [1, 0]
    with pytest.raises(ValueError, match="`mask == 0`"):
        compiled(ops.convert_to_tensor([1.0, 0.0]))


@pytest.mark.parametrize("name", layers.mechanisms())
def test_batches_of_two_and_one_are_refused(name):
    layer = layers.get(name, D, 2)
    with pytest.raises(ValueError, match=r"`query` and `value` must have as many examples"):
        layer(X, X[:1])
    with pytest.raises(ValueError, match=r"`query` and `key` must have as many examples"):
        layer(X, X, X[:1])
    layer(X, X)
    with pytest.raises(ValueError, match=r"Received: value of shape .*5.*, key of shape .*4"):
        layer(X, X, X[:, :4])


@pytest.mark.parametrize("shape", [(S,), (T, S), (B, 1, S), (B, T, 1), (B, 2, T, S), (1, 1, 1, S)])
def test_an_attention_mask_broadcasts(shape):
    layer = layers.MultiHeadAttention(2, 3)
    mask = np.random.default_rng(0).random(shape) < 0.7
    weights = to_numpy(layer(X, MEMORY, attention_mask=mask, return_attention_scores=True)[1])
    mask = mask[:, None] if len(shape) == 3 else mask
    seen = np.broadcast_to(mask, (B, 2, T, S))
    np.testing.assert_array_equal(weights > 0, seen)


@pytest.mark.parametrize("shape", [(T, T), (B, S, S), (3, T, S), (B, 3, T, S), (B, 1, 2, T, S)])
def test_an_attention_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError) as info:
        layers.MultiHeadAttention(2, 3)(X, MEMORY, attention_mask=np.ones(shape, bool))
    assert "`attention_mask` of MultiHeadAttention must broadcast to shape (" in str(info.value)
    assert f"of shape {shape}" in str(info.value)


def test_a_model_is_refused_when_it_is_built():
    query, value, mask = keras.Input((T, D)), keras.Input((S, D)), keras.Input((S + 1,), dtype=bool)
    with pytest.raises(ValueError, match=r"\(batch, key length\) = \(None, 7\).*\(None, 8\)"):
        layers.AdditiveAttention(3)(query, value, value_mask=mask)
    any_length = keras.Input((None, D))
    layers.AdditiveAttention(3)(any_length, any_length, value_mask=mask)


def test_with_a_cache_masks_span_it():
    layer = layers.MultiHeadAttention(2, 3)
    layer.build((B, 1, D), (B, 1, D))
    cache = layer.init_cache(B, S)
    one = X[:, :1]
    layer(one, one, cache=cache, cache_index=0, attention_mask=np.ones((B, 1, S), bool))
    with pytest.raises(ValueError, match="`value_mask` must span its 7 positions"):
        layer(one, one, cache=cache, cache_index=0, value_mask=np.ones((B, 1), bool))
    with pytest.raises(ValueError, match="`attention_mask` of MultiHeadAttention"):
        layer(one, one, cache=cache, cache_index=0, attention_mask=np.ones((B, 1, 5), bool))
    with pytest.raises(ValueError, match="`query` and `cache` must have as many examples"):
        layer(one[:1], one[:1], cache=cache, cache_index=0)


def test_memories_are_shared_by_whole_numbers_of_sequences():
    inputs = np.ones((6, T, D), "float32")
    assert RNN(inputs, MEMORY).shape == (6, T, 3 + D)
    with pytest.raises(ValueError, match="the batch of `inputs` must be that of `memory`, or"):
        RNN(inputs[:5], MEMORY)
    pointing = layers.PointerGenerator(layers.TransformerDecoder(11, 6, 1, 2), copy_dim=6)
    plain = layers.RecurrentDecoder(11, 6), layers.TransformerDecoder(11, 6, 1, 2)
    for decoder in (*plain, pointing):
        assert decoder(np.ones((6, T), int), MEMORY).shape[:2] == (6, T)
        with pytest.raises(ValueError, match="the batch of `tokens` must be that of `memory`"):
            decoder(np.ones((3, T), int), MEMORY)


def test_earlier_weights_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"`previous_weights` of Cov.*= \(2, 7\).*\(2, 5\)"):
        layers.CoverageAttention(3)(X, MEMORY, previous_weights=np.zeros((B, T)))
