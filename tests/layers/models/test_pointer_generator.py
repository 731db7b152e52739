"""The pointer-generator: its mixture beside NumPy, copies of words that no vocabulary has."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

from layers import CoverageAttention, PointerGenerator, RecurrentDecoder, TransformerDecoder
from tests.layers.backend import BACKEND, compiled_with_xla, gradients, randomise, to_numpy
from tests.layers.references import mechanisms as reference

B, T, S, V, D, M, UNKNOWN = 3, 5, 7, 11, 6, 13, 2
MASK = np.array([[True] * 7, [True] * 4 + [False] * 3, [True] * 5 + [False] * 2])
DECODERS = {
    "recurrent": lambda **kw: RecurrentDecoder(V, D, **kw),
    "deep coverage": lambda **kw: RecurrentDecoder(
        V, D, CoverageAttention(3, dtype=kw.get("dtype")), num_layers=2, **kw
    ),
    "transformer": lambda **kw: TransformerDecoder(V, D, num_heads=2, max_length=T, **kw),
}
CASES = [(name, copy_dim) for name in DECODERS for copy_dim in (None, 4)]
cases = pytest.mark.parametrize(("name", "copy_dim"), CASES)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def build(name, copy_dim=None, scale=0.5, **options):
    decoder = DECODERS[name](**options)
    dtype = options.get("dtype")
    layer = PointerGenerator(decoder, unknown=UNKNOWN, copy_dim=copy_dim, dtype=dtype)
    layer.build((None, None), (None, None, M))
    return randomise(layer, scale=scale)


def data():
    """Tokens, a memory and its source: ids from V on are of words that the vocabulary lacks."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(1, V + S, (B, T)).astype("int32")
    tokens[0, 1] = V + 2
    source = rng.integers(4, V, (B, S)).astype("int32")
    source[:, [1, 3]] = source[:, :1]  # One word three times.
    source[0, [2, 5]] = V + 2
    source[2, 4] = V + 4
    source[~MASK] = 0
    return tokens, rng.normal(size=(B, S, M)).astype("float32"), source


def call(layer, tokens, memory, mask=MASK):
    return to_numpy(layer(tokens, memory, memory_mask=mask, return_attention_scores=True))


def features_of(layer, *inputs):
    """What the decoder makes of tokens and a memory; unlike a call, it takes tensors alone."""
    return to_numpy(layer.decoder.features(*map(ops.convert_to_tensor, (*inputs, MASK))))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def merged(probs, source):
    """Equation 9, word by word: what is generated, and what each position of the source adds."""
    found = np.zeros_like(probs)
    found[:, :V] = probs[:, :V]
    for row in range(len(probs)):
        for j, word in enumerate(source[row]):
            found[row, word] += probs[row, V + j]
    return found


# Numbers


@cases
def test_it_equals_equations_8_and_9(name, copy_dim):
    layer, (tokens, memory, _) = build(name, copy_dim), data()
    read = np.where(tokens < V, tokens, UNKNOWN)
    features, weights = features_of(layer, read, memory)
    vocabulary = softmax(
        to_numpy(layer.decoder.project(ops.convert_to_tensor(features))).astype("float64")
    )
    looked = features
    if copy_dim is not None:
        mask = MASK[:, None, None]
        context, weights = reference.multi_head(
            layer.copy_attention, features, memory, memory, mask
        )
        looked, weights = np.concatenate([features, context], axis=-1), weights[:, 0]
    p_gen = sigmoid(reference.dense(layer.gate, looked))
    assert np.ptp(p_gen) > 0.1
    expected = np.concatenate([p_gen * vocabulary, (1 - p_gen) * weights], axis=-1)
    log_probs, found = call(layer, tokens, memory)
    close(np.exp(log_probs), expected)
    close(found, weights)
    close(np.exp(log_probs).sum(-1), 1)
    np.testing.assert_allclose(
        to_numpy(layer(tokens, memory, memory_mask=MASK)), log_probs, atol=1e-4
    )


def test_the_gate_sees_the_state_the_context_and_the_word_before():
    layer, (tokens, memory, _) = build("recurrent"), data()
    read = np.where(tokens < V, tokens, UNKNOWN)
    features, weights = features_of(layer, read, memory)
    assert layer.gate.kernel.shape == (D + M + D, 1)
    close(features[..., D : D + M], weights @ memory)
    close(features[..., D + M :], layer.decoder.embedding.get_weights()[0][read])
    logits = to_numpy(layer.decoder(read, memory, memory_mask=MASK))
    close(to_numpy(layer.decoder.project(ops.convert_to_tensor(features))), logits)


