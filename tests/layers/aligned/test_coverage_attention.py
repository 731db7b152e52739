"""Coverage, which can be switched off and on; the rest is proved in `test_aligned_attention.py`."""

import numpy as np

from layers import AdditiveAttention, CoverageAttention
from tests.layers.backend import randomise, to_numpy


def inputs():
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape).astype("float32") for shape in ((2, 5, 13), (2, 7, 17))]


def test_without_coverage_it_is_additive_attention():
    query, value = inputs()
    layer, plain = CoverageAttention(11), AdditiveAttention(11)
    for each in (layer, plain):
        each.build(query.shape, value.shape)
    randomise(layer)
    plain.set_weights(layer.get_weights()[:-1])
    expected = to_numpy(plain(query, value, return_attention_scores=True))
    covering = to_numpy(layer(query, value, return_attention_scores=True))
    assert np.abs(covering[1] - expected[1]).max() > 0.01
    layer.use_coverage(False)
    for found, array in zip(
        to_numpy(layer(query, value, return_attention_scores=True)), expected, strict=True
    ):
        np.testing.assert_allclose(found, array, atol=1e-6)


def test_the_projection_is_trained_only_with_coverage():
    layer = CoverageAttention(11)
    layer.build((2, 5, 13), (2, 7, 17))
    kernel = layer.coverage_projection.kernel
    layer.use_coverage(False)
    assert not to_numpy(kernel).any()
    assert all(weight is not kernel for weight in layer.trainable_weights)
    layer.use_coverage(True)
    assert not to_numpy(kernel).any()  # It begins where the attention is plain.
    assert any(weight is kernel for weight in layer.trainable_weights)
