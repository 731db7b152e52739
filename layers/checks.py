"""Checks of shapes and arguments, each with the one message it fails with.

Sizes are compared where both are numbers: of symbolic ones nothing is known until they run.
"""

import inspect
from typing import Any

import keras
from keras import ops

from .functional.masking import refuse_additive


def check_ranks(layer, **shapes):
    """Raises a `ValueError` unless every shape, given by the name of its argument, has rank 3."""
    for name, shape in shapes.items():
        if shape is not None and len(shape) != 3:
            raise ValueError(
                f"{type(layer).__name__} takes sequences: `{name}` must have rank 3 "
                f"(batch, length, features). Received: {name} of shape {tuple(shape)}"
            )


def check_batches(layer, **shapes):
    """Raises a `ValueError` unless all shapes, by the names of their arguments, have one batch."""
    shapes = {name: tuple(shape) for name, shape in shapes.items() if shape is not None}
    (first, shape), *others = shapes.items()
    for name, other in others:
        if _differ(shape[0], other[0]):
            raise ValueError(
                f"{type(layer).__name__} takes one batch: `{first}` and `{name}` must have as many "
                f"examples. Received: {first} of shape {shape}, {name} of shape {other}"
            )


def check_lengths(layer, **shapes):
    """Raises a `ValueError` unless both shapes, by the names of their arguments, are as long."""
    (one, shape), (other, another) = shapes.items()
    if _differ(shape[1], another[1]):
        raise ValueError(
            f"`{one}` and `{other}` of {type(layer).__name__} must have the same length. Received: "
            f"{one} of shape {tuple(shape)}, {other} of shape {tuple(another)}"
        )


def check_shares(layer, memory, **shapes):
    """Raises a `ValueError` unless the batch of a shape is a multiple of that of `memory`."""
    ((name, shape),) = shapes.items()
    rows, examples = shape[0], memory[0]
    if isinstance(rows, int) and isinstance(examples, int) and examples and rows % examples:
        raise ValueError(
            f"{type(layer).__name__}: the batch of `{name}` must be that of `memory`, or a "
            f"multiple of it. Received: {name} of shape {tuple(shape)}, memory of shape "
            f"{tuple(memory)}"
        )


def check_mask(layer, name, mask, broadcasts=False, **axes):
    """Raises a `ValueError` unless `mask` is `None` or one over these axes, see `check_axes`."""
    if mask is not None:
        mask = mask if hasattr(mask, "shape") else ops.convert_to_tensor(mask)
        refuse_additive(mask, name)
        check_axes(layer, name, mask.shape, broadcasts, **axes)


def check_axes(layer, name, shape, broadcasts=False, **axes):
    """Raises a `ValueError` unless a shape has these sizes.

    Args:
        layer: Whose argument it is of.
        name: Of the argument.
        shape: Its shape.
        broadcasts: Whether an axis may have size 1, and the first ones may be left out.
        **axes: The sizes, by what they are: `batch=2, key_length=7`.
    """
    shape, sizes = tuple(shape), list(axes.values())
    fits = len(shape) <= len(sizes) if broadcasts else len(shape) == len(sizes)
    pairs = zip(reversed(shape), reversed(sizes), strict=False)
    if fits and not any(_differ(*pair) and not (broadcasts and pair[0] == 1) for pair in pairs):
        return
    names = ", ".join(axis.replace("_", " ") for axis in axes)
    raise ValueError(
        f"`{name}` of {type(layer).__name__} must {'broadcast to' if broadcasts else 'have'} shape "
        f"({names}) = {_readable(sizes)}. Received: {name} of shape {_readable(shape)}"
    )


def check_memory(layer, tokens, memory, memory_mask):
    """Raises a `ValueError` unless tokens, the memory they ask and its mask belong together."""
    check_shares(layer, memory.shape, tokens=tokens.shape)
    examples, length = memory.shape[:2]
    check_mask(layer, "memory_mask", memory_mask, batch=examples, memory_length=length)


def check_cell(cell):
    """Raises a `ValueError` unless `cell` is one, with what to pass in place of what is close."""
    if isinstance(cell, keras.layers.RNN):
        name = type(cell).__name__
        known = hasattr(keras.layers, f"{name}Cell")
        wanted = f"keras.layers.{name}Cell({cell.units})" if known else "its `cell`"
        raise ValueError(
            f"`cell` computes one step, and {name} is the loop over all of them: pass {wanted}."
        )
    if isinstance(cell, (list, tuple)):
        raise ValueError("`cell` must be one cell: pass keras.layers.StackedRNNCells(cells).")
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "`cell` must be a Keras RNN cell, such as keras.layers.LSTMCell(512). Received: "
            f"cell={cell!r}"
        )


def check_single_head(attention):
    """Raises a `ValueError` unless `attention` is a layer of ours without an axis for heads."""
    if not hasattr(attention, "project_memory") or attention.num_heads is not None:
        raise ValueError(
            "`attention` must be a single-head attention layer of this package, such as "
            "AdditiveAttention(256) or LuongAttention('general'). Received: "
            f"attention={attention!r}"
        )


def check_keys(layer, inputs, *names):
    """Raises a `ValueError` unless `inputs` is a dict with these keys."""
    if isinstance(inputs, dict) and inputs.keys() >= set(names):
        return
    found = f"a {type(inputs).__name__}"
    if isinstance(inputs, dict):
        found = f"the keys {', '.join(f'`{key}`' for key in inputs)}" if inputs else "an empty dict"
    raise ValueError(
        f"{type(layer).__name__} takes a dict with the keys "
        f"{', '.join(f'`{name}`' for name in names)}. Received: {found}"
    )


def refuse_call_arguments(layer, options):
    """Raises a `TypeError` if one of `options`, of the constructor, is an argument of `call`."""
    for name in inspect.signature(layer.call).parameters.keys() & options:
        raise TypeError(
            f"`{name}` is a call argument, not one of the constructor of {type(layer).__name__}: "
            f"layer(..., {name}=...)"
        )


def check_positive(**sizes):
    """Raises a `ValueError` unless all of these, by the names of their arguments, count things."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size <= 0:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={size}")


class SeparateTensors:
    """A layer of several tensors, which are arguments of their own, not a list as in Keras 2."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], (list, tuple)):
            names = list(inspect.signature(self.call).parameters)[: max(len(args[0]), 2)]
            raise ValueError(
                f"{type(self).__name__} takes its tensors as arguments of their own, not as a "
                f"list: layer({', '.join(names)})"
            )
        return super().__call__(*args, **kwargs)


def _differ(one, other):
    return isinstance(one, int) and isinstance(other, int) and one != other


def _readable(sizes):
    """As a tuple of numbers, with `None` for what is not one."""
    return tuple(size if isinstance(size, int) else None for size in sizes)
