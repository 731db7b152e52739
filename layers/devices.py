"""Where the backend computes."""

import keras
from keras import ops


def on_gpu():
    """Whether it does on a GPU."""
    if keras.backend.backend() == "torch":
        return "cuda" in str(ops.convert_to_tensor(0.0).device)
    # Of a tensor inside JAX's `jit` no device is known.
    return any(name.startswith("gpu") for name in keras.distribution.list_devices())
