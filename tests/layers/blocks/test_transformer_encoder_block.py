"""The encoder block beside its composition in NumPy, and its parts."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import TransformerEncoderBlock
from layers.registry import MECHANISMS
from tests.layers.backend import (
    gradients,
    to_numpy,
)
from tests.layers.references.transformer import gelu, numpy_encoder
from tests.layers.transformer_blocks import (
    MLP,
    POLICIES,
    X_MASK,
    B,
    D,
    N,
    T,
    close,
    data,
    encoder,
)


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


def test_an_activation_is_taken():
    block, (x, _) = encoder(activation="tanh"), data()
    assert np.abs(to_numpy(block(x)) - numpy_encoder(block, x)[0]).max() > 0.01
    assert block.get_config()["activation"] == "tanh"


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


def test_an_unknown_mechanism_is_refused():
    with pytest.raises(ValueError, match="'multi_head'"):
        TransformerEncoderBlock(N, MLP, "multihead")(data()[0])
