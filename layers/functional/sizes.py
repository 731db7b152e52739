"""Sizes that are no numbers yet.

A model that takes batches or sequences of any size is traced once for all of them. Such a size is a
tensor (TensorFlow) or an expression (JAX, `torch.export`): one can calculate with both, and neither
may be compared in Python.
"""

import math

import keras
from keras import ops


def known(*sizes):
    """Whether all sizes are numbers."""
    return all(isinstance(size, int) for size in sizes)


def is_expression(size):
    """Whether a size is neither a number nor a tensor."""
    return not known(size) and not ops.is_tensor(size)


def static_shape(x):
    """The shape of a tensor, with `None` for every size that is no number yet."""
    return tuple(size if known(size) else None for size in x.shape)


def is_sample(x):
    """Whether the sizes of a tensor are samples, as good as any.

    In place of unknown ones Keras on PyTorch calls a layer with 83 and 89, of tensors without data.
    """
    return keras.backend.backend() == "torch" and "meta" in str(x.device)


def product(*sizes):
    """The product of sizes: a number, or a float32 scalar, which stands for large ones as well."""
    if known(*sizes):
        return math.prod(sizes)
    sizes = [ops.cast(ops.convert_to_tensor(size), "float32") for size in sizes]
    return math.prod(sizes[1:], start=sizes[0])


def either(condition, this, that):
    """`this()` where `condition`, a boolean scalar, holds; else `that()`.

    On TensorFlow `cond` has a form in ONNX, but under XLA no gradient where shapes are unknown;
    `switch` has none in ONNX, and XLA compiles of it the one branch that the sizes call for.
    """
    if is_for_xla(condition):
        return ops.switch(ops.cast(condition, "int32"), (that, this))
    return ops.cond(condition, this, that)


def is_for_xla(tensor):
    """Whether TensorFlow is tracing this tensor in a function that XLA is to compile.

    `tests/layers/test_private_keras.py` says what to do when what is asked here moves.
    """
    graph = getattr(tensor, "graph", None)
    while graph is not None and hasattr(graph, "_get_control_flow_context"):
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False
