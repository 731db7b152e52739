"""Less memory for more time: activations that the backward pass computes again."""

from pipelines.commands.errors import UserError


def turn_on(model):
    """Has all blocks of a model compute their activations again in the backward pass.

    A block is a layer whose `call` looks at its attribute `remat`, as Transformer and Conformer
    blocks do. Networks made of blocks have the attribute too, for their configuration.

    Raises:
        UserError: The model has no such blocks.
    """
    parts = [layer for layer in model._flatten_layers() if hasattr(layer, "remat")]
    if not any(getattr(layer.call, "rematerialized", False) for layer in parts):
        raise UserError(
            "--remat computes the activations of Transformer and Conformer blocks again, and this "
            "model has none"
        )
    for layer in parts:
        layer.remat = True
