"""Where a command computes, and a start without the lines of the backends."""

import atexit
import contextlib
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Literal

from pipelines.commands.errors import UserError

# What Keras and TensorFlow import for wrappers, plots and converters that are not used here: a
# third of the time that their import takes, for which every command waits.
UNUSED = ("sklearn", "matplotlib", "jax")
_KINDS = ("GPU", "CPU")


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps the start-up lines of TensorFlow and JAX off the terminal.

    The backend is to be imported inside. Its libraries write to file descriptor 2 before any of
    their settings is read, so the descriptor points to a file meanwhile; what was caught is shown
    if the import fails. Later messages, short of exceptions, are silenced by the libraries' own
    settings, unless `TF_CPP_MIN_LOG_LEVEL` is set already.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as caught:
        try:
            with errors_into(caught):
                yield
        except Exception as error:
            if not isinstance(error, UserError):
                caught.seek(0)
                os.write(2, caught.read())
            raise
    # After the import, because absl must be the one to make its logger.
    for name in ("absl", "tensorflow", "jax._src.xla_bridge"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(absl|jax|keras|keras_hub|tensorflow|torch)\b")


def give_libraries_a_cache() -> None:
    """Gives libraries a temporary folder for their caches where the user has none to write to.

    Without it some cannot even be imported: numba keeps what it compiles, matplotlib its fonts.
    """
    folder = Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"))
    while not folder.exists() and folder.name:
        folder = folder.parent
    if folder.is_absolute() and os.access(folder, os.W_OK):
        return
    temporary = tempfile.mkdtemp(prefix="attention-suite-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    os.environ["XDG_CACHE_HOME"] = temporary
    for variable in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        os.environ.setdefault(variable, temporary)


@contextlib.contextmanager
def errors_into(file: IO[bytes]) -> Iterator[None]:
    """Points file descriptor 2 to a file: libraries write there whatever Python does."""
    sys.stderr.flush()
    terminal = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)


@contextlib.contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Has modules that are not imported yet look as if they were not installed.

    What imports them only if they are there is then imported without them.
    """
    hidden = [name for name in names if name not in sys.modules]
    if os.environ.get("KERAS_BACKEND") not in ("tensorflow", "torch") and "jax" in hidden:
        hidden.remove("jax")  # It may be the one that computes.
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def start(
    device: Literal["cpu", "gpu", "auto"],
    op_threads: int | None = None,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Chooses the device, and imports TensorFlow and Keras without their start-up lines.

    What stands on them is to be imported after it.

    Args:
        device: As for `select_device`.
        op_threads: As for `select_device`.
        prepare: Called when Keras is imported and no device is in use yet.

    Raises:
        UserError: It is "gpu", and there is none.
    """
    select_device(device, op_threads)
    with quiet_start(), _hidden(UNUSED):
        import tensorflow  # noqa: F401, I001  It reads the data, whatever computes.

        import keras  # noqa: F401
    prepare()
    if device == "gpu":
        require_gpu()


def divide_cpu(count: int) -> None:
    """Divides the CPU into devices, to try what several do. To be called before any is used."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_num_cpu_devices", count)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, parts)


def local() -> list[str]:
    """Returns the names of the devices of this machine that the backend in use computes on."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return [f"{device.platform}:{device.id}" for device in jax.local_devices()]
    import tensorflow as tf

    names = [[each.name for each in tf.config.list_logical_devices(kind)] for kind in _KINDS]
    return next(filter(None, names))


def require_devices(count: int) -> None:
    """Makes sure that this machine has so many devices.

    Raises:
        UserError: It has fewer.
    """
    found = local()
    if len(found) < count:
        kind = "GPU" if "gpu" in found[0].lower() else "CPU"
        divided = "; --device cpu divides the CPU, to try it" if kind == "CPU" else ""
        raise UserError(
            f"--devices {count}: the machine has {len(found)} ({kind}) for this backend{divided}"
        )


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
