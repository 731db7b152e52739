"""Every public name is annotated, and the package says so to type checkers."""

import inspect
from pathlib import Path

import keras
import pytest

import layers

PUBLIC = [name for name in layers.__all__ if callable(getattr(layers, name))]


def signatures(thing):
    """What a user calls: the function, or the constructor and the public methods of ours."""
    if not inspect.isclass(thing):
        return {thing.__name__: thing}
    ours = [cls for cls in thing.__mro__ if cls.__module__.split(".")[0] == "layers"]
    found = {}
    for cls in reversed(ours):
        for name, member in vars(cls).items():
            member = (
                member.fget
                if isinstance(member, property)
                else inspect.unwrap(getattr(member, "__func__", member))
            )
            if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__"):
                found[f"{cls.__name__}.{name}"] = member
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_and_result_has_a_type(name):
    bare = []
    for where, function in signatures(getattr(layers, name)).items():
        signature = inspect.signature(function)
        parameters = [x for x in signature.parameters.values() if x.name not in ("self", "cls")]
        bare += [f"{where}({x.name})" for x in parameters if x.annotation is x.empty]
        bare += [f"{where} ->"] if signature.return_annotation is signature.empty else []
    assert bare == []


def test_the_call_of_an_attention_layer_is_found_by_its_parameters():
    call = inspect.signature(layers.AdditiveAttention.call)
    assert call.parameters["return_attention_scores"].annotation is bool
    assert call.parameters["training"].annotation == bool | None


def test_the_marker_stands_beside_the_code():
    assert (Path(layers.__file__).parent / "py.typed").read_text() == ""


def test_a_version_is_told():
    assert [int(part) for part in layers.__version__.split(".")[:3]] >= [0, 2, 0]
    assert keras.__version__.split(".")[0] == "3"
