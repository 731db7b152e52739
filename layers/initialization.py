"""The initializers and regularizers of the projections inside a layer."""

from typing import Any

import keras
from keras import initializers, regularizers

from .types import Config, Initializer, Regularizer


class InitializedParts:
    """A layer that takes initializers and regularizers for the dense layers it is made of.

    Args:
        kernel_initializer, bias_initializer: Of each projection.
        kernel_regularizer, bias_regularizer: Of each projection.
        **kwargs: Of the class that follows.
    """

    def __init__(
        self,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # A name stays one: the initializer made of it would draw its seed here already.
        self.kernel_initializer = _unless_named(kernel_initializer, initializers.get)
        self.bias_initializer = _unless_named(bias_initializer, initializers.get)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def _initialization(self):
        """The arguments of one projection, whose initializers are its own."""
        return {
            "kernel_initializer": _own(self.kernel_initializer),
            "bias_initializer": _own(self.bias_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
        }

    def _dense(self, units, name, input_shape, use_bias=False):
        """One of its projections, of this layer's dtype, built."""
        dense = keras.layers.Dense(
            units,
            use_bias=use_bias,
            dtype=self.dtype_policy,
            name=name,
            **self._initialization(),
        )
        dense.build(input_shape)
        return dense

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_initializer": _unless_named(self.kernel_initializer, initializers.serialize),
            "bias_initializer": _unless_named(self.bias_initializer, initializers.serialize),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


def _unless_named(initializer, function):
    return initializer if isinstance(initializer, str) else function(initializer)


def _own(initializer):
    """Another one of the same kind: one for all would give them all the same values."""
    if not isinstance(initializer, initializers.Initializer):
        return initializer
    return initializer.__class__.from_config(initializer.get_config())
