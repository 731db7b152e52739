"""The mechanism of CONTRIBUTING.md, made, registered and proved out of its very text."""

import doctest
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import layers
from layers import registry
from tests.layers.backend import to_numpy
from tests.layers.harness import Promises
from tests.layers.mechanism import Mechanism
from tests.layers.references import mechanisms as reference

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a mechanism")[2]
FILE, LINE, CASE = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[:3]


@pytest.fixture(scope="module")
def contributed():
    """The class of the file, with the line in the registry."""
    name = "layers.attention.cosine_attention"
    module = types.ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    exec(compile(FILE, "CONTRIBUTING.md", "exec"), module.__dict__)
    line = eval(LINE, {"Mechanism": registry.Mechanism})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, name, module)
        patch.setitem(registry.MECHANISMS, line.name, line)
        patch.setattr(layers, "CosineAttention", line.layer, raising=False)
        yield module.CosineAttention


@pytest.fixture
def mechanism(contributed):
    names = {"np": np, "layers": layers, "reference": reference, "Mechanism": Mechanism}
    exec(CASE, names)
    return names["CASE"]


@pytest.fixture(autouse=True)
def registered(contributed):
    """Every test here is of the mechanism."""


class TestTheMechanism(Promises):
    """All that is promised of every mechanism."""


def test_it_is_found_by_its_name(contributed):
    assert "cosine" in layers.mechanisms()
    assert isinstance(layers.get("cosine", sharpness=2.0), contributed)
    with pytest.raises(ValueError, match="did you mean 'cosine'"):
        layers.get("cosin")


def test_what_the_line_says_is_true(contributed):
    line, layer = registry.MECHANISMS["cosine"], layers.get("cosine")
    assert line.single_head == (layer.num_heads is None)
    assert line.self_attention_only == layer.self_attention_only
    assert line.has_cache == hasattr(layer, "init_cache")


def test_the_line_is_all_that_command_lines_need():
    """The file of the registry, with the line at the end of its table."""
    text = (ROOT / "layers" / "registry.py").read_text("utf-8")
    table, found = re.subn(
        r"(_TABLE = \[.*?)^\]", rf"\1    {LINE.strip()},\n]", text, flags=re.M | re.S
    )
    assert found == 1
    module = types.ModuleType("registry_with_the_line")
    exec(table, module.__dict__)
    assert list(module.MECHANISMS) == [*(name for name in registry.MECHANISMS)]
    assert module.MECHANISMS["cosine"].single_head


def test_the_example_of_its_docstring_prints_what_it_says(contributed):
    (example,) = (
        test for test in doctest.DocTestFinder().find(contributed, globs={}) if test.examples
    )
    example.globs = {"np": np, "CosineAttention": contributed}
    report = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert not failed, "".join(report)


def test_decoders_and_blocks_take_it():
    tokens, memory = np.ones((2, 5), "int32"), np.random.default_rng(0).normal(size=(2, 7, 8))
    for decoder in (
        layers.RecurrentDecoder(11, 8, "cosine"),
        layers.TransformerDecoder(11, 8, num_layers=1, num_heads=2, cross_attention="cosine"),
    ):
        _, weights = to_numpy(decoder(tokens, memory, return_attention_scores=True))
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    block = layers.TransformerEncoderBlock(2, 16, "cosine")
    assert np.isfinite(to_numpy(block(memory))).all()
