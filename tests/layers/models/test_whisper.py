"""Whisper: its composition in NumPy, decoding with caches beside whole passes, saving."""

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from layers import Whisper
from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, PAD, START
from tests.layers.backend import BACKEND, compiled_with_xla, gradients, randomise, to_numpy
from tests.layers.references.transformer import gelu, normalise, numpy_decoder, numpy_encoder

B, F, M, S, D, V, T = 3, 13, 5, 7, 6, 11, 4
BLANK = 9
PROMPTS = {"alone": [START], "prompted": [START, 12, 3, 11]}
prompts = pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)


def make(prompt=PROMPTS["prompted"], **options):
    defaults = {
        "num_layers": 2,
        "num_heads": 2,
        "mlp_dim": 17,
        "num_mels": M,
        "max_frames": 22,
        "max_length": 8,
        "forbidden": [PAD, START],
        "forbidden_first": [END, BLANK],
    }
    return Whisper(V, D, prompt=prompt, **{**defaults, **options})


def build(*arguments, scale=0.7, seed=0, **options):
    model = make(*arguments, **options)
    model.build()
    randomise(model, seed=seed, scale=scale)
    model.decoder_norm.set_weights([np.ones(D), np.zeros(D)])  # Else all logits are much alike.
    return model


def data():
    rng = np.random.default_rng(1)
    tokens = rng.integers(END + 1, V, (B, T)).astype("int32")
    tokens[:, 0] = START
    return {"features": rng.normal(size=(B, F, M)).astype("float32"), "tokens": tokens}


def close(actual, expected, tolerance=1e-4):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# Numbers


def convolve(layer, x, strides):
    """A kernel of three over frames, with one frame of zeros before and one after."""
    kernel, bias = layer.get_weights()
    x = np.pad(x, [(0, 0), (1, 1), (0, 0)])
    starts = range(0, x.shape[1] - 2, strides)
    return np.stack([np.einsum("bkm,kmd->bd", x[:, t : t + 3], kernel) + bias for t in starts], 1)


def numpy_whisper(model, features, tokens):
    first, second = model.convolutions
    x = gelu(convolve(second, gelu(convolve(first, features, 1)), 2))
    x = x + model.encoder_positions.get_weights()[0][: x.shape[1]]
    for block in model.encoder_blocks:
        x, _ = numpy_encoder(block, x)
    memory = normalise(model.encoder_norm, x)
    table = model.embedding.get_weights()[0]
    prompted = [[*model.prompt, *row[1:]] for row in tokens]
    x = table[np.array(prompted)]
    x = x + model.decoder_positions.get_weights()[0][: x.shape[1]]
    weights = []
    for block in model.decoder_blocks:
        x, (of_block,) = numpy_decoder(block, x, memory)
        weights.append(of_block)
    x = normalise(model.decoder_norm, x)[:, -T:]
    return x @ table[:V].T, np.mean(weights, axis=(0, 2))[:, -T:]


