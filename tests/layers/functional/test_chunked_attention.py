"""Attention in chunks beside the dense form: outputs, gradients, dropout, lengths not known yet."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import MultiHeadAttention
from layers.attention import multi_head_attention
from layers.functional import chunked_attention
from tests.layers.backend import BACKEND, gradients, randomise, to_numpy
from tests.layers.mechanism import close

B, T, S, N, N_KV, H = 2, 5, 7, 6, 3, 4
ROW = B * N * S  # Weights of one row of queries.


def inputs():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(B, n, d)).astype("float32") for n, d in ((T, 13), (S, 17))]


def masks(kind):
    rng = np.random.default_rng(2)
    return {
        "none": {},
        "causal": {"use_causal_mask": True},
        "one row": {"attention_mask": rng.random((B, 1, S)) < 0.6},
        "all": {
            "query_mask": rng.random((B, T)) < 0.7,
            "value_mask": rng.random((B, S)) < 0.7,
            "attention_mask": rng.random((B, N, T, S)) < 0.7,
            "use_causal_mask": True,
        },
    }[kind]


def outputs_and_gradients(layer, **masks):
    arrays = inputs()
    layer.build(*(array.shape for array in arrays))
    randomise(layer)
    sources = [keras.Variable(array) for array in arrays]

    def loss():
        return ops.mean(ops.sin(layer(*map(ops.convert_to_tensor, sources), **masks)))

    found = gradients(loss, [*sources, *layer.trainable_variables])
    return [to_numpy(layer(*arrays, **masks)), *found]


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["none", "causal", "one row", "all"])
@pytest.mark.parametrize("position", [None, "rotary", "alibi", "relative"])
def test_chunked_equals_dense(monkeypatch, position, kind, rows):
    monkeypatch.setattr(chunked_attention, "ELEMENTS", rows * ROW)
    dense, chunked = (
        outputs_and_gradients(
            MultiHeadAttention(N, H, num_kv_heads=N_KV, position=position, implementation=name),
            **masks(kind),
        )
        for name in ("dense", "chunked")
    )
    for found, expected in zip(chunked, dense, strict=True):
        close(found, expected)


def test_dropout_is_the_same_forward_and_backward(monkeypatch):
    monkeypatch.setattr(chunked_attention, "ELEMENTS", 2 * ROW)
    arrays = inputs()
    layer = MultiHeadAttention(N, H, dropout=0.5, seed=3, implementation="chunked")
    layer.build(*(array.shape for array in arrays))
    randomise(layer)
    seed = layer.weights_dropout.seed_generator.state
    start = to_numpy(seed)

    def output(values):
        seed.assign(start)  # The same dropout at every call.
        return layer(arrays[0], ops.convert_to_tensor(values), training=True)

    values = keras.Variable(arrays[1])
    step = 1e-2 * np.random.default_rng(4).normal(size=values.shape).astype("float32")
    (slope,) = gradients(lambda: ops.sum(output(values)), [values])
    moved = [float(to_numpy(ops.sum(output(arrays[1] + sign * step)))) for sign in (1, -1)]
    np.testing.assert_allclose((moved[0] - moved[1]) / 2, (slope * step).sum(), rtol=2e-2)
    assert np.abs(to_numpy(output(arrays[1]) - layer(*arrays, training=False))).max() > 0.01


def test_auto_takes_chunks_for_long_sequences_alone(monkeypatch):
    monkeypatch.setattr(multi_head_attention, "_has_fused_kernels", lambda gpu=True: False)
    calls = []
    real = multi_head_attention.chunked_attention
    monkeypatch.setattr(
        multi_head_attention, "chunked_attention", lambda *x: calls.append(1) or real(*x)
    )
    layer = MultiHeadAttention(N, H)
    expected = to_numpy(layer(*inputs()))
    assert not calls
    monkeypatch.setattr(multi_head_attention, "DENSE_SCORES", ROW)
    close(to_numpy(layer(*inputs())), expected)
    assert calls


def test_auto_of_an_unknown_number_of_examples_waits_for_it(monkeypatch):
    monkeypatch.setattr(multi_head_attention, "_has_fused_kernels", lambda gpu=True: False)

    def implementation(batch, length):
        query = keras.KerasTensor((batch, 8, length, 64))
        return MultiHeadAttention(8, 64)._implementation(query, query, dropping=False)

    assert [implementation(32, length) for length in (128, 2048)] == ["dense", "chunked"]
    found = [implementation(None, length) for length in (128, 2048, 4096)]
    # `torch.export` follows no branch.
    assert found == ["dense", "dense" if BACKEND == "torch" else None, "chunked"]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="other backends know every length")
@pytest.mark.parametrize("limit", [1, 2**20])
def test_lengths_not_known_yet(monkeypatch, limit):
    import tensorflow as tf

    monkeypatch.setattr(multi_head_attention, "DENSE_SCORES", limit)
    monkeypatch.setattr(chunked_attention, "ELEMENTS", 2 * ROW)
    layer = MultiHeadAttention(N, H, position="relative")
    arrays = inputs()
    expected = to_numpy(layer(*arrays))
    spec = [tf.TensorSpec((None, None, x.shape[-1])) for x in arrays]

    @tf.function(input_signature=spec)
    def step(query, value):
        with tf.GradientTape() as tape:
            output = layer(query, value)
        return output, tape.gradient(output, layer.relative_bias.value)

    output, slope = step(*arrays)
    close(to_numpy(output), expected)
    assert to_numpy(slope).any()


def test_flash_needs_a_gpu():
    with pytest.raises(ValueError, match=r"'flash' needs .* a GPU.*'chunked'"):
        MultiHeadAttention(N, H, implementation="flash")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"implementation": "fast"}, "`implementation` must be one of .*'fast'"),
        ({"position": "sinusoidal"}, "`position` must be one of .*'sinusoidal'"),
        ({"position": "rotary", "key_dim": 5}, "even `key_dim`.*5"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**{"num_heads": N, "key_dim": H, **options})
