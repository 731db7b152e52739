"""Rotary positions as complex numbers in NumPy."""

import numpy as np
import pytest
from keras import ops

from layers.functional.rotary import rotate
from tests.layers.backend import to_numpy

B, N, T, H = 2, 3, 7, 10


def normal(seed=0):
    return np.random.default_rng(seed).normal(size=(B, N, T, H)).astype("float32")


def rotated(x, start=0):
    return to_numpy(rotate(ops.convert_to_tensor(x), start))


@pytest.mark.parametrize("start", [0, 11])
def test_a_pair_is_a_complex_number_turned_by_its_position(start):
    x = normal()
    frequencies = 10_000.0 ** (-np.arange(H // 2) / (H // 2))
    angles = (start + np.arange(T))[:, None] * frequencies
    turned = (x[..., : H // 2] + 1j * x[..., H // 2 :]) * np.exp(1j * angles)
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    np.testing.assert_allclose(rotated(x, start), expected, atol=1e-5)


def test_position_zero_is_left_as_it_is():
    x = normal()
    np.testing.assert_array_equal(rotated(x)[:, :, 0], x[:, :, 0])


def test_a_product_depends_on_the_distance_alone():
    query, key = normal(), normal(1)
    products = [
        np.einsum("bnth,bnsh->bnts", *(rotated(x, start) for x in (query, key)))
        for start in (0, 50)
    ]
    np.testing.assert_allclose(*products, atol=1e-4)
