"""What the Transformer and the Conformer blocks share."""

import math
from typing import Any

import keras
from keras import activations, ops

from ..attention.projected_attention import ProjectedAttention
from ..checks import check_mask, check_positive, refuse_call_arguments
from ..initialization import InitializedParts
from ..registry import MECHANISMS, get
from ..serialization import QuantizedParts
from ..types import Activation, Config, Shape, Tensor
from .layer_scale import LayerScale
from .stochastic_depth import StochasticDepth


class AttentionBlock(InitializedParts, QuantizedParts, keras.layers.Layer):
    """A block around any mechanism: the form of its sublayers, the masks and the config."""

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        attention: str | keras.layers.Layer = "multi_head",
        activation: Activation = "gelu",
        dropout: float = 0.0,
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        check_positive(num_heads=num_heads, mlp_dim=mlp_dim)
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.attention = attention
        self.activation = activations.get(activation)
        self.dropout = dropout
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self.remat = remat

    def _make_attention(self, attention, query_shape, value_shape, name):
        """The layer itself, or the mechanism of that name, sized for this block; built."""
        if isinstance(attention, str):
            options = {"dropout": self.dropout, "seed": self.seed, "dtype": self.dtype_policy}
            known = MECHANISMS.get(attention)
            if known and issubclass(known.layer, (InitializedParts, ProjectedAttention)):
                options.update(self._initialization())
            dim = query_shape[-1]
            attention = get(attention, dim=dim, num_heads=self.num_heads, name=name, **options)
        if not attention.built:
            attention.build(query_shape, value_shape)
        output_shape = attention.compute_output_shape(query_shape, value_shape)
        if output_shape[-1] != query_shape[-1]:
            raise ValueError(
                f"The output of {name} must be as wide as its query to be added to it. Received: "
                f"query of shape {query_shape}, output of shape {output_shape}; "
                f"{type(attention).__name__} may need values of another size."
            )
        return attention

    def _make_norm(self, shape, name):
        norm = keras.layers.LayerNormalization(
            epsilon=self.norm_epsilon, dtype=self.dtype_policy, name=name
        )
        norm.build(shape)
        return norm

    def _make_dense(self, units, shape, name, activation=None):
        if activation is activations.gelu and keras.backend.backend() == "tensorflow":
            activation = _gelu
        options = {"dtype": self.dtype_policy, "name": name, **self._initialization()}
        dense = keras.layers.Dense(units, activation=activation, **options)
        dense.build(shape)
        return dense

    def _make_dropout(self):
        return keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="residual_dropout"
        )

    def _self_attend(self, x, mask, return_attention_scores, training):
        """Output, and weights or `None`; `mask` is `(B, T)`, or `(B, T, T)`, query by key."""
        if mask is not None and len(mask.shape) == 2:
            masks = {"query_mask": mask, "value_mask": mask}
        else:
            masks = {"attention_mask": mask}
        if return_attention_scores:
            masks["return_attention_scores"] = True
        results = self.self_attention(x, x, training=training, **masks)
        return results if return_attention_scores else (results, None)

    def _check_mask(self, x_shape, mask, key_length=None):
        """Checks a mask over positions, or of query by key; `key_length` is that of a cache."""
        batch, length, _ = x_shape
        key_length = length if key_length is None else key_length
        if mask is None or len(mask.shape) < 3:
            check_mask(self, "mask", mask, batch=batch, length=key_length)
            return
        heads = {"heads": self.num_heads} if len(mask.shape) == 4 else {}
        axes = {"batch": batch, **heads, "query_length": length, "key_length": key_length}
        check_mask(self, "mask", mask, broadcasts=True, **axes)

    def compute_mask(self, x: Tensor, previous_mask: Any) -> Any:
        # A mask of query by key, or over a cache, is none over the positions of the output.
        if previous_mask is None or tuple(previous_mask.shape) != tuple(x.shape[:2]):
            return None
        return previous_mask

    def compute_output_shape(self, x_shape: Shape, *args: Any) -> tuple:
        return x_shape

    def compute_output_spec(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_mask(x.shape, mask)
        output = keras.KerasTensor(x.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        _, weights = self.self_attention.compute_output_spec(x, x, return_attention_scores=True)
        return output, weights

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "attention": serialize_attention(self.attention),
            "activation": activations.serialize(self.activation),
            "dropout": self.dropout,
            "norm_epsilon": self.norm_epsilon,
            "seed": self.seed,
            "remat": self.remat,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        for name in ("attention", "cross_attention"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


class TransformerBlock(AttentionBlock):
    """What the encoder and the decoder block share: the perceptron and the residual path."""

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        attention: str | keras.layers.Layer = "multi_head",
        norm_first: bool = True,
        activation: Activation = "gelu",
        dropout: float = 0.0,
        layer_scale: float | None = None,
        stochastic_depth: float = 0.0,
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_heads,
            mlp_dim,
            attention=attention,
            activation=activation,
            dropout=dropout,
            norm_epsilon=norm_epsilon,
            seed=seed,
            remat=remat,
            **kwargs,
        )
        self.norm_first = norm_first
        self.layer_scale = layer_scale
        self.stochastic_depth = stochastic_depth
        self.depth = StochasticDepth(
            stochastic_depth, seed=seed, dtype=self.dtype_policy, name="stochastic_depth"
        )

    def _make_scale(self, shape, name):
        if self.layer_scale is None:
            return None
        scale = LayerScale(self.layer_scale, dtype=self.dtype_policy, name=name)
        scale.build(shape)
        return scale

    def _build_mlp(self, shape):
        self.mlp_norm = self._make_norm(shape, "mlp_norm")
        self.mlp_hidden = self._make_dense(self.mlp_dim, shape, "mlp_hidden", self.activation)
        hidden_shape = (*shape[:-1], self.mlp_dim)
        self.mlp_output = self._make_dense(shape[-1], hidden_shape, "mlp_output")
        self.mlp_scale = self._make_scale(shape, "mlp_scale")
        self.residual_dropout = self._make_dropout()

    def _add(self, x, branch, scale, norm, training):
        """Adds a branch to the residual path, and normalizes the sum unless `norm_first`."""
        branch = self.residual_dropout(branch, training=training)
        branch = branch if scale is None else scale(branch)
        x = x + self.depth(branch, training=training)
        return x if self.norm_first else norm(x)

    def _mlp(self, x, training):
        hidden = self.mlp_hidden(self.mlp_norm(x) if self.norm_first else x)
        hidden = self.residual_dropout(hidden, training=training)
        return self._add(x, self.mlp_output(hidden), self.mlp_scale, self.mlp_norm, training)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "norm_first": self.norm_first,
            "layer_scale": self.layer_scale,
            "stochastic_depth": self.stochastic_depth,
        }


@ops.custom_gradient
def _gelu(x):
    """GELU by erf in float32, with its gradient in the precision of `x`.

    TensorFlow's own has no form in ONNX, and in half precision takes erfc, which is three times as
    slow.
    """
    share = 0.5 * (1.0 + ops.erf(ops.cast(x, "float32") * 0.5**0.5))
    share = ops.cast(share, x.dtype)

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        density = ops.exp(x * x * -0.5) * (2 * math.pi) ** -0.5
        return upstream * (share + x * density)

    return x * share, gradient


def serialize_attention(attention: str | keras.layers.Layer) -> Any:
    """The name of a mechanism, or the configuration of a layer."""
    if isinstance(attention, str):
        return attention
    return keras.saving.serialize_keras_object(attention)
