"""Where the weights of a model may be cut, so that several devices hold one copy of it."""

import re
from typing import Any

import keras

from .types import Shape

MODEL = "model"
"""The axis of a device mesh along which weights are shared out."""

# Of the path of a variable, with how many axes, the axes to cut: the first that the devices divide.
# The first rule that fits counts. What a layer widens is cut along its outputs, and what narrows it
# again along its inputs: between the two, each device needs no other.
_RULES = (
    (r"(.*/)?(\w*_)?output(_projection)?/kernel", (2, 3), (0,)),
    (r".*_projection/kernel", (3,), (1,)),  # The heads.
    (r"(.*/)?(recurrent_)?kernel", (2,), (1, 0)),
    (r"(.*/)?\w*embeddings", (2,), (1, 0)),
)


def sharded_axes(path: str, shape: Shape, devices: int) -> tuple[str | None, ...]:
    """Which axis of a variable to share out over the devices of a mesh.

    Embeddings, attention projections, feed-forward and recurrent layers are cut, as far as the
    devices divide them; whatever else there is, such as biases, gains and convolutions, each device
    has whole.

    Args:
        path: The variable's `path`.
        shape: Its shape.
        devices: How many share one copy of the model.

    Returns:
        For each of its axes "model" or `None`, as `keras.distribution.TensorLayout` takes them.

    Example:
    >>> sharded_axes("block_0/self_attention/query_projection/kernel", (128, 4, 32), 2)
    (None, 'model', None)
    >>> sharded_axes("block_0/mlp_norm/gamma", (128,), 2)
    (None,)

    Reference:
        [Shoeybi et al., 2019](https://arxiv.org/abs/1909.08053)
    """
    rules = (rule for rule in _RULES if len(shape) in rule[1] and re.fullmatch(rule[0], path))
    *_, axes = next(rules, ((),))
    cut = next((axis for axis in axes if shape[axis] % devices == 0), None)
    return tuple(MODEL if axis == cut else None for axis in range(len(shape)))


def layout_map(model: Any, device_mesh: Any) -> Any:
    """The layouts of a built model's variables, for `keras.distribution.ModelParallel`.

    Args:
        model: Any model or layer, built.
        device_mesh: A `keras.distribution.DeviceMesh` with an axis "model".

    Returns:
        A `keras.distribution.LayoutMap` with the variables that are shared out; all others are on
        every device whole.
    """
    devices = device_mesh.shape[device_mesh.axis_names.index(MODEL)]
    found = keras.distribution.LayoutMap(device_mesh)
    for variable in model.variables:
        axes = sharded_axes(variable.path, variable.shape, devices)
        if MODEL in axes:
            found[variable.path] = axes
    return found


class ModelParallel(keras.distribution.ModelParallel):
    """Keras's model parallelism with a layout for each variable by `sharded_axes`.

    It needs no model, so that it can be set before one is built, whose variables are then created
    in parts.

    Args:
        device_mesh: A `keras.distribution.DeviceMesh` with the axes "batch" and "model".
        **kwargs: Of `keras.distribution.ModelParallel`.

    Example:
    ```python
    mesh = keras.distribution.DeviceMesh((2, 4), ["batch", "model"])
    keras.distribution.set_distribution(layers.ModelParallel(mesh))
    ```
    """

    def __init__(self, device_mesh: Any, **kwargs: Any):
        empty = keras.distribution.LayoutMap(device_mesh)
        super().__init__(layout_map=empty, **kwargs)
        self._devices = device_mesh.shape[device_mesh.axis_names.index(MODEL)]

    def get_variable_layout(self, variable: Any) -> Any:
        axes = sharded_axes(variable.path, variable.shape, self._devices)
        return keras.distribution.TensorLayout(axes, self.device_mesh)
