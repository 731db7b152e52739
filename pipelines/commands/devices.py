"""Where a command computes, and a start without the lines of the backends."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Literal

from pipelines.commands.errors import UserError


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps the start-up lines of TensorFlow and JAX off the terminal.

    The backend is to be imported inside. Its libraries write to file descriptor 2 before any of
    their settings is read, so the descriptor points to a file meanwhile; what was caught is shown
    if the import fails. Later messages, short of exceptions, are silenced by the libraries' own
    settings, unless `TF_CPP_MIN_LOG_LEVEL` is set already.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    failed = False
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except Exception as error:
            failed = not isinstance(error, UserError)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            if failed:
                caught.seek(0)
                os.write(2, caught.read())
    # After the import, because absl must be the one to make its logger.
    for name in ("absl", "tensorflow", "jax._src.xla_bridge"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(absl|jax|keras|keras_hub|tensorflow|torch)\b")


def start(device: Literal["cpu", "gpu", "auto"], op_threads: int | None = None) -> None:
    """Chooses the device, and imports TensorFlow and Keras without their start-up lines.

    What stands on them is to be imported after it.

    Args:
        device: As for `select_device`.
        op_threads: As for `select_device`.

    Raises:
        UserError: It is "gpu", and there is none.
    """
    select_device(device, op_threads)
    with quiet_start():
        import tensorflow  # noqa: F401, I001  It reads the data, whatever computes.

        import keras  # noqa: F401
    if device == "gpu":
        require_gpu()


def select_device(device: Literal["cpu", "gpu", "auto"], op_threads: int | None = None) -> None:
    """Shows or hides the GPUs, and shares out the cores. To be called before a backend is imported.

    Args:
        device: "cpu" hides every GPU; "gpu" and "auto" leave them as they are. After the import,
            `require_gpu` makes sure of "gpu".
        op_threads: Cores that share one operation of TensorFlow; `None` for all.
    """
    if op_threads is not None:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(op_threads))
    # TensorFlow also reads the data when another backend computes: it must leave it the memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"


def require_gpu() -> None:
    """Makes sure that the Keras backend in use computes on a GPU.

    Raises:
        UserError: If it finds none.
    """
    import keras

    backend = keras.backend.backend()
    if not _GPU_FOUND[backend]():
        raise UserError(
            f"--device gpu: the {backend} backend finds no GPU; `make setup GPU=1` installs the "
            "CUDA builds, and `--device cpu` runs without"
        )


def _tensorflow_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _jax_gpu() -> bool:
    import jax

    return jax.default_backend() == "gpu"


def _torch_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


_GPU_FOUND = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}
