"""Blocks and mechanisms give their projections the initializers and regularizers that they take."""

import keras
import numpy as np
import pytest

import layers
from tests.layers.backend import to_numpy

D, N, MLP = 12, 2, 17
OPTIONS = {
    "kernel_initializer": keras.initializers.RandomUniform(3.0, 4.0, seed=5),
    "bias_initializer": "ones",
    "kernel_regularizer": keras.regularizers.L2(0.5),
    "bias_regularizer": keras.regularizers.L1(0.25),
}
BLOCKS = {
    "encoder": lambda **options: layers.TransformerEncoderBlock(N, MLP, **options),
    "decoder": lambda **options: layers.TransformerDecoderBlock(N, MLP, **options),
    "conformer": lambda **options: layers.ConformerBlock(N, MLP, 3, **options),
    "additive": lambda **options: layers.TransformerEncoderBlock(N, MLP, "additive", **options),
    "coverage": lambda **options: layers.CoverageAttention(5, **options),
    "luong_concat": lambda **options: layers.LuongAttention("concat", 5, use_bias=True, **options),
}


def built(block):
    one = (None, None, D)
    two = isinstance(block, (layers.TransformerDecoderBlock, layers.AttentionLayer))
    block.build(*([one, one] if two else [one]))
    return block


def named(block, name):
    return [w for w in block.weights if w.path.endswith(f"/{name}")]


@pytest.mark.parametrize("name", BLOCKS)
def test_each_projection_has_its_own(name):
    block = built(BLOCKS[name](**OPTIONS))
    kernels = [to_numpy(kernel) for kernel in named(block, "kernel")]
    assert all((kernel >= 3).all() and (kernel <= 4).all() for kernel in kernels)
    biases = [to_numpy(bias) for bias in named(block, "bias")]
    assert len(biases) > 1 and all((bias == 1).all() for bias in biases)
    expected = sum(0.5 * (kernel**2).sum() for kernel in kernels)
    expected += sum(0.25 * np.abs(bias).sum() for bias in biases)
    np.testing.assert_allclose(sum(to_numpy(loss) for loss in block.losses), expected, rtol=1e-5)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_configuration_has_them(name):
    block = BLOCKS[name](**OPTIONS)
    again = type(block).from_config(block.get_config())
    assert again.get_config() == block.get_config()
    for one, other in zip(built(block).weights, built(again).weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    old = {key: value for key, value in block.get_config().items() if key not in OPTIONS}
    assert type(block).from_config(old).kernel_initializer == "glorot_uniform"


def test_one_initializer_without_a_seed_gives_each_projection_other_values():
    initializer = keras.initializers.RandomNormal()
    block = built(layers.TransformerEncoderBlock(N, D, kernel_initializer=initializer))
    kernels = [to_numpy(kernel).ravel() for kernel in named(block, "kernel")]
    assert len({kernel[0] for kernel in kernels}) == len(kernels) == 6


def test_what_is_no_initializer_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        built(layers.TransformerEncoderBlock(N, MLP, kernel_initializer="nonsense"))
