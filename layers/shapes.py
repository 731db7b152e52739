"""The one check of ranks, and its one message."""


def check_ranks(layer, **shapes):
    """Raises a `ValueError` unless every shape, given by the name of its argument, has rank 3."""
    for name, shape in shapes.items():
        if shape is not None and len(shape) != 3:
            raise ValueError(
                f"{type(layer).__name__} takes sequences: `{name}` must have rank 3 "
                f"(batch, length, features). Received: {name} of shape {tuple(shape)}"
            )
