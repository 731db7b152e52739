"""MultiHeadAttention beside Keras's and PyTorch's own, and decoding with a cache."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import MultiHeadAttention
from tests.layers.backend import compiled_with_xla, gradients, randomise, to_numpy

B, T, S, N, H = 2, 5, 7, 3, 11
QUERY_DIM, VALUE_DIM, KEY_DIM = 13, 17, 19


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def inputs(with_key=False, seed=1):
    rng = np.random.default_rng(seed)
    shapes = [(B, T, QUERY_DIM), (B, S, VALUE_DIM), (B, S, KEY_DIM)][: 2 + with_key]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def both(ours, theirs, *arrays, **masks):
    """Asserts that a layer and Keras's, with the weights of it, agree, and back."""
    keywords = {**masks, "return_attention_scores": True}
    if not theirs.built:
        theirs.build(*(array.shape for array in arrays))
    ours.build(*(array.shape for array in arrays))
    randomise(theirs)
    ours.set_weights(theirs.get_weights())
    for found, expected in zip(
        to_numpy(ours(*arrays, **keywords)), to_numpy(theirs(*arrays, **keywords)), strict=True
    ):
        close(found, expected)
    randomise(ours, seed=9)
    theirs.set_weights(ours.get_weights())
    for found, expected in zip(
        to_numpy(ours(*arrays, **keywords)), to_numpy(theirs(*arrays, **keywords)), strict=True
    ):
        close(found, expected)


MASKS = {
    "none": {},
    "value_mask": {"value_mask": np.arange(S)[None] < np.array([[4], [7]])},
    "attention_mask": {"attention_mask": np.arange(T * S).reshape(1, T, S) % 3 != 1},
    "causal": {"use_causal_mask": True},
}


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize(
    "options, theirs",
    [
        ({}, {}),
        ({"use_bias": False}, {"use_bias": False}),
        ({"value_dim": 5}, {"value_dim": 5}),
        ({"output_dim": 23}, {"output_shape": 23}),
        (
            {"value_dim": 5, "output_dim": 23, "use_bias": False},
            {"value_dim": 5, "output_shape": 23, "use_bias": False},
        ),
    ],
)
@pytest.mark.parametrize("with_key", [False, True])
def test_equals_keras_with_its_weights(with_key, options, theirs, masks):
    both(
        MultiHeadAttention(N, H, **options),
        keras.layers.MultiHeadAttention(N, H, **theirs),
        *inputs(with_key),
        **MASKS[masks],
    )


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("heads, kv_heads", [(6, 3), (6, 2), (3, 1), (3, 3)])
def test_equals_keras_grouped_query_attention_with_its_weights(heads, kv_heads, use_bias, masks):
    both(
        MultiHeadAttention(heads, H, num_kv_heads=kv_heads, use_bias=use_bias),
        keras.layers.GroupQueryAttention(H, heads, kv_heads, use_bias=use_bias),
        *inputs(),
        **MASKS[masks],
    )


