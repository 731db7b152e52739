"""A mechanism as the harness sees it, and what its promises are tested with.

Sizes are distinct primes wherever a mechanism allows it, so that no two axes can be confused
unnoticed, and all weights are random, biases included, so that none can be mixed up.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest

from tests.layers.backend import randomise, to_numpy
from tests.layers.references.mechanisms import merge_masks

B, T, S = 2, 5, 7
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
INITIALIZATION = {
    "kernel_initializer": keras.initializers.RandomUniform(seed=1),
    "bias_initializer": keras.initializers.RandomNormal(seed=2),
    "kernel_regularizer": keras.regularizers.L2(0.1),
    "bias_regularizer": keras.regularizers.L1(0.2),
}
TOLERANCE = {"float32": 1e-5, "mixed_float16": 1e-2, "mixed_bfloat16": 5e-2}


@dataclass(frozen=True)
class Mechanism:
    """A mechanism as the harness sees it.

    Attributes:
        name: The id of its tests.
        layer: The layer class.
        arguments: The constructor arguments under test.
        reference: Maps (layer, query, value, key, mask) to the output and the weights in NumPy.
        weights: How many weights the layer trains.
        constants: How many weights it has besides.
        options: A non-default value for every constructor argument, to test its config.
        heads: The number of heads, None for a mechanism without.
        empty_output: Maps a layer to the output of a row without keys.
        value_dim: Width of the values, which are the keys as well where no key is given.
        key_dim: Width of the keys, where they are given.
        self_attention_only: Whether queries and keys must be as many as each other.
        takes_attention_mask: Whether an `attention_mask` has a meaning.
        recurrent: Whether the weights of a query depend on those of the queries before it.
        partial_rows: Whether a row of weights may sum to less than one.
    """

    name: str
    layer: type
    arguments: Mapping[str, Any]
    reference: Callable
    weights: int
    options: Mapping[str, Any] = field(default_factory=dict)
    constants: int = 0
    heads: int | None = None
    empty_output: Callable = lambda layer: 0.0
    query_dim: int = 13
    value_dim: int = 17
    key_dim: int = 19
    self_attention_only: bool = False
    takes_attention_mask: bool = True
    recurrent: bool = False
    partial_rows: bool = False

    @property
    def value_length(self):
        return T if self.self_attention_only else S

    def defaults(self):
        """The default of every constructor argument, those of the base classes included."""
        found = {}
        for cls in self.layer.__mro__[: self.layer.__mro__.index(keras.layers.Layer)]:
            if "__init__" not in vars(cls):
                continue
            for x in inspect.signature(cls.__init__).parameters.values():
                if x.kind is not x.VAR_KEYWORD:
                    found.setdefault(x.name, x.default)
        return {name: default for name, default in found.items() if name != "self"}

    def make(self, **kwargs):
        return self.layer(**{**self.arguments, **kwargs})

    def build(self, with_key=False, **kwargs):
        """Returns a built layer with random weights."""
        layer = self.make(**kwargs)
        shapes = [array.shape for array in self.inputs(with_key).values()]
        layer.build(*shapes)
        return randomise(layer)

    def inputs(self, with_key=False, seed=1):
        """Returns query, value and, if wished, key."""
        rng = np.random.default_rng(seed)
        inputs = {
            "query": rng.normal(size=(B, T, self.query_dim)),
            "value": rng.normal(size=(B, self.value_length, self.value_dim)),
        }
        if with_key:
            inputs["key"] = rng.normal(size=(B, self.value_length, self.key_dim))
        return {name: array.astype("float32") for name, array in inputs.items()}

    def masks(self, with_key=False, seed=2):
        """Returns a random mask of every kind."""
        rng = np.random.default_rng(seed)
        masks = {
            "query_mask": rng.random((B, T)) < 0.8,
            "value_mask": rng.random((B, self.value_length)) < 0.8,
        }
        if with_key:
            masks["key_mask"] = rng.random((B, self.value_length)) < 0.8
        if self.takes_attention_mask:
            masks["attention_mask"] = rng.random((B, T, self.value_length)) < 0.8
        return masks

    def merged(self, **masks):
        return merge_masks(T, self.value_length, heads=self.heads is not None, **masks)

    def expected(self, layer, inputs, **masks):
        """Returns what the reference says of these inputs."""
        key = inputs.get("key", inputs["value"])
        return self.reference(layer, inputs["query"], inputs["value"], key, self.merged(**masks))

    def skip_without_attention_mask(self):
        if not self.takes_attention_mask:
            pytest.skip(f"{self.name} has no form for an attention mask")


def attend(layer, inputs, **kwargs):
    """Returns output and weights as NumPy arrays."""
    return to_numpy(layer(**inputs, return_attention_scores=True, **kwargs))


def close(actual, expected, policy="float32"):
    tolerance = TOLERANCE[policy]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def hide(mechanism, how):
    """Returns a mask that leaves one row (or one example) without keys, and those rows (B, T)."""
    empty = np.zeros((B, T), bool)
    if how == "attention_mask":
        mask = np.random.default_rng(3).random((B, T, mechanism.value_length)) < 0.6
        mask[..., 0] = True
        mask[1, 2] = False
        empty[1, 2] = True
    elif how == "query_mask":
        empty[1, 3:] = True
        mask = ~empty
    else:
        mask = np.ones((B, mechanism.value_length), bool)
        mask[1] = False
        empty[1] = True
    return {how: mask}, empty


def functional_model(mechanism, layer, length=None):
    """Returns a model of two outputs over sequences of any length, as an application builds it."""
    query = keras.Input((length, mechanism.query_dim), name="query")
    value = keras.Input((length, mechanism.value_dim), name="value")
    return keras.Model([query, value], layer(query, value, return_attention_scores=True))
