"""Luong's three scores with all their options, in NumPy and beside textbook PyTorch modules."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import LuongAttention
from tests.layers.backend import gradients, randomise, to_numpy
from tests.layers.references import mechanisms as reference
from tests.layers.references.pytorch import assert_equals_torch

B, T, S, UNITS, QUERY_DIM, VALUE_DIM = 2, 5, 7, 11, 13, 17


def value_dim_of(score):
    return QUERY_DIM if score == "dot" else VALUE_DIM


def build(score, **options):
    layer = LuongAttention(score, **options)
    layer.build((B, T, QUERY_DIM), (B, S, value_dim_of(score)))
    return randomise(layer)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("score, units", [("dot", None), ("general", None), ("concat", UNITS)])
def test_every_option_equals_the_reference(score, units, use_bias, scale):
    layer = build(score, units=units, use_bias=use_bias, scale=scale)
    rng = np.random.default_rng(1)
    query = rng.normal(size=(B, T, QUERY_DIM)).astype("float32")
    value = rng.normal(size=(B, S, value_dim_of(score))).astype("float32")
    output, weights = to_numpy(layer(query, value, return_attention_scores=True))
    mask = np.ones((1, T, S), bool)
    expected_output, expected_weights = reference.luong(layer, query, value, value, mask)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(output, expected_output, rtol=1e-5, atol=1e-5)
    kernels = {"dot": 0, "general": 1, "concat": 3}[score]
    biases = {"dot": 0, "general": 1, "concat": 2}[score] * use_bias
    assert len(layer.weights) == kernels + biases + scale


def test_two_keys_by_hand():
    layer = LuongAttention("general")
    layer.build((1, 1, 2), (1, 2, 1))
    layer.set_weights([np.array([[3.0, 5.0]])])
    query, value = np.array([[[1.0, 0.2]]]), np.array([[[0.5], [0.25]]])
    weights = to_numpy(layer(query, value, return_attention_scores=True)[1])
    # q W k = (1 * 3 + 0.2 * 5) k = 2, 1
    share = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(weights, [[[share, 1 - share]]], atol=1e-6)


def test_scale_is_one_learned_scalar_that_starts_at_one():
    layer = LuongAttention("dot", scale=True)
    layer.build((B, T, QUERY_DIM), (B, S, QUERY_DIM))
    (weight,) = layer.trainable_weights
    assert weight.shape == ()
    assert float(to_numpy(weight)) == 1.0
    rng = np.random.default_rng(1)
    query = rng.normal(size=(B, T, QUERY_DIM)).astype("float32")
    value = rng.normal(size=(B, S, QUERY_DIM)).astype("float32")
    plain = to_numpy(LuongAttention("dot")(query, value))
    np.testing.assert_allclose(to_numpy(layer(query, value)), plain, atol=1e-6)
    layer.set_weights([np.float32(0.0)])
    uniform = np.broadcast_to(value.mean(1, keepdims=True), plain.shape)
    np.testing.assert_allclose(to_numpy(layer(query, value)), uniform, atol=1e-6)
    (gradient,) = gradients(lambda: ops.sum(layer(query, value)), [weight])
    assert gradient != 0


def torch_luong(score, scale=None):
    """Returns Luong et al. 2015, equation 8, as a module."""
    torch = pytest.importorskip("torch")

    class Luong(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.W_q = torch.nn.Linear(QUERY_DIM, UNITS, bias=False)
            self.W_k = torch.nn.Linear(VALUE_DIM, UNITS, bias=False)
            self.v_a = torch.nn.Linear(UNITS, 1, bias=False)
            self.W_a = torch.nn.Linear(VALUE_DIM, QUERY_DIM, bias=False)

        def score(self, query, value):
            if score == "dot":
                return torch.bmm(query, value.transpose(1, 2))
            if score == "general":
                return torch.bmm(query, self.W_a(value).transpose(1, 2))
            energy = self.W_q(query).unsqueeze(2) + self.W_k(value).unsqueeze(1)
            return self.v_a(torch.tanh(energy)).squeeze(-1)

        def forward(self, query, value, mask):
            scores = self.score(query, value) * (1.0 if scale is None else scale)
            scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
            weights = torch.softmax(scores, dim=-1)
            return torch.bmm(weights, value), weights

    return Luong()


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_equals_the_plain_torch_module(score):
    layer = build(score, units=UNITS if score == "concat" else None)
    module = torch_luong(score)
    parts = {}
    if score == "general":
        parts = {"W_a": layer.key_projection}
    elif score == "concat":
        parts = {
            "W_q": layer.query_projection,
            "W_k": layer.key_projection,
            "v_a": layer.score_projection,
        }
    assert_equals_torch(layer, module, parts, (QUERY_DIM, value_dim_of(score)))


def test_scale_equals_the_plain_torch_module():
    layer = build("general", scale=True)
    (scale,) = [float(weight) for weight in layer.get_weights() if np.shape(weight) == ()]
    module = torch_luong("general", scale)
    assert_equals_torch(layer, module, {"W_a": layer.key_projection}, (QUERY_DIM, VALUE_DIM))


@pytest.mark.parametrize("score", ["dot", "general"])
def test_a_number_scales_the_scores_and_is_saved(score):
    layer = build(score, scale=0.25)
    plain = build(score)
    plain.set_weights(layer.get_weights())
    rng = np.random.default_rng(1)
    query = rng.normal(size=(B, T, QUERY_DIM)).astype("float32")
    value = rng.normal(size=(B, S, value_dim_of(score))).astype("float32")
    weights = to_numpy(layer(query, value, return_attention_scores=True)[1])
    expected = to_numpy(plain(query / 4, value, return_attention_scores=True)[1])
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-6)
    assert LuongAttention.from_config(layer.get_config()).scale == 0.25


def test_concat_is_one_matrix_on_query_and_key_side_by_side():
    """The paper writes v^T tanh(W [q; k]); the layer holds W as its two halves."""
    layer = build("concat", units=UNITS)
    whole = np.concatenate(
        [layer.query_projection.get_weights()[0], layer.key_projection.get_weights()[0]]
    )
    (v,) = layer.score_projection.get_weights()
    rng = np.random.default_rng(1)
    query, value = rng.normal(size=(B, T, QUERY_DIM)), rng.normal(size=(B, S, VALUE_DIM))
    pairs = np.concatenate(
        [
            np.broadcast_to(query[:, :, None], (B, T, S, QUERY_DIM)),
            np.broadcast_to(value[:, None], (B, T, S, VALUE_DIM)),
        ],
        axis=-1,
    )
    scores = (np.tanh(pairs @ whole) @ v)[..., 0]
    expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    _, weights = to_numpy(layer(query, value, return_attention_scores=True))
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-5)


def test_an_unknown_score_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"dot.*general.*concat.*'bilinear'"):
        LuongAttention("bilinear")


def test_dot_needs_queries_and_keys_of_one_size():
    with pytest.raises(ValueError, match="one size"):
        LuongAttention("dot")(np.ones((B, T, 3)), np.ones((B, S, 4)))


def test_units_are_those_of_concat_alone():
    with pytest.raises(ValueError, match="units"):
        LuongAttention("general", units=3)
    with pytest.raises(ValueError, match="units"):
        LuongAttention("concat", units=0)
    assert keras.ops.shape(build("concat").score_projection.kernel) == (QUERY_DIM, 1)
