"""A contender as something to time: a step without arguments that returns when it is done.

A forward step computes the output; a training step that and the gradients for the input and every
weight, given one for the output. All run on the CPU, where every backend but JAX's waits by itself.
"""

import numpy as np

from benchmarks import contenders


def prepare(name, backend, jit=False, precision="float32"):
    """Builds the layers of a contender once.

    Args:
        name: Of a `Contender`.
        backend: That of Keras in this process.
        jit: Whether TensorFlow compiles by XLA; JAX always does, PyTorch never.
        precision: "float32", or "bfloat16" for the computation with weights in float32.

    Returns:
        `make(length, mode)`, which returns a step for a sequence of that length.
    """
    contender = contenders.find(name)
    if contender.framework == "torch":
        module = contender.build()
        return _maker(
            contender, lambda *a: _torch_step(module, list(module.parameters()), *a, precision)
        )
    import keras

    if precision != "float32":
        keras.config.set_dtype_policy(f"mixed_{precision}")
    forward = contender.build()
    symbol = keras.Input((None, contender.dim), batch_size=1)
    weights = keras.Model(symbol, forward(symbol)).trainable_variables
    if backend == "tensorflow":
        return _maker(contender, lambda *a: _tensorflow_step(forward, weights, *a, jit))
    if backend == "jax":
        return _maker(contender, lambda *a: _jax_step(forward, weights, *a))
    # The policy of the layers sets the precision: autocast is for plain PyTorch.
    values = [weight.value for weight in weights]
    return _maker(contender, lambda *a: _torch_step(forward, values, *a, "float32"))


def _maker(contender, step):
    def make(length, mode):
        random = np.random.default_rng(0)
        x, gradient = random.standard_normal((2, 1, length, contender.dim), dtype="float32")
        return step(x, gradient if mode == "training" else None)

    return make


def _tensorflow_step(forward, weights, x, gradient, jit):
    import tensorflow as tf

    x = tf.constant(x)
    if gradient is None:
        function = tf.function(forward, jit_compile=jit)
        return lambda: function(x)
    gradient = tf.constant(gradient)

    @tf.function(jit_compile=jit)
    def gradients(x, gradient):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = forward(x)
        return tape.gradient(output, [x, *weights], tf.cast(gradient, output.dtype))

    return lambda: gradients(x, gradient)


def _jax_step(forward, weights, x, gradient):
    import jax
    import keras

    def function(values, x):
        with keras.StatelessScope(state_mapping=zip(weights, values, strict=True)):
            return forward(x)

    @jax.jit
    def gradients(values, x, gradient):
        output, pull = jax.vjp(function, values, x)
        return pull(gradient.astype(output.dtype))

    values, x = [weight.value for weight in weights], jax.numpy.asarray(x)
    if gradient is None:
        compiled = jax.jit(function)
        return lambda: jax.block_until_ready(compiled(values, x))
    gradient = jax.numpy.asarray(gradient)
    return lambda: jax.block_until_ready(gradients(values, x, gradient))


def _torch_step(forward, weights, x, gradient, precision):
    import torch

    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
    x = torch.from_numpy(x)
    if gradient is None:

        def step():
            with torch.inference_mode(), autocast:
                return forward(x)

        return step
    x.requires_grad_(True)
    gradient = torch.from_numpy(gradient)

    def step():
        with autocast:
            output = forward(x)
        return torch.autograd.grad(output, [x, *weights], gradient.to(output.dtype))

    return step
