"""One name for every layer, whichever package it was imported under."""

import keras

PACKAGE = "attention_layers"


def register(cls=None, *, package=PACKAGE, name=None):
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