def test_words_that_the_vocabulary_lacks_are_read_as_unknown():
    layer, (tokens, memory, source) = build("recurrent"), data()
    assert (tokens >= V).any() and (source >= V).any()
    read = np.where(tokens < V, tokens, UNKNOWN)
    expected = to_numpy(layer(read, memory, MASK))
    np.testing.assert_array_equal(to_numpy(layer(tokens, memory, memory_mask=MASK)), expected)
    table = layer.decoder.embedding.get_weights()[0]
    close(to_numpy(layer.embed(source)), table[np.where(source < V, source, UNKNOWN)])
    transformer = build("transformer")
    np.testing.assert_array_equal(
        to_numpy(transformer.embed(source)),
        to_numpy(transformer.decoder.embed(np.where(source < V, source, UNKNOWN))),
    )


@cases
def test_of_a_fully_masked_memory_nothing_is_copied(name, copy_dim):
    layer, (tokens, memory, _) = build(name, copy_dim), data()
    mask = MASK.copy()
    mask[1] = False
    log_probs, weights = call(layer, tokens, memory, mask)
    assert np.isfinite(log_probs).all() and not weights[1].any()
    assert np.exp(log_probs[1, :, V:]).max() < 1e-19
    masked = np.broadcast_to(~mask[:, None], weights.shape)
    assert not weights[masked].any() and np.exp(log_probs[..., V:][masked]).max() < 1e-19
    memory[~mask] += 100.0
    np.testing.assert_array_equal(to_numpy(layer(tokens, memory, memory_mask=mask)), log_probs)


# Merging


@pytest.mark.parametrize("candidates", [1, 3])
def test_merging_equals_a_loop(candidates):
    _, _, source = data()
    rng = np.random.default_rng(2)
    probs = softmax(rng.normal(size=(B * candidates, V + S)))
    every = np.repeat(source, candidates, axis=0)
    probs[:, V:][every == 0] = 0  # Padding has no weight.
    log_probs = np.log(probs + 1e-20).astype("float32")
    found = np.exp(to_numpy(build("recurrent").merge(log_probs, source)))
    expected = merged(probs, every)
    close(found, expected, 1e-6)
    close(found.sum(-1), probs.sum(-1))
    np.testing.assert_allclose(found[:, 0], probs[:, 0], rtol=1e-5)
    # A word out of the source has no place of its own besides the first.
    assert found[:, V:][np.arange(V, V + S) != every].max() < 1e-19


@cases
def test_what_is_merged_sums_to_one(name, copy_dim):
    layer, (tokens, memory, source) = build(name, copy_dim), data()
    log_probs = layer(tokens, memory, memory_mask=MASK)
    for t in range(T):
        close(np.exp(to_numpy(layer.merge(log_probs[:, t], source))).sum(-1), 1)


# Decoding


def decode(layer, candidates, step, memory_mask=MASK):
    tokens, memory, _ = data()
    tokens = ops.repeat(ops.convert_to_tensor(tokens), candidates, axis=0)
    mask = None if memory_mask is None else ops.convert_to_tensor(memory_mask)
    memory, state = layer.start(ops.convert_to_tensor(memory), candidates, T, mask)
    found = []
    for t in range(T):
        index = ops.convert_to_tensor(t, dtype="int32")
        log_probs, weights, state = step(tokens[:, t], index, memory, state)
        found.append((to_numpy(log_probs), to_numpy(weights)))
    return (np.stack(x, axis=1) for x in zip(*found, strict=True))


@pytest.mark.parametrize("masked", [True, False])
@cases
def test_steps_of_candidates_equal_the_whole_pass(name, copy_dim, masked):
    layer, (tokens, memory, _) = build(name, copy_dim), data()
    mask = MASK if masked else None
    expected, expected_weights = call(layer, tokens, memory, mask)
    log_probs, weights = decode(layer, 2, layer.step, mask)
    close(np.exp(log_probs), np.repeat(np.exp(expected), 2, axis=0))
    close(weights, np.repeat(expected_weights, 2, axis=0))


@cases
def test_candidates_do_not_mix(name, copy_dim):
    layer, (tokens, memory, _) = build(name, copy_dim), data()
    rng = np.random.default_rng(3)
    tokens = rng.integers(1, V + S, (2 * B, T)).astype("int32")
    shared = call(layer, tokens, memory)
    memory, mask = np.repeat(memory, 2, axis=0), np.repeat(MASK, 2, axis=0)
    alone = call(layer, tokens, memory, mask)
    close(np.exp(shared[0]), np.exp(alone[0]))
    close(shared[1], alone[1])


@pytest.mark.slow
@cases
def test_a_step_compiled_with_merging_equals_the_whole_pass(name, copy_dim):
    layer, (tokens, memory, source) = build(name, copy_dim), data()

    def step(tokens, index, memory, state):
        log_probs, weights, state = layer.step(tokens, index, memory, state)
        return layer.merge(log_probs, source), weights, state

    found, _ = decode(layer, 1, compiled_with_xla(step))
    expected = np.exp(to_numpy(layer(tokens, memory, memory_mask=MASK)))
    for t in range(T):
        close(np.exp(found[:, t]), merged(expected[:, t], source))