def test_equals_torch_with_its_weights():
    torch = pytest.importorskip("torch")
    dim = N * H
    module = torch.nn.MultiheadAttention(dim, N, kdim=KEY_DIM, vdim=VALUE_DIM, batch_first=True)
    rng = np.random.default_rng(0)
    for parameter in module.parameters():
        parameter.data = torch.tensor(rng.normal(0, 0.2, parameter.shape), dtype=torch.float32)
    parameters = {name: value.detach().numpy() for name, value in module.named_parameters()}
    query = rng.normal(size=(B, T, dim)).astype("float32")
    value = rng.normal(size=(B, S, VALUE_DIM)).astype("float32")
    key = rng.normal(size=(B, S, KEY_DIM)).astype("float32")

    layer = MultiHeadAttention(N, H)
    layer.build(query.shape, value.shape, key.shape)
    biases = parameters["in_proj_bias"].reshape(3, N, H)
    weights = []
    for name, bias in zip("qkv", biases, strict=True):
        kernel = parameters[f"{name}_proj_weight"].T
        weights += [kernel.reshape(-1, N, H), bias]
    weights += [parameters["out_proj.weight"].T.reshape(N, H, dim), parameters["out_proj.bias"]]
    layer.set_weights(weights)

    mask = MASKS["value_mask"]["value_mask"]
    sources = [torch.tensor(x, requires_grad=True) for x in (query, key, value)]
    expected, expected_weights = module(
        *sources, key_padding_mask=torch.tensor(~mask), average_attn_weights=False
    )
    slope = rng.normal(size=expected.shape).astype("float32")
    (expected * torch.tensor(slope)).sum().backward()
    found, found_weights = to_numpy(
        layer(query, value, key, value_mask=mask, return_attention_scores=True)
    )
    close(found, expected.detach().numpy())
    close(found_weights, expected_weights.detach().numpy())

    variables = [keras.Variable(x) for x in (query, key, value)]

    def loss():
        q, k, v = map(ops.convert_to_tensor, variables)
        return ops.sum(ops.multiply(layer(q, v, k, value_mask=mask), slope))

    found = gradients(loss, [*variables, *layer.trainable_variables])
    for gradient, source in zip(found[:3], sources, strict=True):
        close(gradient, source.grad.numpy())
    kernels = found[3::2]
    for kernel, name in zip(kernels[:3], "qkv", strict=True):
        close(kernel.reshape(-1, dim), getattr(module, f"{name}_proj_weight").grad.numpy().T)
    close(kernels[3].reshape(dim, dim), module.out_proj.weight.grad.numpy().T)
    close(np.stack(found[4:10:2]).ravel(), module.in_proj_bias.grad.numpy())
    close(found[10], module.out_proj.bias.grad.numpy())


# Keras's own faults, which this layer does not have (probes P1, P4, P6 of Keras 3.15.1).


def test_symbolic_weights_have_the_length_of_the_keys():
    query, value = keras.Input((3, QUERY_DIM)), keras.Input((5, VALUE_DIM))
    _, weights = MultiHeadAttention(N, H)(query, value, return_attention_scores=True)
    assert weights.shape == (None, N, 3, 5)


def test_each_head_has_its_own_mask():
    layer = MultiHeadAttention(N, H)
    query, value = inputs()
    mask = np.zeros((B, N, T, S), bool)
    for head in range(N):
        mask[:, head, :, head] = True
    _, weights = to_numpy(layer(query, value, attention_mask=mask, return_attention_scores=True))
    np.testing.assert_array_equal(weights, mask.astype("float32"))


def test_projections_start_with_different_values():
    layer = MultiHeadAttention(N, H, kernel_initializer=keras.initializers.GlorotUniform(seed=None))
    layer.build((B, T, 13), (B, T, 13))
    query, _, key, _, value, *_ = layer.get_weights()
    assert np.abs(query - key).max() > 0.01
    assert np.abs(key - value).max() > 0.01


def test_initializers_regularizers_and_constraints_reach_every_projection():
    layer = MultiHeadAttention(
        N,
        H,
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(2.0),
        kernel_regularizer=keras.regularizers.L1(0.1),
        bias_regularizer=keras.regularizers.L1(0.01),
        activity_regularizer=keras.regularizers.L1(0.001),
        kernel_constraint=keras.constraints.NonNeg(),
        bias_constraint=keras.constraints.NonNeg(),
    )
    layer.build((B, T, QUERY_DIM), (B, S, VALUE_DIM))
    kernels, biases = layer.weights[::2], layer.weights[1::2]
    for kernel, bias in zip(kernels, biases, strict=True):
        assert (to_numpy(kernel) == 1.0).all()
        assert (to_numpy(bias) == 2.0).all()
        assert isinstance(kernel.constraint, keras.constraints.NonNeg)
        assert isinstance(bias.constraint, keras.constraints.NonNeg)
    kernel_loss = 0.1 * sum(np.prod(kernel.shape) for kernel in kernels)
    bias_loss = 0.01 * sum(2.0 * np.prod(bias.shape) for bias in biases)
    close(sum(float(to_numpy(loss)) for loss in layer.losses), kernel_loss + bias_loss)
    layer(*inputs())
    assert sum(float(to_numpy(loss)) for loss in layer.losses) > kernel_loss + bias_loss + 0.001


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_heads": 0, "key_dim": 4}, "`num_heads`.*0"),
        ({"num_heads": 2, "key_dim": -4}, "`key_dim`.*-4"),
        ({"num_heads": 2, "key_dim": 4, "value_dim": 0}, "`value_dim`.*0"),
        ({"num_heads": 6, "key_dim": 4, "num_kv_heads": 4}, "num_heads=6, num_kv_heads=4"),
        ({"num_heads": 2, "key_dim": 4, "dropout": 1.0}, "`dropout`.*1.0"),
    ],
)
def test_wrong_sizes_are_refused_with_what_was_received(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**arguments)


