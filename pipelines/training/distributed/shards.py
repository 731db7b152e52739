"""The variables of a model whose parts several processes hold, on disk: a checkpoint of Orbax."""

from collections.abc import Sequence
from pathlib import Path

import keras

from pipelines.commands.errors import UserError
from pipelines.training.distributed import distribution


def save(folder: Path, variables: Sequence) -> None:
    """Writes the variables, each process its parts; all have to call it together.

    They are numbered: names that Keras makes up, by which its own callback finds them, depend on
    what a process made before.

    Args:
        folder: To be made, on a disk that all processes see.
        variables: Of a model and its optimizer, on the JAX backend.
    """
    values = [distribution.with_parts(variable.value) for variable in variables]
    with require().StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.resolve(), _numbered(values))
        checkpointer.wait_until_finished()


def assign(folder: Path, variables: Sequence) -> None:
    """Gives variables the values of a folder that `save` wrote, each process its parts.

    Args:
        folder: The folder.
        variables: As many, of the same shapes and types, shared out in whatever way.

    Raises:
        UserError: Another backend than JAX is in use.
    """
    if keras.backend.backend() != "jax":
        raise UserError(
            f"{folder.parent} was written by several processes: the JAX backend goes on from it "
            "(KERAS_BACKEND=jax), in one process too"
        )
    import jax

    wanted = [
        jax.ShapeDtypeStruct(v.shape, v.value.dtype, sharding=v.value.sharding) for v in variables
    ]
    with require().StandardCheckpointer() as checkpointer:
        values = checkpointer.restore(folder.resolve(), _numbered(wanted))
    for number, variable in enumerate(variables):
        variable.assign(values[f"{number:06}"])


def _numbered(values):
    return {f"{number:06}": value for number, value in enumerate(values)}


def require():
    """Returns Orbax.

    Raises:
        UserError: It is not installed.
    """
    try:
        import orbax.checkpoint
    except ImportError as error:
        raise UserError(
            "checkpoints of several processes need Orbax: make setup BACKEND=jax installs it"
        ) from error
    return orbax.checkpoint
