"""Bahdanau's attention beside a textbook PyTorch module; the harness holds the NumPy equality."""

import numpy as np
import pytest

from layers import AdditiveAttention
from tests.layers.backend import randomise, to_numpy
from tests.layers.references.pytorch import assert_equals_torch

B, T, S, UNITS, QUERY_DIM, VALUE_DIM = 2, 5, 7, 11, 13, 17


def test_two_keys_by_hand():
    layer = AdditiveAttention(1)
    layer.build((1, 1, 1), (1, 2, 1))
    layer.set_weights([np.array(w) for w in ([[1.0]], [0.0], [[1.0]], [0.0], [[2.0]])])
    query, value = np.array([[[0.5]]], "float32"), np.array([[[0.5], [-0.5]]], "float32")
    output, weights = to_numpy(layer(query, value, return_attention_scores=True))
    # e = 2 tanh(0.5 + 0.5), 2 tanh(0.5 - 0.5) = 1.523188, 0
    share = 1 / (1 + np.exp(-1.523188))
    np.testing.assert_allclose(weights, [[[share, 1 - share]]], atol=1e-6)
    np.testing.assert_allclose(output, [[[0.5 * share - 0.5 * (1 - share)]]], atol=1e-6)


@pytest.mark.parametrize("use_bias", [True, False])
def test_equals_the_plain_torch_module(use_bias):
    torch = pytest.importorskip("torch")

    class Bahdanau(torch.nn.Module):
        """e_ij = v_a^T tanh(W_a s_i + U_a h_j): Bahdanau et al. 2015, appendix A.1.2."""

        def __init__(self):
            super().__init__()
            self.W_a = torch.nn.Linear(QUERY_DIM, UNITS, bias=use_bias)
            self.U_a = torch.nn.Linear(VALUE_DIM, UNITS, bias=use_bias)
            self.v_a = torch.nn.Linear(UNITS, 1, bias=False)

        def forward(self, query, value, mask):
            energy = torch.tanh(self.W_a(query).unsqueeze(2) + self.U_a(value).unsqueeze(1))
            scores = self.v_a(energy).squeeze(-1)
            scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
            weights = torch.softmax(scores, dim=-1)
            return torch.bmm(weights, value), weights

    layer = AdditiveAttention(UNITS, use_bias=use_bias)
    layer.build((B, T, QUERY_DIM), (B, S, VALUE_DIM))
    module = Bahdanau()
    parts = {
        "W_a": layer.query_projection,
        "U_a": layer.key_projection,
        "v_a": layer.score_projection,
    }
    assert_equals_torch(randomise(layer), module, parts, (QUERY_DIM, VALUE_DIM))


@pytest.mark.parametrize("units", [0, -1, 1.5, None])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match=f"`units`.*{units}"):
        AdditiveAttention(units)


def test_values_and_keys_must_be_as_many():
    layer = AdditiveAttention(UNITS)
    with pytest.raises(ValueError, match="same length"):
        layer(np.ones((B, T, 3)), np.ones((B, S, 3)), np.ones((B, S + 1, 3)))


def test_masks_with_heads_are_refused():
    layer = AdditiveAttention(UNITS)
    with pytest.raises(ValueError, match="no heads"):
        layer(np.ones((B, T, 3)), np.ones((B, S, 3)), attention_mask=np.ones((B, 3, T, S), bool))
