"""Compares a layer with a plain PyTorch module, weights copied across: outputs and gradients."""

import keras
import numpy as np
from keras import ops

from tests.layers.backend import gradients, to_numpy

B, T, S = 2, 5, 7


def copy_dense(dense, linear):
    """Copies a Keras `Dense` into a `torch.nn.Linear`."""
    import torch

    kernel, *bias = dense.get_weights()
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(kernel.T))
        if bias:
            linear.bias.copy_(torch.tensor(bias[0]))


def assert_equals_torch(layer, module, parts, dims):
    """Asserts equal outputs, weights and gradients, with a masked key.

    Args:
        layer: a built layer.
        module: a module with `forward(query, value, mask) -> (output, weights)`.
        parts: name of each `torch.nn.Linear` in `module` -> the `Dense` it must equal.
        dims: sizes of query and value.
    """
    import torch

    for name, dense in parts.items():
        copy_dense(dense, getattr(module, name))
    rng = np.random.default_rng(1)
    query = rng.normal(size=(B, T, dims[0])).astype("float32")
    value = rng.normal(size=(B, S, dims[1])).astype("float32")
    mask = np.array([[True] * S, [True, True, True, False, True, False, False]])
    out_slope = rng.normal(size=(B, T, dims[1])).astype("float32")
    weights_slope = rng.normal(size=(B, T, S)).astype("float32")

    query_torch, value_torch = (torch.tensor(x, requires_grad=True) for x in (query, value))
    output_torch, weights_torch = module(query_torch, value_torch, torch.tensor(mask))
    loss = (output_torch * torch.tensor(out_slope)).sum()
    loss = loss + (weights_torch * torch.tensor(weights_slope)).sum()
    loss.backward()

    output, weights = to_numpy(layer(query, value, value_mask=mask, return_attention_scores=True))
    np.testing.assert_allclose(output, output_torch.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weights, weights_torch.detach().numpy(), rtol=1e-5, atol=1e-5)

    sources = [keras.Variable(x) for x in (query, value)]

    def keras_loss():
        output, weights = layer(
            *map(ops.convert_to_tensor, sources), value_mask=mask, return_attention_scores=True
        )
        output, weights = ops.multiply(output, out_slope), ops.multiply(weights, weights_slope)
        return ops.sum(output) + ops.sum(weights)

    found, expected = gradients(keras_loss, sources), [query_torch.grad, value_torch.grad]
    for name, dense in parts.items():
        linear = getattr(module, name)
        found.append(gradients(keras_loss, [dense.kernel])[0].T)
        expected.append(linear.weight.grad)
        if dense.use_bias:
            found.extend(gradients(keras_loss, [dense.bias]))
            expected.append(linear.bias.grad)
    for gradient, gradient_torch in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, gradient_torch.numpy(), rtol=1e-5, atol=1e-5)
        assert gradient.any()
