"""What a backend cannot do together with others, told before any work."""

from pipelines.commands.cluster.places import Place
from pipelines.commands.errors import UserError

ON_JAX = "set KERAS_BACKEND=jax, or make … BACKEND=jax"


def check(options, place: Place, backend: str) -> None:
    """Makes sure that a backend can do what is asked of several devices and processes.

    Args:
        options: With the fields of `pipelines.commands.options.Processes`, or `Cluster`.
        place: Of this process.
        backend: Name of the Keras backend.

    Raises:
        UserError: It cannot; the message has the reason and the way that works.
    """
    devices = getattr(options, "devices", None) or 1
    share = getattr(options, "model_parallel", 1)
    trains = hasattr(options, "model_parallel")
    if backend == "tensorflow":
        if place.processes > 1:
            raise UserError(
                f"--processes {place.processes}: on the TensorFlow backend Keras cannot train in "
                f"several processes (its fit fails under MultiWorkerMirroredStrategy): {ON_JAX}"
            )
        if share > 1:
            raise UserError(
                f"--model-parallel {share}: keras.distribution does nothing on the TensorFlow "
                f"backend: {ON_JAX}"
            )
        accumulate = getattr(options, "accumulate", 1)
        if devices > 1 and accumulate > 1:
            raise UserError(
                f"--devices {devices} --accumulate {accumulate}: on the TensorFlow backend Keras "
                f"accumulates gradients on one device: {ON_JAX}"
            )
        if devices > 1 and getattr(options, "precision", None) == "float16":
            raise UserError(
                f"--devices {devices} --precision float16: the scaling of losses was not tried on "
                "several devices of the TensorFlow backend: take bfloat16"
            )
        if devices > 1 and not trains:
            raise UserError(
                f"--devices {devices}: on the TensorFlow backend several devices train, but one "
                f"evaluates and predicts: {ON_JAX}"
            )
    elif backend != "jax":
        for flag, value in (
            ("devices", devices),
            ("processes", place.processes),
            ("model-parallel", share),
        ):
            if value > 1:
                raise UserError(
                    f"--{flag} {value}: Keras has no distribution on the {backend} backend: "
                    f"{ON_JAX}"
                )
