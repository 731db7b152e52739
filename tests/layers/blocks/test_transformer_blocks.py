"""The Transformer blocks beside their composition in NumPy, and decoding with a cache."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import TransformerDecoderBlock, TransformerEncoderBlock
from layers.registry import MECHANISMS
from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    seed_states,
    to_numpy,
)
from tests.layers.transformer_reference import gelu, numpy_decoder, numpy_encoder

B, T, S, N, D, MLP, MEMORY_DIM = 2, 5, 7, 6, 12, 17, 19
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
X_MASK = np.array([[True] * 5, [True, True, True, False, False]])
MEMORY_MASK = np.array([[True] * 7, [True, False, True, True, False, False, False]])


SELF_ATTENTION_ONLY = [name for name, known in MECHANISMS.items() if known.self_attention_only]


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def data(memory_dim=MEMORY_DIM, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in ((B, T, D), (B, S, memory_dim))]


def encoder(attention="multi_head", **options):
    layer = TransformerEncoderBlock(N, MLP, attention, **options)
    layer.build((B, T, D))
    return randomise(layer, scale=0.3)


def decoder(attention="multi_head", cross_attention="multi_head", memory_dim=MEMORY_DIM, **options):
    layer = TransformerDecoderBlock(N, MLP, attention, cross_attention, **options)
    layer.build((B, T, D), None if memory_dim is None else (B, S, memory_dim))
    return randomise(layer, scale=0.3)


# Numbers


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("attention", layers.mechanisms())
def test_encoder_equals_numpy(attention, norm_first):
    block, (x, _) = encoder(attention, norm_first=norm_first), data()
    square = np.random.default_rng(2).random((B, T, T)) < 0.7
    for mask, masks in (
        (None, {}),
        (X_MASK, {"query_mask": X_MASK, "value_mask": X_MASK}),
        (square, {"attention_mask": square}),
    )[: 3 if MECHANISMS[attention].takes_attention_mask else 2]:
        output, weights = to_numpy(block(x, mask=mask, return_attention_scores=True))
        expected_output, expected_weights = numpy_encoder(block, x, **masks)
        close(output, expected_output)
        close(weights, expected_weights)
        np.testing.assert_allclose(to_numpy(block(x, mask=mask)), output, atol=1e-6)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("attention", layers.mechanisms())
def test_decoder_equals_numpy(attention, norm_first):
    memory_dim = D if MECHANISMS[attention].single_head else MEMORY_DIM
    cross_attention = "multi_head" if attention in SELF_ATTENTION_ONLY else attention
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


def test_an_activation_is_taken():
    block, (x, _) = encoder(activation="tanh"), data()
    assert np.abs(to_numpy(block(x)) - numpy_encoder(block, x)[0]).max() > 0.01
    assert block.get_config()["activation"] == "tanh"


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


def test_stochastic_depth_leaves_out_whole_branches_in_training():
    block = encoder(stochastic_depth=0.5, seed=3)
    x = np.repeat(data()[0][:1], 64, axis=0)
    plain = to_numpy(block(x))
    close(plain, numpy_encoder(block, x)[0])
    found = to_numpy(block(x, training=True))
    # Neither branch, either alone, or both: each with its double.
    assert len(np.unique(found.round(4), axis=0)) == 4
    assert (np.abs(found - x).max(axis=(1, 2)) < 1e-6).mean() == pytest.approx(0.25, abs=0.15)


@pytest.mark.parametrize("policy", POLICIES)
def test_gelu_and_its_gradient_are_exact(policy):
    block = TransformerEncoderBlock(N, MLP, dtype=policy)
    block.build((B, T, D))
    block.mlp_hidden.set_weights([np.eye(D, MLP), np.zeros(MLP)])
    values = np.linspace(-6, 6, B * T * D).reshape(B, T, D)
    x = keras.Variable(values, dtype="float32")
    found = to_numpy(block.mlp_hidden(ops.convert_to_tensor(x)))[..., :D].astype("float64")
    tolerance = {"float32": 1e-6, "mixed_float16": 2e-3, "mixed_bfloat16": 1e-2}[policy]
    np.testing.assert_allclose(found, gelu(values), rtol=tolerance, atol=tolerance)

    def total():
        return ops.sum(ops.cast(block.mlp_hidden(ops.convert_to_tensor(x)), "float32"))

    (slope,) = gradients(total, [x])
    step = 1e-5
    expected = (gelu(values + step) - gelu(values - step)) / (2 * step)
    np.testing.assert_allclose(slope, expected, atol=4 * tolerance)


# Masks


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


# Decoding with a cache

MAX_LENGTH = 7


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


# State


BLOCKS = {
    "encoder": (TransformerEncoderBlock, {}),
    "decoder": (TransformerDecoderBlock, {"cross_attention": "luong_general"}),
}


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("as_layer", [False, True])
def test_config_has_every_argument_and_keeps_its_value(kind, as_layer):
    block, options = BLOCKS[kind]
    options = {
        "num_heads": N,
        "mlp_dim": MLP,
        "attention": "additive",
        "norm_first": False,
        "activation": "tanh",
        "dropout": 0.1,
        "layer_scale": 0.3,
        "stochastic_depth": 0.2,
        "norm_epsilon": 1e-3,
        "seed": 3,
        **options,
    }
    names = inspect.signature(block.__init__).parameters
    assert set(options) == set(names) - {"self", "kwargs"}
    if as_layer:
        options["attention"] = layers.AdditiveAttention(3, dropout=0.2, name="inside")
    config = block(**options, name="block", dtype="mixed_bfloat16").get_config()
    for name, value in options.items():
        if not (as_layer and name == "attention"):
            assert config[name] == value
    rebuilt = block.from_config(config)
    assert rebuilt.get_config() == config
    if as_layer:
        assert rebuilt.attention.get_config()["dropout"] == 0.2


@pytest.mark.parametrize("as_layer", [False, True])
def test_a_saved_model_of_any_length_loads_equal(as_layer, tmp_path):
    def mechanism():
        return layers.AdditiveAttention(3) if as_layer else "multi_head"

    x, memory = keras.Input((None, D)), keras.Input((None, D))
    encoded, own = TransformerEncoderBlock(N, MLP, mechanism(), dropout=0.1)(
        memory, return_attention_scores=True
    )
    decoded, cross = TransformerDecoderBlock(N, MLP, mechanism(), mechanism())(
        x, encoded, return_attention_scores=True
    )
    model = randomise(keras.Model([x, memory], [decoded, own, cross]), scale=0.3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for length in (3, T):
        inputs = [array[:, :length] for array in data(D)]
        for found, expected in zip(
            loaded.predict(inputs, verbose=0), to_numpy(model(inputs)), strict=True
        ):
            close(found, expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_output_spec_equals_the_eager_shapes_and_dtypes(policy):
    x, memory = data()
    symbol, symbols = keras.KerasTensor(x.shape), keras.KerasTensor(memory.shape)
    keywords = {"return_attention_scores": True}
    block = decoder("grouped_query", dtype=policy)
    cache = block.init_cache(B, MAX_LENGTH)
    cached = {"cache": cache, "cache_index": 0}
    caches = tuple(keras.KerasTensor(part.shape, part.dtype) for part in cache)
    own = encoder(dtype=policy)
    for spec, eager in (
        (own(symbol), own(x)),
        (own(symbol, **keywords), own(x, **keywords)),
        (block(symbol, symbols), block(x, memory)),
        (block(symbol, symbols, **keywords), block(x, memory, **keywords)),
        (
            block.compute_output_spec(symbol, symbols, cache=caches, **keywords),
            block(x, memory, **cached, **keywords),
        ),
    ):
        found, tensors = keras.tree.flatten(spec), keras.tree.flatten(eager)
        assert len(found) == len(tensors)
        for expected, tensor in zip(found, tensors, strict=True):
            assert tuple(expected.shape) == tuple(tensor.shape)
            assert keras.backend.standardize_dtype(expected.dtype) == (
                keras.backend.standardize_dtype(tensor.dtype)
            )


@pytest.mark.parametrize("policy", POLICIES)
def test_dtype_policy_reaches_every_sublayer(policy):
    for block in (encoder(dtype=policy), decoder(dtype=policy)):
        assert {part.dtype_policy.name for part in block._flatten_layers()} == {policy}
        assert {weight.dtype for weight in block.weights} == {"float32"}


def test_weights_and_seed_generators_are_counted():
    assert len(encoder().trainable_weights) == len(encoder().weights) == 8 + 4 + 4
    assert len(decoder().trainable_weights) == len(decoder().weights) == 16 + 6 + 4
    assert len(decoder(memory_dim=None).weights) == 8 + 4 + 4
    assert seed_states(encoder()) == []
    assert len(seed_states(encoder(dropout=0.1))) > 0


def test_a_call_stores_nothing_on_the_block():
    block = decoder()
    x, memory = data()
    block(x, memory)
    before = set(vars(block)), len(block.variables)
    cache = {"cache": block.init_cache(B, MAX_LENGTH), "cache_index": 0}
    block(x, memory, memory_mask=MEMORY_MASK, return_attention_scores=True, **cache)
    assert (set(vars(block)), len(block.variables)) == before
    for value in vars(block).values():
        for leaf in keras.tree.flatten(value):
            assert isinstance(leaf, keras.Variable) or not ops.is_tensor(leaf)


def test_dropout_acts_in_training_alone():
    x, memory = data()
    for dropped, plain, inputs in (
        (encoder(dropout=0.3, seed=1), encoder(), [x]),
        (decoder(dropout=0.3, seed=1), decoder(), [x, memory]),
    ):
        expected = to_numpy(plain(*inputs))
        np.testing.assert_array_equal(to_numpy(dropped(*inputs)), expected)
        assert np.abs(to_numpy(dropped(*inputs, training=True)) - expected).max() > 0.01


def test_training_lowers_the_loss():
    keras.utils.set_random_seed(0)
    x, memory = keras.Input((T, D)), keras.Input((S, MEMORY_DIM))
    outputs = TransformerDecoderBlock(N, MLP, dropout=0.1)(x, memory)
    model = keras.Model([x, memory], keras.layers.Dense(1)(outputs))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    target = np.random.default_rng(8).normal(size=(B, T, 1))
    losses = model.fit(data(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


# Errors


def test_another_rank_is_an_error_that_says_so():
    x, memory = data()
    for fresh in (True, False):
        block = TransformerEncoderBlock(N, MLP) if fresh else encoder()
        with pytest.raises(ValueError, match="must have rank 3"):
            block(x[0])
        for arrays, name in (((x[0], memory), "x"), ((x, memory[0]), "memory")):
            block = TransformerDecoderBlock(N, MLP) if fresh else decoder()
            with pytest.raises(ValueError, match=f"`{name}` must have rank 3"):
                block(*arrays)


def test_a_memory_is_there_for_all_calls_or_none():
    x, memory = data()
    with pytest.raises(ValueError, match="built with a memory"):
        decoder()(x)
    with pytest.raises(ValueError, match="built without a memory"):
        decoder(memory_dim=None)(x, memory)
    with pytest.raises(ValueError, match="memory"):
        decoder(memory_dim=None)(x, return_attention_scores=True)


def test_an_unknown_mechanism_is_refused():
    with pytest.raises(ValueError, match="'multi_head'"):
        TransformerEncoderBlock(N, MLP, "multihead")(data()[0])
