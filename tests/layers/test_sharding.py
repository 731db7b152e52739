"""Which weights of a model are shared out over devices."""

import keras
import numpy as np
import pytest

import layers

LEAST = 1000  # Weights of a matrix that is worth sharing out.


@pytest.mark.parametrize(
    ("path", "shape", "axis"),
    [
        ("embedding/embeddings", (301, 24), 1),
        ("token_embeddings", (301, 24), 1),
        ("block_0/self_attention/query_projection/kernel", (24, 4, 6), 1),
        ("block_0/self_attention/output_projection/kernel", (4, 6, 24), 0),
        ("block_0/mlp_hidden/kernel", (24, 36), 1),
        ("block_0/mlp_output/kernel", (36, 24), 0),
        ("rnn/attention/key_projection/kernel", (24, 12), 1),
        ("rnn/lstm_cell/kernel", (48, 96), 1),
        ("rnn/lstm_cell/recurrent_kernel", (24, 96), 1),
        ("logits/kernel", (24, 302), 1),
        ("logits/kernel", (24, 301), 0),
        ("logits/kernel", (23, 301), None),
        ("block_0/self_attention/query_projection/kernel", (24, 3, 6), None),
        ("block_0/self_attention/query_projection/bias", (4, 6), None),
        ("block_0/mlp_norm/gamma", (24,), None),
        ("stem/conv2d/kernel", (5, 5, 4, 32), None),
        ("block_0/depthwise/kernel", (16, 160, 2), None),
        ("image_encoder/positions", (16, 32), None),
        ("seed_generator/seed_generator_state", (2,), None),
    ],
)
def test_what_is_wide_is_cut_where_two_devices_divide_it(path, shape, axis):
    axes = layers.sharded_axes(path, shape, 2)
    assert axes == tuple("model" if i == axis else None for i in range(len(shape)))


@pytest.mark.parametrize("kind", ["transformer", "rnn"])
def test_every_large_matrix_of_a_model_is_in_its_layout_map(kind):
    network = layers.encoder_decoder(
        302, model=kind, dim=24, encoder_layers=1, decoder_layers=1, num_heads=2, mlp_dim=52
    )
    mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"], ["cpu:0", "cpu:1"])
    found = layers.layout_map(network, mesh)
    shapes = {variable.path: variable.shape for variable in network.variables}
    large = {path for path, shape in shapes.items() if np.prod(shape) >= LEAST}
    assert large and large <= set(found)
    for path, layout in found.items():
        assert layout.axes == layers.sharded_axes(path, shapes[path], 2)
        assert len(shapes[path]) > 1


def test_model_parallelism_needs_no_model_to_know_the_layouts():
    mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"], ["cpu:0", "cpu:1"])
    parallel = layers.ModelParallel(mesh, auto_shard_dataset=False)
    dense = keras.layers.Dense(4, name="mlp_hidden")
    dense.build((None, 3))
    assert parallel.get_variable_layout(dense.kernel).axes == (None, "model")
    assert parallel.get_variable_layout(dense.bias).axes == (None,)
    assert parallel.num_model_replicas == 1
