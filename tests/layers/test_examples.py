"""The docstrings of public names: their examples run, and they say what they owe the reader."""

import doctest
import inspect
import re

import keras
import numpy as np
import pytest
from keras import ops

import layers

PUBLIC = {name: getattr(layers, name) for name in layers.__all__}
LAYERS = [name for name, thing in PUBLIC.items() if inspect.isclass(thing)]
# What the layers stand on, not layers to be used.
BASES = {"AttentionLayer", "AttentionMask"}


def examples(name):
    """The examples in the docstring of a public name, and in those of its methods."""
    found = doctest.DocTestFinder().find(PUBLIC[name], name, globs={})
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", [name for name in PUBLIC if examples(name)])
def test_examples_print_what_they_say(name):
    for test in examples(name):
        test.globs = {"np": np, "keras": keras, "ops": ops, **PUBLIC}
        report = []
        failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
        assert not failed, "".join(report)


@pytest.mark.parametrize("name", sorted(set(LAYERS) - BASES))
def test_a_layer_has_an_example_a_paper_and_a_word_on_empty_rows(name):
    doc = inspect.getdoc(PUBLIC[name])
    lacking = {
        "an example": not examples(name),
        "a reference": not re.search(r"^References?:", doc, re.MULTILINE),
        "what a fully masked row gives, or where it says so": not re.search(
            r"fully\s+masked|no\s+mask|`AttentionLayer`", doc
        ),
    }
    assert [what for what, lacks in lacking.items() if lacks] == []


def test_the_examples_of_layers_are_found():
    assert {"AdditiveAttention", "AttentionPooling", "sinusoids"} <= set(filter(examples, PUBLIC))
