"""One name for every layer, whichever package it was imported under."""

import keras

PACKAGE = "attention_layers"


def register(cls):
    """Registers a layer as `attention_layers>ClassName`: models load without `custom_objects`.

    The same folder is `layers` inside the repository and `attention_layers` once installed. Should
    a process import both, the first class keeps the name: Keras would replace it without a word.
    """
    if keras.saving.get_registered_object(f"{PACKAGE}>{cls.__name__}") is None:
        keras.saving.register_keras_serializable(PACKAGE)(cls)
    return cls
