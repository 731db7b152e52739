"""What the annotations of this package call things.

What a layer returns is a tensor of the backend in use, or a tuple of such, which no type of Keras
names: those annotations are `Any`.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias


class Tensor(Protocol):
    """A tensor of the backend, a NumPy array, or a symbolic tensor of Keras."""

    @property
    def shape(self) -> Any:
        """Its sizes."""

    @property
    def dtype(self) -> Any:
        """The type of its numbers."""


Shape: TypeAlias = Sequence[int | None]
"""Sizes, `None` for one that is not known yet."""

Config: TypeAlias = dict[str, Any]
"""What `get_config` returns, ready for JSON."""

Activation: TypeAlias = Any
"""A name of `keras.activations`, or a function."""

Initializer: TypeAlias = Any
"""A name of `keras.initializers`, an `Initializer`, or a function."""

Regularizer: TypeAlias = Any
"""A name of `keras.regularizers`, or a `Regularizer`; `None` for none."""

Constraint: TypeAlias = Any
"""A name of `keras.constraints`, or a `Constraint`; `None` for none."""
