"""The two decoders, tokens to logits: whole passes, decoding step by step, saving."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from layers import RecurrentDecoder, TransformerDecoder
from tests.layers.backend import BACKEND, compiled_with_xla, randomise, to_numpy

B, T, S, V, D, MAX_LENGTH = 2, 5, 7, 11, 12, 6
MEMORY_MASK = np.array([[True] * 7, [True, False, True, True, False, False, False]])

DECODERS = {
    "recurrent-additive": lambda **kw: RecurrentDecoder(V, D, **kw),
    "recurrent-luong_general": lambda **kw: RecurrentDecoder(V, D, "luong_general", **kw),
    "transformer-multi_head": lambda **kw: TransformerDecoder(
        V, D, num_heads=3, mlp_dim=13, max_length=MAX_LENGTH, **kw
    ),
    "transformer-additive": lambda **kw: TransformerDecoder(
        V, D, num_heads=3, cross_attention="additive", max_length=MAX_LENGTH, **kw
    ),
}
JIT = BACKEND == "jax"  # For so few steps XLA takes longer to compile than it saves.
pytestmark = pytest.mark.parametrize("name", DECODERS)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def memory_dim(name):
    return D if name == "transformer-additive" else 17


def build(name, **options):
    layer = DECODERS[name](**options)
    layer.build((B, T), (B, S, memory_dim(name)))
    return randomise(layer, scale=0.3)


def data(name):
    rng = np.random.default_rng(1)
    memory = rng.normal(size=(B, S, memory_dim(name))).astype("float32")
    return rng.integers(0, V, size=(B, T)).astype("int32"), memory


def decode(name, layer, candidates, step):
    tokens, memory = map(ops.convert_to_tensor, data(name))
    tokens = ops.repeat(tokens, candidates, axis=0)
    memory, state = layer.start(memory, candidates, MAX_LENGTH, ops.convert_to_tensor(MEMORY_MASK))
    for t in range(T):
        index = ops.convert_to_tensor(t, dtype="int32")
        logits, weights, state = step(tokens[:, t], index, memory, state)
        yield to_numpy(logits), to_numpy(weights)


@pytest.mark.parametrize("candidates", [1, 3])
def test_step_by_step_equals_the_whole_pass_with_candidates_side_by_side(name, candidates):
    layer = build(name)
    logits, weights = to_numpy(
        layer(*data(name), memory_mask=MEMORY_MASK, return_attention_scores=True)
    )
    steps = list(decode(name, layer, candidates, layer.step))
    for t, (step_logits, step_weights) in enumerate(steps):
        close(step_logits, np.repeat(logits[:, t], candidates, axis=0))
        close(step_weights, np.repeat(weights[:, t], candidates, axis=0))


def test_one_compiled_step_serves_every_index(name):
    layer = build(name)
    logits = to_numpy(layer(*data(name), memory_mask=MEMORY_MASK))
    steps = list(decode(name, layer, 1, compiled_with_xla(layer.step)))
    for t, (step_logits, _) in enumerate(steps):
        close(step_logits, logits[:, t])


def test_output_is_the_same_with_and_without_weights_and_their_rows_sum_to_one(name):
    layer = build(name)
    logits, weights = to_numpy(
        layer(*data(name), memory_mask=MEMORY_MASK, return_attention_scores=True)
    )
    np.testing.assert_allclose(
        to_numpy(layer(*data(name), memory_mask=MEMORY_MASK)), logits, atol=1e-6
    )
    close(weights.sum(-1), 1)
    assert not weights[~np.broadcast_to(MEMORY_MASK[:, None], weights.shape)].any()


def test_neither_the_future_nor_a_masked_memory_position_has_influence(name):
    layer = build(name)
    tokens, memory = data(name)
    logits = to_numpy(layer(tokens, memory, memory_mask=MEMORY_MASK))
    tokens[:, 3:] = (tokens[:, 3:] + 1) % V
    memory[~MEMORY_MASK] += 100.0
    changed = to_numpy(layer(tokens, memory, memory_mask=MEMORY_MASK))
    np.testing.assert_allclose(changed[:, :3], logits[:, :3], atol=1e-6)
    assert np.abs(changed[:, 3:] - logits[:, 3:]).max() > 0.01


def test_the_memory_and_the_tokens_before_have_influence(name):
    layer = build(name)
    tokens, memory = data(name)
    logits = to_numpy(layer(tokens, memory))
    assert np.abs(to_numpy(layer(tokens, -memory)) - logits).max() > 0.01
    tokens[:, 0] = (tokens[:, 0] + 1) % V
    assert np.abs(to_numpy(layer(tokens, memory)) - logits)[:, -1].max() > 1e-4


def test_dropout_acts_in_training_alone(name):
    dropped, plain = build(name, dropout=0.3, seed=1), build(name)
    expected = to_numpy(plain(*data(name)))
    np.testing.assert_array_equal(to_numpy(dropped(*data(name))), expected)
    assert np.abs(to_numpy(dropped(*data(name), training=True)) - expected).max() > 0.01


def test_word_dropout_hides_whole_tokens_and_in_training_alone(name):
    hides_all, hides_half, plain = (
        build(name, word_dropout=rate, seed=1) for rate in (1.0, 0.5, 0.0)
    )
    tokens, memory = data(name)
    others = (tokens + 1) % V
    expected = to_numpy(plain(tokens, memory))
    np.testing.assert_array_equal(to_numpy(hides_all(tokens, memory)), expected)
    blind = [to_numpy(hides_all(some, memory, training=True)) for some in (tokens, others)]
    np.testing.assert_array_equal(*blind)
    assert np.abs(blind[0] - expected).max() > 1e-3
    embedded = hides_half.embedding(np.tile(tokens, (1, 9)))
    kept = to_numpy(hides_half.word_dropout_layer(embedded, training=True))
    shown = (kept != 0).any(-1)
    assert 0.2 < shown.mean() < 0.8
    close(kept, np.where(shown[..., None], 2 * to_numpy(embedded), 0))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_output_spec_equals_the_eager_shapes_and_dtypes(name, policy):
    layer = build(name, dtype=policy)
    tokens, memory = data(name)
    symbols = keras.KerasTensor(tokens.shape, "int32"), keras.KerasTensor(memory.shape)
    for kwargs in ({}, {"return_attention_scores": True}):
        eager = keras.tree.flatten(layer(tokens, memory, **kwargs))
        spec = keras.tree.flatten(layer(*symbols, **kwargs))
        for found, tensor in zip(spec, eager, strict=True):
            assert tuple(found.shape) == tuple(tensor.shape)
            assert found.dtype == keras.backend.standardize_dtype(tensor.dtype)
    assert {part.dtype_policy.name for part in layer._flatten_layers()} == {policy}


def test_a_saved_model_of_any_length_loads_equal(name, tmp_path):
    layer = build(name, dropout=0.1, word_dropout=0.2, seed=3)
    tokens, memory = keras.Input((None,), dtype="int32"), keras.Input((None, memory_dim(name)))
    model = keras.Model([tokens, memory], layer(tokens, memory, return_attention_scores=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    config = loaded.layers[-1].get_config()
    assert config == layer.get_config()
    assert set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"} <= set(
        config
    )
    tokens, memory = data(name)
    for length in (3, T):
        inputs = [tokens[:, :length], memory[:, : length + 1]]
        for found, expected in zip(
            to_numpy(loaded(inputs)),
            to_numpy(layer(*inputs, return_attention_scores=True)),
            strict=True,
        ):
            close(found, expected)


def test_learns_three_sequences_by_heart(name):
    keras.utils.set_random_seed(0)
    layer = DECODERS[name](**({"num_layers": 1} if name.startswith("transformer") else {}))
    tokens = keras.Input((T,), dtype="int32")
    memory = keras.Input((S, memory_dim(name)))
    model = keras.Model([tokens, memory], layer(tokens, memory))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=["accuracy"], jit_compile=JIT)
    rng = np.random.default_rng(1)
    # The first token tells nothing: which sequence it is, only the memory knows.
    targets = rng.integers(0, V, size=(3, T)).astype("int32")
    inputs = np.concatenate([np.zeros((3, 1), "int32"), targets[:, :-1]], axis=1)
    memories = rng.normal(size=(3, S, memory_dim(name))).astype("float32")
    history = model.fit([inputs, memories], targets, epochs=60, verbose=0).history
    assert history["accuracy"][-1] == 1.0
