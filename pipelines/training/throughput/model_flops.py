"""The floating-point operations that a model asks for, counted in its own matrix products."""

import math
from collections.abc import Callable

import keras

BACKWARD = 2  # For each product of the forward pass there is one for either factor's gradient.


def training_flops(model: keras.Model, inputs) -> int | None:
    """Counts the operations of a training step on one batch, as for model FLOPs utilization.

    The matrix products and convolutions of the forward pass, an addition and a multiplication for
    each term, and twice as many in the backward pass. What is not asked for by the model is left
    out, as in PaLM's appendix B: what is computed again under `remat`, lookups in tables, sums
    along the way, norms, activations and the optimizer. Causal attention counts in full, as there.

    Args:
        model: Built; all weights of its products are trained.
        inputs: A batch of its inputs, nested NumPy arrays or tensors.

    Returns:
        The count; `None` if it is not known: of a model with frozen weights, whose gradients are
        not all computed, and of loops that run until something holds, as TensorFlow's recurrent
        layers.

    Reference:
        [Chowdhery et al., 2022](https://arxiv.org/abs/2204.02311), appendix B
    """
    if any(variable.name == "kernel" for variable in model.non_trainable_variables):
        return None
    count = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    forward = count(model, inputs)
    return None if forward is None else (1 + BACKWARD) * forward


def _jax(model, inputs):
    import jax

    def spec(tensor):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        return jax.ShapeDtypeStruct(tuple(tensor.shape), dtype)

    def forward(trained, others, inputs):
        return model.stateless_call(trained, others, inputs, training=True)[0]

    variables = model.trainable_variables, model.non_trainable_variables
    specs = keras.tree.map_structure(spec, (*variables, inputs))
    return _of_jaxpr(jax.make_jaxpr(forward)(*specs).jaxpr)


def _of_jaxpr(jaxpr):
    counts = []
    for equation in jaxpr.eqns:
        name, parameters = equation.primitive.name, equation.params
        shapes = [getattr(each.aval, "shape", ()) for each in equation.invars]
        results = [getattr(each.aval, "shape", ()) for each in equation.outvars]
        if name == "dot_general":
            (contracted, _), _ = parameters["dimension_numbers"]
            counts.append(_product(results[0], [shapes[0][axis] for axis in contracted]))
        elif name == "conv_general_dilated":
            out = parameters["dimension_numbers"].rhs_spec[0]
            kernel = [size for axis, size in enumerate(shapes[1]) if axis != out]
            counts.append(_product(results[0], kernel))
        elif name.startswith("dot_product_attention"):  # The fused kernel, (B, T, N, H).
            batch, length, heads, size = shapes[0]
            counts.append(2 * _product((batch, heads, length, shapes[1][1]), [size]))
        else:
            inner = [_of_jaxpr(each) for each in _jaxprs(parameters)]
            if name == "while" and any(each != 0 for each in inner):
                return None
            times = parameters["length"] if name == "scan" else 1
            if None in inner:
                return None
            # One branch is taken; all else is computed in full.
            counts.append(max(inner, default=0) if name == "cond" else times * sum(inner))
    return None if None in counts else sum(counts)


def _jaxprs(parameters):
    for value in parameters.values():
        for each in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(each, "jaxpr", each)
            if hasattr(inner, "eqns"):
                yield inner


def _tensorflow(model, inputs):
    import tensorflow as tf

    def forward(*tensors):
        # Nothing that is traced here stays with the model.
        with keras.StatelessScope():
            return model(keras.tree.pack_sequence_as(inputs, tensors), training=True)

    specs = [tf.TensorSpec(each.shape, each.dtype) for each in keras.tree.flatten(inputs)]
    operations = tf.function(forward).get_concrete_function(*specs).graph.get_operations()
    counts = [_OPERATIONS[op.type](op) for op in operations if op.type in _OPERATIONS]
    return None if None in counts else sum(counts)


def _matmul(transposed):
    def count(op):
        first = op.inputs[0].shape
        return _product(op.outputs[0].shape, [first[-2 if op.get_attr(transposed) else -1]])

    return count


def _einsum(op):
    equation = op.get_attr("equation").decode()
    terms, result = equation.split("->")
    sizes = {}
    for term, tensor in zip(terms.split(","), op.inputs, strict=True):
        shape = list(tensor.shape)
        before, _, after = term.partition("...")
        sizes |= zip(before, shape, strict=False)
        sizes |= zip(after[::-1], shape[::-1], strict=False)
    summed = [size for label, size in sizes.items() if label not in result]
    return _product(op.outputs[0].shape, summed) if len(op.inputs) > 1 else 0


def _convolution(op):
    return _product(op.outputs[0].shape, op.inputs[1].shape[:-1])


def _depthwise(op):
    return _product(op.outputs[0].shape, op.inputs[1].shape[:2])


def _unknown(op):
    return None


_LOOPS = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "CudnnRNNV2", "CudnnRNNV3")
_OPERATIONS: dict[str, Callable] = {
    "MatMul": _matmul("transpose_a"),
    "BatchMatMulV2": _matmul("adj_x"),
    "BatchMatMulV3": _matmul("adj_x"),
    "Einsum": _einsum,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    **dict.fromkeys((*_LOOPS, *_CALLS), _unknown),
}


def _torch(model, inputs):
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query, key, value, *args, **kwargs):
        return sdpa_flop_count(query, key, value)

    # It knows the fused attention of GPUs, and not that of CPUs.
    of_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    counter = FlopCounterMode(display=False, custom_mapping={of_cpu: attention})
    with torch.no_grad(), keras.StatelessScope(), counter:
        model(inputs, training=True)
    return counter.get_total_flops()


def _product(results, summed):
    """Additions and multiplications of a product: for each result a sum over so many terms."""
    sizes = [*results, *summed]
    return None if None in sizes else 2 * math.prod(sizes)
