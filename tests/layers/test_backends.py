"""Without a backend the package says what to install."""

import importlib.util
import sys
import types

import pytest

import layers.backends as module

SOURCE = importlib.util.find_spec("layers.backends").loader.get_source("layers.backends")


class Missing:
    """Makes imports of Keras fail as they do where its backend is not installed."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, path=None, target=None):
        if name == "keras":
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)


@pytest.fixture
def without(monkeypatch):
    def run(name, installed=()):
        monkeypatch.delitem(sys.modules, "keras")
        monkeypatch.setattr(sys, "meta_path", [Missing(name), *sys.meta_path])
        monkeypatch.setattr(importlib.util, "find_spec", lambda x: x in installed or None)
        exec(compile(SOURCE, module.__file__, "exec"), types.ModuleType("backends").__dict__)

    return run


def test_what_to_install_is_said(without):
    with pytest.raises(ImportError) as info:
        without("tensorflow")
    assert str(info.value) == (
        "Keras computes on a backend, and the one it is set to, tensorflow, is not installed: pip "
        "install 'attention-layers[tensorflow]', or [jax], or [torch]. (KERAS_BACKEND or "
        "~/.keras/keras.json chooses it; it is tensorflow by default.)"
    )


def test_a_backend_that_is_installed_is_offered(without):
    with pytest.raises(ImportError, match=r"not installed: set KERAS_BACKEND=torch, which is inst"):
        without("tensorflow", installed=("torch",))


def test_of_another_backend_its_extra_is_named(without):
    with pytest.raises(ImportError, match=r"to, jax, .*pip install 'attention-layers\[jax\]'\. "):
        without("jax")


def test_what_else_is_missing_is_said_as_it_is(without):
    with pytest.raises(ModuleNotFoundError, match="No module named 'h5py'"):
        without("h5py")