# State


@cases
def test_gradients_reach_every_weight(name, copy_dim):
    layer, (tokens, memory, source) = build(name, copy_dim, scale=0.3), data()

    def loss():
        log_probs = layer(tokens, memory, memory_mask=MASK)
        return -ops.sum(layer.merge(log_probs[:, -1], source)[:, 4:V])

    for weight, found in zip(
        layer.trainable_variables, gradients(loss, layer.trainable_variables), strict=True
    ):
        assert np.isfinite(found).all() and found.any(), weight.path


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@cases
def test_half_precision_gives_log_probabilities_in_full(name, copy_dim, policy):
    half, full = (build(name, copy_dim, scale=0.3, dtype=dtype) for dtype in (policy, "float32"))
    tokens, memory, _ = data()
    log_probs = half(tokens, memory, memory_mask=MASK)
    assert keras.backend.standardize_dtype(log_probs.dtype) == "float32"
    found = np.exp(to_numpy(log_probs))
    close(found, np.exp(to_numpy(full(tokens, memory, memory_mask=MASK))), 0.05)
    close(found.sum(-1), 1, 1e-3 if policy == "mixed_float16" else 1e-2)
    assert {part.dtype_policy.name for part in half._flatten_layers()} == {policy}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@cases
def test_output_spec_equals_the_eager_shapes_and_dtypes(name, copy_dim, policy):
    layer, (tokens, memory, _) = build(name, copy_dim, dtype=policy), data()
    eager = layer(tokens, memory, return_attention_scores=True)
    for batch, length, keys in ((B, T, S), (None, None, None)):
        symbols = (
            keras.KerasTensor((batch, length), "int32"),
            keras.KerasTensor((batch, keys, M)),
        )
        spec = layer(*symbols, return_attention_scores=True)
        assert spec[0].shape == (batch, length, None if keys is None else V + S)
        assert spec[1].shape == (batch, length, keys)
        assert layer(*symbols).shape == spec[0].shape
        assert [x.dtype for x in spec] == [keras.backend.standardize_dtype(x.dtype) for x in eager]


@cases
def test_a_saved_model_loads_equal(name, copy_dim, tmp_path):
    layer, (tokens, memory, _) = build(name, copy_dim, dropout=0.1), data()
    inputs = keras.Input((None,), dtype="int32"), keras.Input((None, M))
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    close(to_numpy(loaded([tokens, memory])), to_numpy(layer(tokens, memory)))
    paths = [weight.path for weight in layer.weights]
    assert len(paths) == len({id(weight) for weight in layer.weights}) == len(loaded.weights)


def test_the_configuration_comes_back_whole():
    layer = PointerGenerator(DECODERS["deep coverage"](), 2, 5, name="p", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(layer.get_config()))
    names = set(inspect.signature(PointerGenerator.__init__).parameters) - {"self", "kwargs"}
    assert names <= set(config)
    rebuilt = PointerGenerator.from_config(config)
    assert rebuilt.get_config() == config
    assert (rebuilt.unknown, rebuilt.copy_dim, rebuilt.vocabulary_size) == (2, 5, V)
    assert rebuilt.decoder.num_layers == 2 and rebuilt.decoder.attention.units == 3
    assert rebuilt.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("copy_dim", [None, pytest.param(8, marks=pytest.mark.slow)])
def test_it_learns_to_copy_words_that_no_vocabulary_has(copy_dim):
    keras.utils.set_random_seed(0)
    layer = PointerGenerator(RecurrentDecoder(V, 16), UNKNOWN, copy_dim)
    rng = np.random.default_rng(4)
    # What stands at a position tells its number: word by word the source is to be copied.
    memory = np.tile(3 * rng.normal(size=(1, S, M)), (B, 1, 1)).astype("float32")
    source = np.tile(np.arange(V, V + S, dtype="int32"), (B, 1))
    tokens = np.concatenate([np.ones((B, 1), "int32"), np.tile([[4, 5, 6, 7]], (B, 1))], axis=1)
    targets = source[:, :T]

    def loss(_, log_probs):
        words = ops.reshape(log_probs, (-1, V + S))
        words = layer.merge(words, np.repeat(source, T, axis=0))
        return -ops.mean(ops.take_along_axis(words, targets.reshape(-1, 1), axis=1))

    inputs = keras.Input((T,), dtype="int32"), keras.Input((S, M))
    model = keras.Model(inputs, layer(*inputs))
    model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=BACKEND == "jax")
    losses = [float(model.train_on_batch([tokens, memory], targets)) for _ in range(60)]
    assert losses[0] > 2.0 and losses[-1] < 0.3
    probs = np.exp(to_numpy(layer(tokens, memory)))
    np.testing.assert_array_equal(probs.argmax(-1), targets)
