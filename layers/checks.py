"""Checks of shapes and arguments, each with the one message it fails with."""

import inspect


def check_ranks(layer, **shapes):
    """Raises a `ValueError` unless every shape, given by the name of its argument, has rank 3."""
    for name, shape in shapes.items():
        if shape is not None and len(shape) != 3:
            raise ValueError(
                f"{type(layer).__name__} takes sequences: `{name}` must have rank 3 "
                f"(batch, length, features). Received: {name} of shape {tuple(shape)}"
            )


def refuse_call_arguments(layer, options):
    """Raises a `TypeError` if one of `options`, of the constructor, is an argument of `call`."""
    for name in inspect.signature(layer.call).parameters.keys() & options:
        raise TypeError(
            f"`{name}` is a call argument, not one of the constructor of {type(layer).__name__}: "
            f"layer(..., {name}=...)"
        )
