"""Pixels to maps of vectors."""

import numpy as np
import pytest

import layers
from tests.layers.backend import to_numpy


def pixels(size=12, channels=3):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (2, size, size, channels)).astype("float32")


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_are_scaled_and_projected(channels):
    tokenizer, images = layers.patch_tokenizer((12, 12, channels), 4, 5), pixels(12, channels)
    embedding = tokenizer.layers[1]
    assert isinstance(embedding, layers.PatchEmbedding)
    kernel, bias = embedding.get_weights()
    scaled = images / 127.5 - 1
    patches = scaled.reshape(2, 3, 4, 3, 4, channels).swapaxes(2, 3).reshape(2, 3, 3, -1)
    expected = patches @ kernel.reshape(-1, 5) + bias
    np.testing.assert_allclose(to_numpy(tokenizer(images)), expected, atol=1e-5)


def test_white_is_one():
    tokenizer = layers.patch_tokenizer((12, 12, 1), 4, 16)
    cells = to_numpy(tokenizer(np.full((1, 12, 12, 1), 255, "float32")))
    kernel, bias = tokenizer.layers[1].get_weights()
    np.testing.assert_allclose(cells[0, 0, 0], kernel.sum(axis=0) + bias, atol=1e-5)


def test_a_convolution_halves_the_image():
    """By hand: a 3 x 3 convolution, ReLU, then the largest of 3 x 3, every other one."""
    tokenizer, images = layers.convolutional_tokenizer((6, 6, 1), 2), pixels(6, 1)
    (kernel,) = tokenizer.get_weights()
    padded = np.pad(images[..., 0] / 127.5 - 1, [(0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    features = np.maximum(np.einsum("bijkl,klf->bijf", windows, kernel[:, :, 0]), 0)
    # Padding of an even size with strides of two is on the far side.
    padded = np.pad(features, [(0, 0), (0, 1), (0, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = windows.max(axis=(-1, -2))[:, ::2, ::2]
    np.testing.assert_allclose(to_numpy(tokenizer(images)), expected, atol=1e-5)


def test_convolutions_are_as_many_and_as_large_as_asked():
    tokenizer = layers.convolutional_tokenizer((24, 24, 3), 10, convolutions=3, kernel_size=5)
    shapes = [weight.shape for weight in tokenizer.get_weights()]
    assert shapes == [(5, 5, 3, 32), (5, 5, 32, 64), (5, 5, 64, 10)]
    assert tokenizer.output_shape == (None, 3, 3, 10)


def test_a_cell_of_the_stem_sees_39_pixels():
    stem = layers.convolutional_stem((96, 96, 3))
    assert stem.output_shape == (None, 8, 8, 128)
    images = pixels(96)
    before = to_numpy(stem(images))[0, 4, 4]

    def changes(row):
        changed = images.copy()
        changed[0, row] = 255 - changed[0, row]
        return (to_numpy(stem(changed))[0, 4, 4] != before).any()

    seen = [row for row in range(96) if changes(row)]
    assert len(seen) == 39 and seen[-1] - seen[0] == 38
    assert seen[0] < 4 * 12 and seen[-1] >= 5 * 12
