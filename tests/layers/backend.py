"""What differs between Keras backends, in one place, for the tests of layers."""

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()


def to_numpy(value):
    """Returns tensors (nested or not) as NumPy arrays, half precision as float32."""

    def convert(tensor):
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)):
            tensor = ops.cast(tensor, "float32")
        return np.asarray(ops.convert_to_numpy(tensor))

    return keras.tree.map_structure(convert, value)


def gradients(loss, variables):
    """Returns d loss() / d variable as NumPy arrays; zeros where loss does not use one."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        found = tape.gradient(value, [variable.value for variable in variables])
    elif BACKEND == "jax":
        import jax

        def stateless(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss()

        found = jax.grad(stateless)([variable.value for variable in variables])
    else:
        import torch

        tensors = [variable.value for variable in variables]
        found = torch.autograd.grad(loss(), tensors, allow_unused=True)
    return [
        np.zeros(variable.shape, "float32") if gradient is None else to_numpy(gradient)
        for variable, gradient in zip(variables, found, strict=True)
    ]


def compiled_with_xla(function):
    """Returns `function` compiled by XLA; skips the test on a backend without it."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return pytest.skip("the PyTorch backend has no XLA")


def seed_states(layer):
    """Returns the seed-generator states among the layer's variables."""
    weights = {id(weight) for weight in layer.weights}
    return [variable for variable in layer.variables if id(variable) not in weights]


def randomise(layer, seed=0, scale=0.5):
    """Sets every weight, biases included, to random numbers that are equal on all backends."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, scale, weight.shape) for weight in layer.weights])
    return layer


class _MaskProbe(keras.layers.Layer):
    """Returns the mask that arrives with its input, which Keras offers no function for."""

    supports_masking = True

    def call(self, inputs, mask=None):
        return ops.zeros((0,)) if mask is None else mask


def implicit_mask(tensor):
    """Returns the Keras mask that `tensor` carries as a NumPy array, or None."""
    mask = to_numpy(_MaskProbe(dtype="float32")(tensor))
    return None if mask.shape == (0,) else mask
