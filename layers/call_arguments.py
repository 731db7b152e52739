"""The one message for a call argument that is given to a constructor."""

import inspect


def refuse_call_arguments(layer, options):
    """Raises a `TypeError` if one of `options`, of the constructor, is an argument of `call`."""
    for name in inspect.signature(layer.call).parameters.keys() & options:
        raise TypeError(
            f"`{name}` is a call argument, not one of the constructor of {type(layer).__name__}: "
            f"layer(..., {name}=...)"
        )
