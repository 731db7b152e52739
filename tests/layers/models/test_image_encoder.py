"""The image encoder: where its cells are, and what its memory holds."""

import numpy as np
import pytest

import layers
from layers.models.image_encoder import grid_positions
from tests.layers.backend import to_numpy


@pytest.mark.parametrize("dim", [11, 32])
def test_positions_of_a_grid(dim):
    """All cells differ, neighbours least, and every dimension tells some apart."""
    table = to_numpy(grid_positions(49, dim)).reshape(7, 7, dim)
    np.testing.assert_allclose(table.reshape(49, dim).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(table.reshape(49, dim).std(axis=0), 1, atol=1e-4)
    distances = np.linalg.norm(table - table[0, 0], axis=-1)
    assert distances[0, 1] == pytest.approx(distances[1, 0], rel=0.1)
    assert (distances.ravel()[2:] > 1.1 * distances[0, 1]).sum() == 46
    assert (to_numpy(grid_positions(1, dim)) == 0).all()


def test_the_memory_holds_the_cells_and_where_they_are():
    encoder = layers.ImageEncoder(16)
    features = np.random.default_rng(0).normal(size=(2, 9, 5)).astype("float32")
    memory = to_numpy(encoder(features))
    positions = to_numpy(encoder.positions)
    content = to_numpy(encoder.norm(encoder.projection(features)))
    assert content.shape == (2, 9, 12)
    np.testing.assert_allclose(memory[..., :12], content, atol=1e-5)
    np.testing.assert_allclose(memory[..., 12:], [positions] * 2, atol=1e-6)
    np.testing.assert_allclose(positions, to_numpy(grid_positions(9, 4)), atol=1e-6)


def test_cells_of_a_network_are_its_features_by_rows():
    network = layers.patch_tokenizer((12, 12, 3), 4, 5)
    encoder = layers.ImageEncoder(16, network=network, num_layers=1, num_heads=2)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3)).astype("float32")
    memory, cells = encoder(pixels, return_cells=True)
    np.testing.assert_allclose(
        to_numpy(cells), to_numpy(network(pixels)).reshape(2, 9, 5), atol=1e-6
    )
    assert (encoder.grid, encoder.cells_dim) == ((3, 3), 5)
    assert tuple(memory.shape) == encoder.compute_output_shape((2, 12, 12, 3)) == (2, 9, 16)
    np.testing.assert_allclose(to_numpy(encoder(pixels)), to_numpy(memory), atol=1e-6)