@prompts
@pytest.mark.parametrize("frames", [F, F - 1])
def test_it_equals_its_composition_in_numpy(prompt, frames):
    model, inputs = build(prompt), data()
    inputs["features"] = inputs["features"][:, :frames]
    expected, expected_weights = numpy_whisper(model, **inputs)
    logits, weights = to_numpy(model(inputs, return_attention_scores=True))
    close(logits, expected)
    close(weights, expected_weights)
    close(to_numpy(model(inputs)), expected)
    assert weights.shape == (B, T, (frames + 1) // 2) and np.ptp(expected_weights) > 0.05
    memory = ops.shape(model.encode(inputs["features"]))
    assert tuple(memory) == (B, (frames + 1) // 2, D)


def test_the_prompt_takes_the_place_of_the_first_token():
    model, inputs = build(), data()
    logits = to_numpy(model(inputs))
    assert model.embedding.get_weights()[0].shape == (13, D)
    inputs["tokens"][:, 0] = 7
    close(to_numpy(model(inputs)), logits, 1e-6)
    alone = build(PROMPTS["alone"])
    assert alone.embedding.get_weights()[0].shape == (V, D)
    other = build([START, 12, 4, 11])
    assert np.abs(to_numpy(other(inputs)) - logits).max() > 0.01


def test_tokens_do_not_see_later_ones():
    model, inputs = build(), data()
    logits = to_numpy(model(inputs))
    inputs["tokens"][:, 2:] = 4
    changed = to_numpy(model(inputs))
    close(changed[:, :2], logits[:, :2], 1e-6)
    assert np.abs(changed[:, 2:] - logits[:, 2:]).max() > 0.01


def test_sines_and_cosines_tell_the_encoder_the_time():
    model = make(num_heads=2)
    model.build()
    # As the authors' code has them: half of the sizes are sines.
    inverse = np.exp(-np.log(10_000) / (D // 2 - 1) * np.arange(D // 2))
    angles = np.arange(11)[:, None] * inverse[None]
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    close(model.encoder_positions.get_weights()[0], expected, 1e-5)
    assert not model.encoder_positions.trainable_variables
    assert model.decoder_positions.trainable_variables


# Decoding


def uncached(model, features, length):
    """Greedy search by a whole pass over sound and text for each token."""
    tokens = np.full((1, length + 1), PAD, "int32")
    tokens[0, 0] = START
    for t in range(length):
        logits = to_numpy(model({"features": features[None], "tokens": tokens[:, :-1]}))[0, t]
        logits[[PAD, START]] = -np.inf
        if t == 0:
            logits[[END, BLANK]] = -np.inf
        tokens[0, t + 1] = logits.argmax()
        if tokens[0, t + 1] == END:
            break
    return tokens[0, 1:]


@pytest.mark.parametrize(("prompt", "seed"), [("alone", 4), ("prompted", 0)])
def test_greedy_decoding_equals_whole_passes(prompt, seed):
    model, features, length = build(PROMPTS[prompt], seed=seed), data()["features"], 5
    found = Generator(model, length).predict_on_batch({"features": features})
    expected = [uncached(model, each, length) for each in features]
    np.testing.assert_array_equal(to_numpy(found["tokens"]), expected)
    assert len({tuple(row) for row in expected}) > 1 and END in np.array(expected)[:, 1:]


@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["eager", "compiled"]
)
@prompts
def test_steps_of_candidates_equal_the_whole_pass(prompt, compiled):
    model, inputs, candidates = build(prompt), data(), 2
    step = compiled_with_xla(model.step) if compiled else model.step
    memory, state, key_length = model.start(inputs, candidates, T)
    assert key_length == S
    tokens = ops.repeat(ops.convert_to_tensor(inputs["tokens"]), candidates, axis=0)
    found = []
    for t in range(T):
        index = ops.convert_to_tensor(t, dtype="int32")
        logits, weights, state = step(tokens[:, t], index, memory, state)
        found.append((to_numpy(logits), to_numpy(weights)))
    logits, weights = (np.stack(x, axis=1) for x in zip(*found, strict=True))
    expected, expected_weights = to_numpy(model(inputs, return_attention_scores=True))
    expected[..., [PAD, START]] = -1e30
    expected[:, 0, [END, BLANK]] = -1e30
    close(logits, np.repeat(expected, candidates, axis=0))
    close(weights, np.repeat(expected_weights, candidates, axis=0))


def test_nothing_is_forbidden_unless_it_is_said():
    model, inputs = build(forbidden=(), forbidden_first=()), data()
    memory, state, _ = model.start(inputs, 1, T)
    logits, _, _ = model.step(ops.full((B,), START, dtype="int32"), 0, memory, state)
    close(to_numpy(logits), to_numpy(model(inputs))[:, 0])


@pytest.mark.slow
def test_beam_search_keeps_the_best_of_all_sequences():
    model, features = build(), data()["features"]
    generator = Generator(model, 2, method="beam", beams=V * V, length_penalty=0.0)
    found = generator.predict_on_batch({"features": features})
    for i in range(B):
        first = np.array([[START]] * V, "int32")
        tokens = np.concatenate([first, np.arange(V, dtype="int32")[:, None]], axis=1)
        sound = np.repeat(features[i : i + 1], V, axis=0)
        logits = to_numpy(model({"features": sound, "tokens": tokens})).astype("float64")
        logits[..., [PAD, START]] = -np.inf
        logits[:, 0, [END, BLANK]] = -np.inf
        log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        totals = log_probs[0, 0][:, None] + log_probs[:, 1]
        close(found["score"][i], totals.max())
        best = np.unravel_index(totals.argmax(), totals.shape)
        np.testing.assert_array_equal(found["tokens"][i], best)


def test_more_tokens_than_positions_are_an_error():
    model, inputs = build(), data()
    model.start(inputs, 1, 5)
    with pytest.raises(ValueError, match=r"8 positions, 3 of them for its prompt.*max_length=6"):
        model.start(inputs, 1, 6)
    with pytest.raises(ValueError, match="8 positions"):
        model({**inputs, "tokens": np.ones((B, 6), "int32")})
    with pytest.raises(ValueError, match="`prompt`"):
        make(prompt=())


# Training, precision, saving


def test_training_reaches_all_but_the_sinusoids_and_the_biases_of_keys():
    model, inputs = build(dropout=0.1, seed=3), data()

    def loss():
        log_probs = ops.log_softmax(model(inputs, training=True))
        return -ops.mean(log_probs[..., 4])

    variables = model.trainable_variables
    found = dict(zip([v.path for v in variables], gradients(loss, variables), strict=True))
    assert all(np.isfinite(gradient).all() for gradient in found.values())
    still = {path for path, gradient in found.items() if np.abs(gradient).max() < 1e-6}
    assert still and all(path.endswith("key_projection/bias") for path in still)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_decodes(policy):
    model, inputs = build(dtype=policy, scale=0.3), data()
    exact = to_numpy(build(scale=0.3)(inputs))
    logits = model(inputs)
    assert keras.backend.standardize_dtype(logits.dtype) == policy.removeprefix("mixed_")
    close(to_numpy(logits), exact, 0.1)
    memory, state, _ = model.start(inputs, 1, T)
    logits, _, _ = model.step(ops.full((B,), START, dtype="int32"), 0, memory, state)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert (to_numpy(logits)[:, [PAD, START, END, BLANK]] < -1e29).all()
    assert np.isfinite(to_numpy(logits)).all()


def test_the_configuration_comes_back_whole():
    model = make(dropout=0.25, seed=7, name="listener", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(model.get_config()))
    rebuilt = Whisper.from_config(config)
    assert rebuilt.get_config() == config
    arguments = set(inspect.signature(Whisper.__init__).parameters) - {"self", "kwargs"}
    assert arguments <= set(config)
    assert config["prompt"] == PROMPTS["prompted"] and config["forbidden_first"] == [END, BLANK]
    assert rebuilt.dtype_policy.name == "mixed_bfloat16"


def test_a_symbolic_call_tells_the_shapes():
    model = build()
    inputs = {
        "features": keras.Input((None, M)),
        "tokens": keras.Input((None,), dtype="int32"),
    }
    logits, weights = model(inputs, return_attention_scores=True)
    assert logits.shape == (None, None, V) and weights.shape == (None, None, None)
    inputs["features"] = keras.Input((F, M))
    logits, weights = model(inputs, return_attention_scores=True)
    assert weights.shape == (None, None, S) and model(inputs).shape == logits.shape


LOAD = """
import sys
import layers
import keras, numpy as np
from pipelines.decoding.generator import Generator
data = np.load(sys.argv[2])
model = keras.saving.load_model(sys.argv[1])
inputs = {"features": data["features"], "tokens": data["tokens"]}
logits = keras.ops.convert_to_numpy(model(inputs))
np.testing.assert_allclose(logits, data["logits"], rtol=1e-4, atol=1e-4)
found = Generator(model, 5).predict_on_batch({"features": data["features"]})
np.testing.assert_array_equal(keras.ops.convert_to_numpy(found["tokens"]), data["found"])
print("loaded", model.count_params())
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_saved_model_decodes_alike_in_a_fresh_process_on_any_backend(backend, tmp_path):
    if backend != BACKEND and importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    model, inputs = build(dropout=0.1), data()
    found = Generator(model, 5).predict_on_batch({"features": inputs["features"]})["tokens"]
    files = [str(tmp_path / name) for name in ("model.keras", "data.npz")]
    model.save(files[0])
    np.savez(files[1], logits=to_numpy(model(inputs)), found=to_numpy(found), **inputs)
    child = subprocess.run(
        [sys.executable, "-c", LOAD, *files],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == ["loaded", str(model.count_params())]
