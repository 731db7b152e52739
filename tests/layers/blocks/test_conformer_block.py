"""The Conformer block beside its composition in NumPy, and what padding does to it: nothing."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import ConformerBlock
from tests.layers.backend import (
    BACKEND,
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    seed_states,
    to_numpy,
)
from tests.layers.mechanism import POLICIES, TOLERANCE
from tests.layers.references.transformer import numpy_conformer

B, T, N, D, MLP, KERNEL = 2, 7, 6, 12, 17, 5
MASK = np.array([[True] * 7, [True, True, False, True, True, False, False]])
EMPTY = np.array([[True] * 7, [False] * 7])
SCORES = {"return_attention_scores": True}


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def data(length=T, seed=1):
    return np.random.default_rng(seed).normal(size=(B, length, D)).astype("float32")


def build(attention="multi_head", **options):
    block = ConformerBlock(N, MLP, attention=attention, **{"kernel_size": KERNEL, **options})
    block.build((B, T, D))
    return randomise(block, scale=0.3)


# Numbers


@pytest.mark.parametrize("attention", layers.mechanisms())
def test_equals_numpy(attention):
    block, x = build(attention), data()
    for mask in (None, MASK):
        output, weights = to_numpy(block(x, mask=mask, **SCORES))
        expected_output, expected_weights = numpy_conformer(block, x, mask)
        close(output, expected_output)
        close(weights, expected_weights)
        np.testing.assert_allclose(to_numpy(block(x, mask=mask)), output, atol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 4, 31])
def test_any_kernel_size_equals_numpy(kernel_size):
    block, x = build(kernel_size=kernel_size), data()
    for mask in (None, MASK):
        close(to_numpy(block(x, mask=mask)), numpy_conformer(block, x, mask)[0])


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_half_precision_is_near_numpy(policy):
    block, x = build(dtype=policy), data()
    output, weights = block(x, mask=MASK, **SCORES)
    assert keras.backend.standardize_dtype(output.dtype) == block.compute_dtype
    expected_output, expected_weights = numpy_conformer(block, x, MASK)
    close(to_numpy(output), expected_output, 2 * TOLERANCE[policy])
    close(to_numpy(weights), expected_weights, TOLERANCE[policy])


def test_a_mask_of_query_by_key_is_for_the_attention_alone():
    block, x = build(), data()
    square = np.random.default_rng(2).random((B, T, T)) < 0.7
    output, weights = to_numpy(block(x, mask=square, **SCORES))
    expected_output, expected_weights = numpy_conformer(block, x, square)
    close(output, expected_output)
    close(weights, expected_weights)


@pytest.mark.parametrize("name", ["additive", "multi_head"])
def test_a_layer_inside_equals_the_name(name):
    by_name, by_layer = build(name), build(layers.get(name, dim=D, num_heads=N))
    for part in (part.name for part in by_name._layers):
        getattr(by_layer, part).set_weights(getattr(by_name, part).get_weights())
    assert len(by_layer.weights) == len(by_name.weights)
    close(to_numpy(by_layer(data())), to_numpy(by_name(data())))


def test_an_activation_is_taken():
    block, x = build(activation="tanh"), data()
    assert np.abs(to_numpy(block(x)) - numpy_conformer(block, x)[0]).max() > 0.01
    assert block.get_config()["activation"] == "tanh"


# Masks


@pytest.mark.parametrize("attention", ["multi_head", "additive"])
def test_padding_changes_nothing(attention):
    block, x = build(attention, kernel_size=31), data()
    padded = np.concatenate([x, 100 * data(5)], axis=1)
    mask = np.pad(np.ones((B, T), bool), [(0, 0), (0, 5)])
    output, weights = to_numpy(block(padded, mask=mask, **SCORES))
    expected, expected_weights = to_numpy(block(x, **SCORES))
    close(output[:, :T], expected)
    close(weights[..., :T, :T], expected_weights)
    assert np.abs(to_numpy(block(padded))[:, :T] - expected).max() > 0.01


def test_masked_positions_have_no_influence():
    block, x = build(), data()
    changed = x.copy()
    changed[~MASK] += 100.0
    one, other = (to_numpy(block(array, mask=MASK))[MASK] for array in (x, changed))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_fully_masked_sequence_is_finite_and_each_position_by_itself(policy):
    block, x = build(dtype=policy), data()
    changed = x.copy()
    changed[:, 3, ::2] += 10.0
    output, weights = to_numpy(block(x, mask=EMPTY, **SCORES))
    other = to_numpy(block(changed, mask=EMPTY))
    assert not weights[1].any()
    assert np.isfinite(output).all()
    rest = np.arange(T) != 3
    close(other[1, rest], output[1, rest], TOLERANCE[policy])
    assert np.abs(other[0, rest] - output[0, rest]).max() > 0.01
    source = keras.Variable(x)

    def loss():
        output = block(ops.convert_to_tensor(source), mask=EMPTY)
        return ops.sum(ops.square(ops.cast(output, "float32")[:, :, 0]))

    found = gradients(loss, [*block.trainable_variables, source])
    assert all(np.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_a_mask_of_zeros_and_ones_is_read_as_boolean(dtype):
    block, x = build(), data()
    expected = to_numpy(block(x, mask=MASK))
    np.testing.assert_array_equal(to_numpy(block(x, mask=MASK.astype(dtype))), expected)


def test_implicit_masks_are_picked_up_and_carried_on():
    block = build()
    x = keras.layers.Embedding(3, D, mask_zero=True)(MASK * np.array([1, 2, 1, 2, 1, 2, 1]))
    plain, other = to_numpy(x), np.roll(MASK, 1, axis=1)
    close(to_numpy(block(x)), to_numpy(block(plain, mask=MASK)))
    close(to_numpy(block(x, mask=other)), to_numpy(block(plain, mask=other)))
    np.testing.assert_array_equal(implicit_mask(block(x)), MASK)
    np.testing.assert_array_equal(implicit_mask(block(plain, mask=other)), other)
    assert implicit_mask(block(plain)) is None
    assert implicit_mask(block(plain, mask=np.ones((B, T, T), bool))) is None


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_masked_stack_ignores_padding_and_warns_of_nothing():
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(7, D, mask_zero=True)(tokens)
    for _ in range(2):
        x = ConformerBlock(N, MLP, KERNEL)(x)
    model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(x))
    randomise(model, scale=0.3)
    short = np.array([[1, 2, 3, 4, 5], [6, 5, 4, 0, 0]])
    long = np.pad(short, [(0, 0), (0, 3)])
    close(to_numpy(model(long)), to_numpy(model(short)))


# State


@pytest.mark.parametrize("as_layer", [False, True])
def test_config_has_every_argument_and_keeps_its_value(as_layer):
    options = {
        "num_heads": N,
        "mlp_dim": MLP,
        "kernel_size": KERNEL,
        "attention": "additive",
        "activation": "tanh",
        "dropout": 0.1,
        "norm_epsilon": 1e-3,
        "seed": 3,
        "remat": True,
    }
    assert set(options) == set(inspect.signature(ConformerBlock).parameters) - {"kwargs"}
    if as_layer:
        options["attention"] = layers.AdditiveAttention(3, dropout=0.2, name="inside")
    config = ConformerBlock(**options, name="block", dtype="mixed_bfloat16").get_config()
    for name, value in options.items():
        if not (as_layer and name == "attention"):
            assert config[name] == value
    rebuilt = ConformerBlock.from_config(config)
    assert rebuilt.get_config() == config
    if as_layer:
        assert rebuilt.attention.get_config()["dropout"] == 0.2


@pytest.mark.parametrize("as_layer", [False, True])
def test_a_saved_model_of_any_length_loads_equal(as_layer, tmp_path):
    attention = layers.AdditiveAttention(3) if as_layer else "multi_head"
    x = keras.Input((None, D))
    outputs = ConformerBlock(N, MLP, KERNEL, attention, dropout=0.1)(x, **SCORES)
    model = randomise(keras.Model(x, outputs), scale=0.3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for length in (3, T):
        for found, expected in zip(
            loaded.predict(data(length), verbose=0), to_numpy(model(data(length))), strict=True
        ):
            close(found, expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_output_spec_equals_the_eager_shapes_and_dtypes(policy):
    block, x = build(dtype=policy), data()
    for keywords in ({}, SCORES):
        eager = keras.tree.flatten(block(x, **keywords))
        for symbol, free in ((x.shape, False), ((None, None, D), True)):
            symbol = keras.KerasTensor(symbol)
            for spec in (block(symbol, **keywords), block.compute_output_spec(symbol, **keywords)):
                for expected, tensor in zip(keras.tree.flatten(spec), eager, strict=True):
                    assert expected.dtype == keras.backend.standardize_dtype(tensor.dtype)
                    sizes = list(zip(expected.shape, tensor.shape, strict=True))
                    assert all(a == b or (free and a is None) for a, b in sizes)


@pytest.mark.parametrize("policy", POLICIES)
def test_sublayers_weights_and_seeds(policy):
    block = build(dtype=policy)
    assert {part.dtype_policy.name for part in block._flatten_layers()} == {policy}
    assert {weight.dtype for weight in block.weights} == {"float32"}
    assert len(block.trainable_weights) == len(block.weights) == 2 * 6 + 10 + 10 + 2
    assert seed_states(block) == []
    assert len(seed_states(build(dropout=0.1))) > 0


def test_an_example_does_not_depend_on_its_batch_in_training_either():
    block, x = build(), data()
    whole = to_numpy(block(x, training=True))
    close(to_numpy(block(x[:1], training=True)), whole[:1])


def test_dropout_acts_in_training_alone():
    block, x = build(dropout=0.3, seed=1), data()
    expected = to_numpy(build()(x))
    np.testing.assert_array_equal(to_numpy(block(x)), expected)
    assert np.abs(to_numpy(block(x, training=True)) - expected).max() > 0.01


# Compilation and training


def test_xla_equals_eager():
    block, x = build(), data()
    function = compiled_with_xla(lambda x, mask: block(x, mask=mask, **SCORES))
    found = to_numpy(function(ops.convert_to_tensor(x), ops.convert_to_tensor(MASK)))
    for one, other in zip(found, to_numpy(block(x, mask=MASK, **SCORES)), strict=True):
        close(one, other)


@pytest.mark.slow
def test_training_lowers_the_loss():
    keras.utils.set_random_seed(0)
    x = keras.Input((T, D))
    outputs = ConformerBlock(N, MLP, KERNEL, dropout=0.1)(x)
    model = keras.Model(x, keras.layers.Dense(1)(outputs))
    # The gradient of a depthwise convolution takes XLA on TensorFlow long to compile.
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=BACKEND == "jax")
    before = model.get_weights()
    target = np.random.default_rng(8).normal(size=(B, T, 1))
    losses = model.fit(data(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    changed = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
    assert sum(changed) >= len(changed) - 1  # a bias of all keys has no effect


# Errors


def test_wrong_arguments_are_refused():
    for name, arguments in (
        ("num_heads", (0, MLP)),
        ("mlp_dim", (N, 2.5)),
        ("kernel_size", (N, MLP, 0)),
    ):
        with pytest.raises(ValueError, match=f"`{name}`"):
            ConformerBlock(*arguments)
    with pytest.raises(ValueError, match="'multi_head'"):
        ConformerBlock(N, MLP, attention="multihead")(data())
    for block in (ConformerBlock(N, MLP), build()):
        with pytest.raises(ValueError, match="`x` must have rank 3"):
            block(data()[0])
