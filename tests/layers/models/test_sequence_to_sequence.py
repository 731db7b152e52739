"""Encoder, decoder and their one table of embeddings: whole passes, decoding, coverage, saving."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from layers import (
    CoverageAttention,
    PointerGenerator,
    RecurrentDecoder,
    RecurrentEncoder,
    SequenceToSequence,
    TransformerDecoder,
    TransformerEncoder,
    coverage_loss,
)
from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, PAD, START
from tests.layers.backend import BACKEND, compiled_with_xla, gradients, randomise, to_numpy

B, T, S, V, D, M = 3, 5, 7, 11, 6, 10
LENGTHS = (7, 4, 5)


def make(name, copies=False, vocabulary_size=V, dim=D, memory_dim=M, **options):
    """Encoder and decoder of a name; `options` are of both."""
    if name == "transformer":
        encoder = TransformerEncoder(1, 2, max_length=13, **options)
        decoder = TransformerDecoder(vocabulary_size, dim, 1, 2, max_length=8, **options)
    else:
        encoder = RecurrentEncoder(memory_dim, **options)
        attention = "additive"
        if name == "coverage":
            attention = CoverageAttention(dim // 2, dtype=options.get("dtype"))
        decoder = RecurrentDecoder(vocabulary_size, dim, attention, **options)
    if copies:
        copy_dim = 4 if name == "transformer" else None
        decoder = PointerGenerator(decoder, copy_dim=copy_dim, dtype=options.get("dtype"))
    return encoder, decoder


CASES = [(name, copies) for name in ("transformer", "recurrent", "coverage") for copies in (0, 1)]
cases = pytest.mark.parametrize(("name", "copies"), CASES)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def build(name, copies=False, coverage_weight=0.0, **options):
    model = SequenceToSequence(*make(name, copies, **options), coverage_weight=coverage_weight)
    model.build()
    return randomise(model, scale=0.4)


def data(copies):
    """A batch; only where a model copies are there words that the vocabulary lacks."""
    rng = np.random.default_rng(1)
    source = rng.integers(3, V, (B, S)).astype("int32")
    tokens = rng.integers(3, V, (B, T)).astype("int32")
    tokens[:, 0] = START
    tokens[1, 3:] = PAD
    if copies:
        source[0, [2, 5]] = V + 2
        tokens[0, 2] = V + 2
    source[np.arange(S)[None] >= np.array(LENGTHS)[:, None]] = PAD
    return {"source": source, "tokens": tokens}


def probabilities(outputs, copies):
    outputs = to_numpy(outputs)
    return np.exp(outputs) if copies else np.asarray(keras.ops.softmax(outputs))


# Numbers


@cases
def test_it_is_the_decoder_over_what_the_encoder_makes_of_the_decoders_embedding(name, copies):
    model, inputs = build(name, copies), data(copies)
    mask = inputs["source"] != PAD
    memory = model.encoder(model.decoder.embed(inputs["source"]), mask=mask)
    expected, expected_weights = model.decoder(
        inputs["tokens"], memory, memory_mask=mask, return_attention_scores=True
    )
    outputs, weights = model(inputs, return_attention_scores=True)
    close(to_numpy(outputs), to_numpy(expected))
    close(to_numpy(weights), to_numpy(expected_weights))
    np.testing.assert_allclose(to_numpy(model(inputs)), to_numpy(outputs), atol=1e-5)
    found, found_mask = model.encode(inputs["source"])
    close(to_numpy(found), to_numpy(memory))
    np.testing.assert_array_equal(to_numpy(found_mask), mask)
    np.testing.assert_array_equal(to_numpy(model.source_mask(inputs["source"])), mask)
    assert model.copies == bool(copies)


@cases
def test_padding_of_the_source_might_as_well_not_be_there(name, copies):
    model, inputs = build(name, copies), data(copies)
    outputs, weights = to_numpy(model(inputs, return_attention_scores=True))
    padded = {**inputs, "source": np.pad(inputs["source"], [(0, 0), (0, 3)])}
    others, other_weights = to_numpy(model(padded, return_attention_scores=True))
    close(others[..., : outputs.shape[-1]], outputs)
    close(other_weights[..., :S], weights)
    assert not weights[np.broadcast_to(inputs["source"][:, None] == PAD, weights.shape)].any()
    assert not other_weights[..., S:].any()
    if copies:
        assert np.exp(others[..., V + S :]).max() < 1e-19


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@cases
def test_a_source_of_padding_alone_is_finite_and_so_are_gradients(name, copies, policy):
    model, inputs = build(name, copies, 1.0, dtype=policy), data(copies)
    inputs["source"][1] = PAD
    outputs, weights = to_numpy(model(inputs, return_attention_scores=True))
    assert np.isfinite(outputs).all() and not weights[1].any()

    def loss():
        outputs = ops.cast(model(inputs, training=True), "float32")
        return sum(model.losses) - ops.mean(ops.log_softmax(outputs[..., :V])[..., 4])

    found = gradients(loss, model.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in found)
    if policy == "float32":  # In half precision some vanish without a loss scale.
        # A bias of all scores has no effect.
        assert sum(gradient.any() for gradient in found) >= len(found) - 1


@cases
def test_source_and_target_share_one_table(name, copies):
    model, inputs = build(name, copies), data(copies)
    decoder = model.decoder.decoder if copies else model.decoder
    assert model.embedding is decoder.embedding
    table = model.embedding.embeddings
    of_words = [weight for weight in model.weights if V in weight.shape]
    assert sum(weight is table for weight in model.weights) == 1
    assert len(of_words) == (1 if name == "transformer" else 3)  # The logits have two.
    inputs["tokens"][:] = START
    inputs["source"][:] = 5

    def loss():
        memory, _ = model.encode(inputs["source"])
        return ops.sum(ops.sin(memory))

    (found,) = gradients(loss, [table])
    assert found[5].any() and not np.delete(found, 5, axis=0).any()


@cases
def test_tokens_do_not_see_later_ones(name, copies):
    model, inputs = build(name, copies), data(copies)
    outputs = to_numpy(model(inputs))
    inputs["tokens"][:, 3:] = 4
    changed = to_numpy(model(inputs))
    close(changed[:, :3], outputs[:, :3], 1e-6)
    assert np.abs(changed[:, 3:] - outputs[:, 3:]).max() > 0.01


# Decoding


def decode(model, inputs, candidates, step):
    memory, state, key_length = model.start(ops.convert_to_tensor(inputs["source"]), candidates, T)
    tokens = ops.repeat(ops.convert_to_tensor(inputs["tokens"]), candidates, axis=0)
    found = []
    for t in range(T):
        index = ops.convert_to_tensor(t, dtype="int32")
        outputs, weights, state = step(tokens[:, t], index, memory, state)
        found.append((to_numpy(outputs), to_numpy(weights)))
    outputs, weights = (np.stack(x, axis=1) for x in zip(*found, strict=True))
    assert weights.shape[-1] == key_length
    return outputs, weights


@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["eager", "compiled"]
)
@cases
def test_steps_of_candidates_equal_the_whole_pass(name, copies, compiled):
    model, inputs, candidates = build(name, copies), data(copies), 2
    step = compiled_with_xla(model.step) if compiled else model.step
    outputs, weights = decode(model, inputs, candidates, step)
    expected, expected_weights = to_numpy(model(inputs, return_attention_scores=True))
    if copies:
        probs = np.exp(expected)
        copied = probs[..., V:].sum(-1, keepdims=True)
        expected_weights = np.concatenate([expected_weights, copied], axis=-1)
        merged = np.concatenate([probs[..., :V], np.zeros((B, T, S))], axis=-1)
        for b in range(B):
            for j, word in enumerate(inputs["source"][b]):
                merged[b, :, word] += probs[b, :, V + j]
        expected, outputs = merged, np.exp(outputs)
    close(outputs, np.repeat(expected, candidates, axis=0))
    close(weights, np.repeat(expected_weights, candidates, axis=0))


# Coverage


def test_coverage_loss_equals_a_loop():
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.ones(S), (B, T)).astype("float32")
    mask = np.array([[True] * 5, [True, True, False, True, False], [False] * 5])
    expected = []
    for b in range(B):
        coverage = np.zeros(S)
        for t in range(T):
            if mask[b, t]:
                expected.append(np.minimum(weights[b, t], coverage).sum())
                coverage += weights[b, t]
    assert len(expected) == 8 and expected[0] == 0
    for dtype in ("bool", "int32"):
        close(to_numpy(coverage_loss(weights, mask.astype(dtype))), np.mean(expected))
    assert to_numpy(coverage_loss(weights, np.zeros_like(mask))) == 0
    half = coverage_loss(ops.cast(weights, "float16"), mask)
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    close(to_numpy(half), np.mean(expected), 1e-3)


def test_coverage_costs_what_returns_to_one_place_and_nothing_what_moves_on():
    moves, stays = np.eye(S)[None, :T], np.eye(S)[None, [3] * T]
    mask = np.ones((1, T), bool)
    assert to_numpy(coverage_loss(moves, mask)) == 0
    close(to_numpy(coverage_loss(stays, mask)), (T - 1) / T)


@cases
def test_coverage_is_a_loss_of_training_alone(name, copies):
    model, inputs = build(name, copies, coverage_weight=0.5), data(copies)
    _, weights = model(inputs, return_attention_scores=True)
    assert model.losses == []
    outputs = to_numpy(model(inputs, training=True))
    (loss,) = model.losses
    close(to_numpy(loss), 0.5 * to_numpy(coverage_loss(weights, inputs["tokens"] != PAD)))
    assert to_numpy(loss) > 0.01
    close(outputs, to_numpy(model(inputs)))
    unweighted = build(name, copies)
    unweighted(inputs, training=True)
    assert unweighted.losses == []


@cases
def test_coverage_is_switched_for_the_loss_and_the_attention_together(name, copies):
    model, inputs = build(name, copies), data(copies)
    covering = [x for x in model.decoder.attention_layers() if isinstance(x, CoverageAttention)]
    assert len(covering) == (name == "coverage")
    whole, number = to_numpy(model(inputs)), len(model.trainable_weights)
    model.set_coverage(0.0)
    assert len(model.trainable_weights) == number - len(covering)
    assert (np.abs(to_numpy(model(inputs)) - whole).max() > 1e-4) == bool(covering)
    model(inputs, training=True)
    assert not model.losses
    model.set_coverage(0.5)
    assert (model.coverage_weight, len(model.trainable_weights)) == (0.5, number)
    model(inputs, training=True)
    assert len(model.losses) == 1


# State


@cases
def test_a_saved_model_loads_equal_and_built(name, copies, tmp_path):
    model, inputs = build(name, copies, 0.5, dropout=0.1), data(copies)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.built and loaded.coverage_weight == 0.5 and loaded.copies == model.copies
    assert [w.shape for w in loaded.weights] == [w.shape for w in model.weights]
    close(to_numpy(loaded(inputs)), to_numpy(model(inputs)))
    for found, expected in zip(
        decode(loaded, inputs, 1, loaded.step), decode(model, inputs, 1, model.step), strict=True
    ):
        close(found, expected)


def test_the_configuration_has_every_constructor_argument():
    config = build("coverage", True, 0.5).get_config()
    names = set(inspect.signature(SequenceToSequence.__init__).parameters) - {"self", "kwargs"}
    assert names <= set(config)
    rebuilt = SequenceToSequence.from_config(config)
    assert rebuilt.get_config() == config
    assert type(rebuilt.encoder) is RecurrentEncoder
    assert type(rebuilt.decoder) is PointerGenerator
    assert type(rebuilt.decoder.decoder.attention) is CoverageAttention


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@cases
def test_output_spec_equals_the_eager_shapes_and_dtypes(name, copies, policy):
    model, inputs = build(name, copies, dtype=policy), data(copies)
    eager = model(inputs, return_attention_scores=True)
    for batch, lengths in ((B, {"source": S, "tokens": T}), (None, dict.fromkeys(inputs))):
        spec = model.compute_output_spec(
            {name: keras.KerasTensor((batch, size), "int32") for name, size in lengths.items()},
            return_attention_scores=True,
        )
        for found, tensor in zip(spec, eager, strict=True):
            assert found.dtype == keras.backend.standardize_dtype(tensor.dtype)
            assert found.ndim == tensor.ndim and found.shape[:2] == (batch, lengths["tokens"])
            known = batch or (found is spec[0] and not copies)
            assert found.shape[2] == (tensor.shape[2] if known else None)


@cases
def test_it_is_part_of_functional_models_of_any_length(name, copies):
    model, inputs = build(name, copies), data(copies)
    symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in inputs}
    functional = keras.Model(symbols, model(symbols))
    close(to_numpy(functional(inputs)), to_numpy(model(inputs)))


# Learning


@pytest.mark.parametrize(
    ("name", "copies"),
    [
        pytest.param("transformer", True, marks=pytest.mark.slow),
        pytest.param("transformer", False, marks=pytest.mark.slow),
        pytest.param("recurrent", False, marks=pytest.mark.slow),
        pytest.param("recurrent", True, marks=pytest.mark.slow),
        pytest.param("coverage", True, marks=pytest.mark.slow),
    ],
)
def test_it_learns_to_say_ten_sequences_again(name, copies):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(3)
    words = 7
    source = rng.integers(3, 3 + words, (10, 5)).astype("int32")
    targets = np.pad(source, [(0, 0), (0, 1)], constant_values=END)
    tokens = np.pad(source, [(0, 0), (1, 0)], constant_values=START)
    size = 3 + words

    def loss(targets, outputs):
        log_probs = outputs if copies else ops.log_softmax(outputs)
        generated = ops.take_along_axis(log_probs, ops.cast(targets, "int32")[..., None], axis=-1)
        if not copies:
            return -ops.mean(generated)
        same = ops.cast(targets, "int32")[..., None] == source[:, None]
        copied = ops.where(same, log_probs[..., size:], -1e9)
        return -ops.mean(ops.logsumexp(ops.concatenate([generated, copied], axis=-1), axis=-1))

    model = SequenceToSequence(*make(name, copies, size, dim=16, memory_dim=16))
    model.build()
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=BACKEND == "jax")
    inputs = {"source": source, "tokens": tokens}
    losses = [float(model.train_on_batch(inputs, targets)) for _ in range(150)]
    assert losses[0] > 1.5 and losses[-1] < 0.1
    for options in ({}, {"method": "beam", "beams": 3}):
        found = to_numpy(Generator(model, 6, **options)(ops.convert_to_tensor(source)))
        np.testing.assert_array_equal(found["tokens"], targets)
