"""One name for every layer, whichever package it was imported under."""

import re
from typing import Any

import keras

from .types import Config

PACKAGE = "attention_layers"


class QuantizedParts:
    """A layer whose configuration says which of its parts `quantize` changed: it loads with them.

    Keras saves the dtype policy of a layer, which is not that of the layers within.
    """

    def get_config(self) -> Config:
        config = super().get_config()
        policy = self.dtype_policy
        policies = keras.dtype_policies.DTypePolicyMap(getattr(policy, "default_policy", policy))
        for layer in self._flatten_layers(include_self=False):
            if layer.quantization_mode is not None:
                # Loaded, it may be built before what it is a part of.
                path = self.name + layer.path.removeprefix(self.path)
                policies[f"(.+/)?{re.escape(path)}"] = _policy_of(layer)
        if len(policies):
            config["dtype"] = keras.dtype_policies.serialize(policies)
        return config


def _policy_of(layer):
    policy = layer.dtype_policy
    of_paths = isinstance(policy, keras.dtype_policies.DTypePolicyMap)
    return policy[layer.path] if of_paths else policy


def register(cls: Any = None, *, package: str = PACKAGE, name: str | None = None) -> Any:
    """Registers a layer as `attention_layers>ClassName`: models load without `custom_objects`.

    The same folder is `layers` inside the repository and `attention_layers` once installed. Should
    a process import both, the first class keeps the name: Keras would replace it without a word.

    Args:
        cls: The class; without one, the decorator of these options is returned.
        package: Where saved models look for it. A class that has moved keeps its old one.
        name: What saved models call it; by default the name of the class. A class that was renamed
            keeps its old one.
    """
    if cls is None:
        return lambda cls: register(cls, package=package, name=name)
    name = name or cls.__name__
    if keras.saving.get_registered_object(f"{package}>{name}") is None:
        keras.saving.register_keras_serializable(package, name)(cls)
    return cls
