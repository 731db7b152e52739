"""The weights of a Keras layer as a table of floats, quantized or not."""

from keras import ops


def kernel_of(dense):
    """The kernel of a `Dense` without bias, `(D, units)`.

    Of a quantized layer `kernel` holds integers without their scale: what the layer makes of unit
    vectors is the kernel in floats.
    """
    if dense.quantization_mode is None:
        return dense.kernel
    return dense(ops.eye(dense.input_spec.axes[-1], dtype=dense.compute_dtype))


def embeddings_of(embedding):
    """The table of an `Embedding`, `(V, D)`, in its compute dtype."""
    if embedding.quantization_mode is None:
        table = ops.convert_to_tensor(embedding.embeddings)
    else:
        table = embedding(ops.arange(embedding.input_dim, dtype="int32"))
    return ops.cast(table, embedding.compute_dtype)
