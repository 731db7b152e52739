"""Keras imported, or what to install for that."""

import importlib.util

BACKENDS = ("tensorflow", "jax", "torch")

try:
    import keras  # noqa: F401
except ModuleNotFoundError as error:
    if error.name not in BACKENDS:
        raise
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    advice = "pip install 'attention-layers[tensorflow]', or [jax], or [torch]"
    if error.name != "tensorflow":
        advice = f"pip install 'attention-layers[{error.name}]'"
    if installed:
        advice = f"set KERAS_BACKEND={installed[0]}, which is installed; or {advice}"
    raise ImportError(
        f"Keras computes on a backend, and the one it is set to, {error.name}, is not installed: "
        f"{advice}. (KERAS_BACKEND or ~/.keras/keras.json chooses it; it is tensorflow by default.)"
    ) from None
