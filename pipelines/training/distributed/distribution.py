"""One model on several devices: put in place before it is built, and taken away behind it."""

import contextlib
import functools

import keras
import numpy as np

from pipelines.commands import devices
from pipelines.commands.cluster import processes, scopes
from pipelines.commands.errors import UserError
from pipelines.training.distributed import replicas


def begin(config, model_parallel=None):
    """Has every model that is built from here on trained by the devices that are asked for.

    On TensorFlow each has a copy of it (`tf.distribute.MirroredStrategy`). On JAX they see a batch
    as one, which is spread over them, and so are the weights where several share a copy
    (`keras.distribution`). One device needs nothing of that.

    Args:
        config: A configuration with `pipelines.commands.options.Cluster`.
        model_parallel: Makes a `keras.distribution.ModelParallel` of a device mesh with the axes
            "batch" and "model": `layers.ModelParallel`.

    Raises:
        UserError: The devices cannot be shared out so.
    """
    if keras.backend.backend() == "tensorflow":
        if (config.devices or 1) > 1:
            import tensorflow as tf

            tf.distribute.experimental_set_strategy(_mirrored(config.devices))
        return
    if keras.backend.backend() == "jax":
        names = _devices(config.devices)
        if len(names) > 1 or config.model_parallel > 1:
            keras.distribution.set_distribution(
                _jax_distribution(names, config.model_parallel, model_parallel)
            )


def end():
    """Has every model that is built from here on live on one device of its process."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if tf.distribute.has_strategy():
            tf.distribute.experimental_set_strategy(None)
    else:
        keras.distribution.set_distribution(None)


@functools.cache  # Two strategies in one process would mix up their sums.
def _mirrored(count):
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices.local()[:count])


def _devices(count):
    """The devices of all processes, those of one side by side."""
    own = devices.local()
    if count is None:
        count = 1 if processes.alone() else len(own)
    return [name for names in processes.gather(own[:count]) for name in names]


def _jax_distribution(names, share, model_parallel):
    options = {"auto_shard_dataset": False}  # Each process opens its own rows.
    if share == 1:
        return keras.distribution.DataParallel(devices=names, **options)
    each = len(names) // processes.place().processes
    if len(names) % share or (each % share and share % each):
        raise UserError(
            f"--model-parallel {share}: there are {len(names)} devices, {each} in each process: "
            "they have to be a multiple of it, and those of a process a multiple or a part"
        )
    shape = (len(names) // share, share)
    mesh = keras.distribution.DeviceMesh(shape, ["batch", "model"], names)
    return model_parallel(mesh, **options)


def copies():
    """How many copies of the model share a batch; its size has to be a multiple of that."""
    distribution = keras.distribution.distribution()
    return replicas.count() if distribution is None else distribution.num_model_replicas


def part():
    """Which part of each batch this process reads, and how many parts there are."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 0, 1
    # Processes that share one copy of the model read the same rows.
    parts = min(distribution.num_model_replicas, distribution.num_processes)
    return distribution.data_shard_id, parts


@contextlib.contextmanager
def apart(model):
    """Has each process hold the whole of a model inside, to use it without the others.

    What is built inside lives on one device. All processes have to enter together.

    Args:
        model: The one that is trained; its optimizer is held with it.
    """
    held = []
    if keras.distribution.distribution() is not None:
        variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
        held = [(variable, variable._value, variable._layout) for variable in variables]
    with scopes.one_device():
        try:
            for variable, value, _ in held:
                variable._layout, variable._value = None, whole(value)
            yield
        finally:
            for variable, value, layout in held:
                variable._layout, variable._value = layout, value


def with_parts(value):
    """An array of JAX whose parts can be asked for.

    Those of an array that `device_put` has copied to the devices of several processes cannot be, in
    JAX 0.10; they can of what is computed.
    """
    import jax

    try:
        _ = value.addressable_shards
    except ValueError:
        return jax.jit(lambda copied: copied, out_shardings=value.sharding)(value)
    return value


def whole(value):
    """An array of JAX, wherever its parts are, on one device of this process."""
    import jax
    from jax.experimental import multihost_utils

    value = with_parts(value)
    if value.is_fully_replicated:
        # A copy: what Keras compiles gives away the memory of what it is given.
        return jax.numpy.array(value.addressable_data(0), copy=True)
    if not value.is_fully_addressable:
        value = multihost_utils.process_allgather(value, tiled=True)
    return jax.device_put(np.asarray(value), jax.local_devices()[0])