# Cache

MAX_LENGTH = 7


def cached_pair(**options):
    layer = MultiHeadAttention(**{"num_heads": N, "key_dim": H, "value_dim": 5, **options})
    layer.build((B, T, QUERY_DIM), (B, T, QUERY_DIM))
    x = np.random.default_rng(1).normal(size=(B, T, QUERY_DIM)).astype("float32")
    return randomise(layer), x


@pytest.mark.parametrize("chunks", [[1, 1, 1, 1, 1], [2, 3], [3, 1, 1], [5]])
@pytest.mark.parametrize("options", [{}, {"num_heads": 6, "num_kv_heads": 3}, {"num_kv_heads": 1}])
@pytest.mark.parametrize("how", [None, "value_mask", "key_mask", "attention_mask"])
def test_step_by_step_with_a_cache_equals_the_whole_causal_pass(how, options, chunks):
    layer, x = cached_pair(**options)
    rng = np.random.default_rng(2)
    masks = {}
    if how == "attention_mask":
        masks = {how: rng.random((B, T, MAX_LENGTH)) < 0.7}
    elif how is not None:
        masks = {how: rng.random((B, MAX_LENGTH)) < 0.7}
    whole, whole_weights = to_numpy(
        layer(
            x,
            x,
            use_causal_mask=True,
            return_attention_scores=True,
            **{name: mask[..., :T] for name, mask in masks.items()},
        )
    )
    cache, start = layer.init_cache(B, MAX_LENGTH), 0
    for length in chunks:
        piece = x[:, start : start + length]
        stepped = masks
        if how == "attention_mask":
            stepped = {how: masks[how][:, start : start + length]}
        output, weights, cache = layer(
            piece, piece, cache=cache, cache_index=start, return_attention_scores=True, **stepped
        )
        output, weights = to_numpy((output, weights))
        close(output, whole[:, start : start + length])
        assert weights.shape[-1] == MAX_LENGTH
        close(weights[..., :T], whole_weights[:, :, start : start + length])
        assert not weights[..., start + length :].any()
        start += length


def test_cache_is_returned_and_the_old_one_left_as_it_was():
    layer, x = cached_pair()
    old = layer.init_cache(B, MAX_LENGTH)
    before = to_numpy(old)
    output, new = layer(x[:, :2], x[:, :2], cache=old, cache_index=0)
    for array, was in zip(to_numpy(old), before, strict=True):
        np.testing.assert_array_equal(array, was)
        assert not was.any()
    for array, size in zip(to_numpy(new), (H, 5), strict=True):
        assert array.shape == (B, N, MAX_LENGTH, size)
        assert array[:, :, :2].all()
        assert not array[:, :, 2:].any()
    again, _ = layer(x[:, :2], x[:, :2], cache=old, cache_index=0)
    np.testing.assert_array_equal(to_numpy(output), to_numpy(again))


