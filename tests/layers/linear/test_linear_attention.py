"""Linear attention: FAVOR+ beside softmax attention, chunks, and what has no linear form."""

import numpy as np
import pytest

from layers import LinearAttention, MultiHeadAttention, TransformerDecoderBlock
from layers.linear import linear_attention
from tests.layers.backend import randomise, to_numpy
from tests.layers.mechanism import close

B, T, N, H, D = 2, 13, 3, 8, 11


def inputs():
    return np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")


@pytest.mark.parametrize("causal", [False, True])
def test_favor_converges_to_softmax_attention(causal):
    x = inputs()
    exact = MultiHeadAttention(N, H)
    exact.build(x.shape, x.shape)
    randomise(exact, scale=0.2)
    weights = exact.get_weights()
    _, expected = to_numpy(exact(x, x, use_causal_mask=causal, return_attention_scores=True))
    errors = []
    for number in (8, 128, 4096):
        layer = LinearAttention(N, H, feature_map="favor", num_features=number, seed=1)
        layer.build(x.shape, x.shape)
        for variable, value in zip(layer.trainable_variables, weights, strict=True):
            variable.assign(value)
        _, found = to_numpy(layer(x, x, use_causal_mask=causal, return_attention_scores=True))
        errors.append(np.abs(found - expected).mean())
    assert errors[0] > 1.3 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.01


def test_features_are_orthogonal_in_groups():
    layer = LinearAttention(N, H, feature_map="favor", num_features=20, seed=1)
    layer.build((B, T, D), (B, T, D))
    features = to_numpy(layer.random_features)
    for start in (0, 8, 16):
        group = features[start : start + 8]
        products = group @ group.T
        close(products - np.diag(np.diagonal(products)), 0)
    assert np.std(np.linalg.norm(features, axis=1)) > 0.1


@pytest.mark.parametrize("feature_map", ["elu", "relu", "favor"])
@pytest.mark.parametrize("chunk", [1, 5, 13, 128])
def test_chunks_of_any_size_give_the_same(monkeypatch, chunk, feature_map):
    layer = LinearAttention(N, H, feature_map=feature_map, seed=1)
    x = inputs()
    layer.build(x.shape, x.shape)
    randomise(layer)
    expected = to_numpy(layer(x, x, use_causal_mask=True))
    monkeypatch.setattr(linear_attention, "CHUNK", chunk)
    close(to_numpy(layer(x, x, use_causal_mask=True)), expected)


def test_an_attention_mask_has_no_linear_form():
    with pytest.raises(ValueError, match="LinearAttention has no linear form of an `attention_mas"):
        LinearAttention(N, H)(inputs(), inputs(), attention_mask=np.ones((B, T, T), bool))


def test_decoding_with_a_cache_says_that_there_is_none():
    block = TransformerDecoderBlock(N, 7, attention="linear", cross_attention="linear")
    block.build((B, T, 12))
    with pytest.raises(ValueError, match="LinearAttention has no cache"):
        block.init_cache(B, T)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"feature_map": "softmax"}, "`feature_map` must be one of .*'softmax'"),
        ({"num_features": 8}, "Only 'favor' has `num_features`"),
        ({"feature_map": "favor", "num_features": 0}, "`num_features` must be a positive"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LinearAttention(N, H, **options)
