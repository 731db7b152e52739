"""The projections of the multi-head family, in the order and form in which Keras holds them."""

import math
from typing import Any

from keras import constraints, initializers, ops, regularizers
from keras.layers import EinsumDense

from ..checks import check_positive
from ..types import Config, Constraint, Initializer, Regularizer, Tensor
from .attention_layer import AttentionLayer


class _Projection(EinsumDense):
    """An `EinsumDense` of three or four axes, computed as one product of two matrices.

    On TensorFlow the equation becomes a product for each example, and its gradient a kernel for
    each example, then summed: for short sequences on a CPU that takes up to 1.7 times as long.
    """

    def call(self, inputs, training=None):
        kernel = ops.convert_to_tensor(self.kernel)
        summed = len(inputs.shape) - 2
        size = math.prod(kernel.shape[:summed])
        rows = ops.reshape(inputs, (-1, size))
        outputs = ops.matmul(rows, ops.reshape(kernel, (size, -1)))
        outputs = ops.reshape(outputs, (-1, ops.shape(inputs)[1], *kernel.shape[summed:]))
        return outputs if self.bias is None else outputs + self.bias

    def quantize(self, mode=None, type_check=True, config=None):
        # Keras refuses subclasses, whose `call` may be another function; this one is the same.
        super().quantize(mode, type_check=False, config=config)


def _also(name):
    """The same sublayer under the name that Keras has for it.

    Where its weights are not under one of them in a file, `load_weights` takes those of another.
    """

    def sublayer(self) -> EinsumDense:
        return getattr(self, name)

    return property(sublayer)


def _heads_first(x):
    """`(B, S, N, H)` to `(B, N, S, H)`."""
    if x.shape[2] == 1:  # tf2onnx 1.17 writes the transpose of a single head as a wrong reshape.
        return ops.expand_dims(ops.squeeze(x, axis=2), axis=1)
    return ops.swapaxes(x, 1, 2)


class ProjectedAttention(AttentionLayer):
    """Heads with projections of query, key, value and output; a subclass is what lies between.

    Weights are those of `keras.layers.MultiHeadAttention` and, with `num_kv_heads`, those of
    `keras.layers.GroupQueryAttention`: `set_weights` takes their `get_weights()` as they are, and
    `load_weights` a `.weights.h5` file that they saved. `model.quantize("int8")` quantizes the
    projections as theirs.

    Args:
        num_heads: N, the number of query heads.
        key_dim: H, the size of a query and key head.
        value_dim: Size of a value head; `key_dim` if `None`.
        num_kv_heads: Number of key and value heads, a divisor of `num_heads`; `num_heads` if
            `None`.
            Each serves `num_heads // num_kv_heads` consecutive query heads.
        output_dim: Size of the output; that of the query if `None`.
        use_bias: Whether the projections add a bias.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        activity_regularizer, kernel_constraint, bias_constraint: of each projection.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        num_kv_heads: int | None = None,
        output_dim: int | None = None,
        use_bias: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        sizes = {"num_heads": num_heads, "key_dim": key_dim}
        optional = {"value_dim": value_dim, "num_kv_heads": num_kv_heads, "output_dim": output_dim}
        sizes.update({name: size for name, size in optional.items() if size is not None})
        check_positive(**sizes)
        if num_kv_heads is not None and num_heads % num_kv_heads:
            raise ValueError(
                "`num_kv_heads` must divide `num_heads`. "
                f"Received: num_heads={num_heads}, num_kv_heads={num_kv_heads}"
            )
        super().__init__(dropout=dropout, seed=seed, **kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.num_kv_heads = num_kv_heads
        self.output_dim = output_dim
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    query_dense = _query_dense = _also("query_projection")
    key_dense = _key_dense = _also("key_projection")
    value_dense = _value_dense = _also("value_projection")
    output_dense = _output_dense = _also("output_projection")
    _dropout_layer = _also("weights_dropout")

    def _build_projections(self, query_shape, value_shape, key_shape):
        kv_heads = self.num_kv_heads or self.num_heads
        value_dim = self.value_dim or self.key_dim
        output_dim = self._output_dim(query_shape, value_shape)

        def heads(number, size, name, input_shape):
            return self._dense("btd,dnh->btnh", (None, number, size), "nh", name, input_shape)

        self.query_projection = heads(self.num_heads, self.key_dim, "query_projection", query_shape)
        self.key_projection = heads(kv_heads, self.key_dim, "key_projection", key_shape)
        self.value_projection = heads(kv_heads, value_dim, "value_projection", value_shape)
        context_shape = (*query_shape[:2], self.num_heads, value_dim)
        self.output_projection = self._dense(
            "btnh,nhd->btd", (None, output_dim), "d", "output_projection", context_shape
        )

    def _dense(self, equation, output_shape, bias_axes, name, input_shape):
        def own(initializer):
            # A shared initializer instance would give every projection the same values.
            return initializer.__class__.from_config(initializer.get_config())

        dense = _Projection(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self.use_bias else None,
            kernel_initializer=own(self.kernel_initializer),
            bias_initializer=own(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype_policy,
            name=name,
        )
        dense.supports_masking = True  # Else Keras warns that it destroys the mask.
        dense.build(input_shape)
        return dense

    def project_memory(self, value: Tensor, key: Tensor | None = None) -> Any:
        """Keys `(B, N_kv, S, H)` and values `(B, N_kv, S, H_v)`."""
        keys = self.key_projection(value if key is None else key)
        return _heads_first(keys), _heads_first(self.value_projection(value))

    def _output_dim(self, query_shape, value_shape):
        return self.output_dim or query_shape[-1]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "num_kv_heads": self.num_kv_heads,
            "output_dim": self.output_dim,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