def test_what_is_past_the_index_in_a_cache_has_no_influence():
    layer, x = cached_pair()
    _, cache = layer(x[:, :2], x[:, :2], cache=layer.init_cache(B, MAX_LENGTH), cache_index=0)
    spoilt = [
        ops.slice_update(part, (0, 0, 3, 0), 100.0 * ops.ones_like(part[:, :, 3:]))
        for part in cache
    ]
    step = x[:, 2:3]
    outputs = [
        to_numpy(layer(step, step, cache=c, cache_index=2, return_attention_scores=True)[:2])
        for c in (cache, tuple(spoilt))
    ]
    np.testing.assert_array_equal(outputs[0][0], outputs[1][0])
    np.testing.assert_array_equal(outputs[0][1], outputs[1][1])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_cached_decoding_in_half_precision(policy):
    layer, x = cached_pair(dtype=policy)
    cache = layer.init_cache(B, MAX_LENGTH)
    assert {keras.backend.standardize_dtype(part.dtype) for part in cache} == {policy[6:]}
    whole = to_numpy(layer(x, x, use_causal_mask=True))
    for i in range(T):
        output, cache = layer(x[:, i : i + 1], x[:, i : i + 1], cache=cache, cache_index=i)
        np.testing.assert_allclose(to_numpy(output)[:, 0], whole[:, i], rtol=0.05, atol=0.05)


def test_one_compiled_step_serves_every_index():
    layer, x = cached_pair()
    whole = to_numpy(layer(x, x, use_causal_mask=True))
    step = compiled_with_xla(lambda x, cache, i: layer(x, x, cache=cache, cache_index=i))
    cache = layer.init_cache(B, MAX_LENGTH)
    for i in range(T):
        piece = ops.convert_to_tensor(x[:, i : i + 1])
        output, cache = step(piece, cache, ops.convert_to_tensor(i, dtype="int32"))
        close(to_numpy(output)[:, 0], whole[:, i])


@pytest.mark.parametrize("return_scores", [False, True])
def test_output_spec_with_a_cache_equals_the_eager_shapes(return_scores):
    layer, x = cached_pair(dtype="mixed_bfloat16", num_heads=6, num_kv_heads=2)
    keywords = {"cache_index": 0, "return_attention_scores": return_scores}
    cache = layer.init_cache(B, MAX_LENGTH)
    symbol = keras.KerasTensor((B, 2, QUERY_DIM))
    symbols = tuple(keras.KerasTensor(part.shape, dtype="bfloat16") for part in cache)
    spec = layer.compute_output_spec(symbol, symbol, cache=symbols, **keywords)
    eager = layer(x[:, :2], x[:, :2], cache=cache, **keywords)
    keras.tree.assert_same_structure(spec, eager)
    for found, tensor in zip(keras.tree.flatten(spec), keras.tree.flatten(eager), strict=True):
        assert tuple(found.shape) == tuple(tensor.shape)
        assert found.dtype == keras.backend.standardize_dtype(tensor.dtype)


def test_a_cache_needs_its_index_and_masks_of_its_length():
    layer, x = cached_pair()
    cache = layer.init_cache(B, MAX_LENGTH)
    with pytest.raises(ValueError, match="cache_index"):
        layer(x[:, :1], x[:, :1], cache=cache)
    with pytest.raises(ValueError, match=f"`value_mask` must span its {MAX_LENGTH}"):
        layer(x[:, :1], x[:, :1], cache=cache, cache_index=0, value_mask=np.ones((B, 1), bool))


def test_a_cache_that_is_full_says_so():
    layer, x = cached_pair()
    cache = layer.init_cache(B, MAX_LENGTH)
    layer(x[:, :3], x[:, :3], cache=cache, cache_index=MAX_LENGTH - 3)
    with pytest.raises(ValueError, match=r"7 positions.*3 more.*cache_index=5"):
        layer(x[:, :3], x[:, :3], cache=cache, cache_index=5)


def test_the_mask_of_new_tokens_is_none_of_the_cache():
    layer, _ = cached_pair()
    cache = layer.init_cache(B, MAX_LENGTH)
    tokens = keras.layers.Embedding(7, QUERY_DIM, mask_zero=True)(np.array([[3], [4]]))
    output, _ = layer(tokens, tokens, cache=cache, cache_index=0)
    plain = to_numpy(tokens)  # Without the mask that Keras carries along.
    expected, _ = layer(plain, plain, cache=cache, cache_index=0)
    np.testing.assert_array_equal(to_numpy(output), to_numpy(expected))
