"""Names under which saved models find their classes."""

import keras

from layers.serialization import register


def registered_name(cls):
    return keras.saving.get_registered_name(cls)


def test_a_class_is_known_by_package_and_name():
    @register
    class Plain(keras.layers.Layer):
        pass

    @register(package="attention_suite.tests", name="OldName")
    class Renamed(keras.layers.Layer):
        pass

    assert registered_name(Plain) == "attention_layers>Plain"
    assert registered_name(Renamed) == "attention_suite.tests>OldName"
    assert keras.saving.get_registered_object("attention_suite.tests>OldName") is Renamed


def test_the_first_class_keeps_the_name():
    def define():
        @register(package="attention_suite.tests")
        class Twice(keras.layers.Layer):
            pass

        return Twice

    first, second = define(), define()
    assert first is not second
    assert keras.saving.get_registered_object("attention_suite.tests>Twice") is first
