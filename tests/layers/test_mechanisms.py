"""Every mechanism under the one harness. A new mechanism is one entry in MECHANISMS."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import layers
from layers import registry
from layers.attention import local_attention
from layers.functional import chunked_attention
from layers.linear import linear_attention
from tests.layers.aligned import test_aligned_attention
from tests.layers.backend import BACKEND, to_numpy
from tests.layers.harness import Promises
from tests.layers.mechanism import INITIALIZATION, B, Mechanism, S, functional_model
from tests.layers.references import mechanisms as reference

LUONG_OPTIONS = dict(
    score="concat", units=11, use_bias=True, scale=True, dropout=0.1, seed=3, **INITIALIZATION
)
PROJECTED_OPTIONS = dict(
    num_heads=6,
    key_dim=11,
    value_dim=7,
    num_kv_heads=3,
    output_dim=5,
    use_bias=False,
    dropout=0.1,
    seed=3,
    activity_regularizer=keras.regularizers.L2(0.3),
    kernel_constraint=keras.constraints.MaxNorm(2.0),
    bias_constraint=keras.constraints.NonNeg(),
    **INITIALIZATION,
)


def luong(score, weights, **kwargs):
    return Mechanism(
        f"luong_{score}",
        layers.LuongAttention,
        {"score": score},
        reference.luong,
        weights,
        LUONG_OPTIONS,
        **kwargs,
    )


def with_heads(
    name,
    layer=layers.MultiHeadAttention,
    formula=reference.multi_head,
    num_heads=3,
    key_dim=11,
    options=(("position", "rotary"), ("implementation", "chunked"), ("key_dim", 12)),
    weights=8,
    test=(),
    **arguments,
):
    return Mechanism(
        name,
        layer,
        {"num_heads": num_heads, "key_dim": key_dim, **arguments},
        formula,
        weights=weights,
        options={**PROJECTED_OPTIONS, **dict(options)},
        heads=num_heads,
        empty_output=lambda layer: reference.array(layer.trainable_weights[-1]),
        **dict(test),
    )


def self_attention(name, layer, options, **arguments):
    test = {"self_attention_only": True, "query_dim": 17}
    return with_heads(name, layer, reference.sparse, options=options, test=test, **arguments)


def linear(name, constants=0, **arguments):
    options = {"feature_map": "favor", "num_features": 23}
    test = {"constants": constants, "takes_attention_mask": False}
    layer = layers.LinearAttention
    return with_heads(name, layer, reference.linear, options=options, test=test, **arguments)


MECHANISMS = [
    Mechanism(
        "additive",
        layers.AdditiveAttention,
        {"units": 11, "scale": 0.7},
        reference.additive,
        weights=5,
        options=dict(units=11, use_bias=False, dropout=0.1, seed=3, scale=0.5, **INITIALIZATION),
    ),
    luong("dot", weights=0, value_dim=13, key_dim=13),
    luong("general", weights=1),
    luong("concat", weights=3),
    with_heads("multi_head"),
    with_heads("grouped_query", num_heads=6, num_kv_heads=3),
    with_heads("multi_query", num_kv_heads=1),
    self_attention(
        "local", layers.LocalAttention, {"window": 3, "global_tokens": 2}, window=1, global_tokens=1
    ),
    self_attention(
        "block_sparse",
        layers.BlockSparseAttention,
        {"block_size": 7, "window_blocks": 5, "global_blocks": 2, "random_blocks": 3},
        block_size=2,
        window_blocks=1,
        random_blocks=1,
    ),
    linear("linear"),
    linear("performer", constants=1, feature_map="favor", num_features=29),
]

# Other forms of the same layers, under the same promises.
VARIANTS = [
    with_heads("chunked", implementation="chunked", num_heads=6, num_kv_heads=3),
    with_heads("rotary", formula=reference.rotary, key_dim=10, position="rotary"),
    with_heads("alibi", formula=reference.biased(reference.alibi_bias), position="alibi"),
    with_heads(
        "relative",
        formula=reference.biased(reference.relative_bias),
        position="relative",
        weights=9,
        implementation="chunked",
    ),
    linear("relu", feature_map="relu"),
]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks so small that the short sequences of the tests have several."""
    monkeypatch.setattr(local_attention, "MIN_BLOCK", 1)
    monkeypatch.setattr(linear_attention, "CHUNK", 2)
    monkeypatch.setattr(chunked_attention, "ELEMENTS", 2 * B * 6 * S)


# One of each class is under the whole harness in every run, the others in the slow one.
SECOND = ("luong_general", "multi_query", "performer")


@pytest.mark.parametrize(
    "mechanism",
    [
        pytest.param(mechanism, marks=[pytest.mark.slow] * (mechanism.name in SECOND))
        for mechanism in MECHANISMS
    ],
    ids=lambda mechanism: mechanism.name,
)
class TestMechanisms(Promises):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", VARIANTS, ids=lambda mechanism: mechanism.name)
class TestVariants(Promises):
    pass


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize("use_causal_mask", [False, True])
@pytest.mark.parametrize(
    "mechanism",
    [*VARIANTS, *(mechanism for mechanism in MECHANISMS if mechanism.name in SECOND)],
    ids=lambda mechanism: mechanism.name,
)
def test_variants_equal_the_numpy_reference(mechanism, use_causal_mask, with_key):
    Promises().test_equals_the_numpy_reference(mechanism, with_key, use_causal_mask)


def test_every_mechanism_is_under_the_harness():
    sequential = [name for name, x in registry.MECHANISMS.items() if x.sees_earlier_weights]
    assert [mechanism.name for mechanism in MECHANISMS] + sequential == layers.mechanisms()
    under = {mechanism.layer for mechanism in test_aligned_attention.MECHANISMS}
    assert {registry.MECHANISMS[name].layer for name in sequential} == under
    for mechanism in MECHANISMS:
        said = registry.MECHANISMS[mechanism.name]
        assert mechanism.layer is said.layer
        assert (mechanism.heads is None) == said.single_head
        assert mechanism.self_attention_only == said.self_attention_only
        assert mechanism.takes_attention_mask == said.takes_attention_mask


LOAD = """
import sys
import layers
import keras, numpy as np
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    data = np.load(path + ".npz")
    outputs = model([data["query"], data["value"]], training=False)
    for output, name in zip(outputs, ("output", "weights")):
        output = keras.ops.convert_to_numpy(output)
        np.testing.assert_allclose(output, data[name], rtol=1e-5, atol=1e-5)
    print("loaded", model.count_params())
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_saved_models_load_in_a_fresh_process_on_any_backend(backend, tmp_path):
    if backend != BACKEND and importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    paths, parameters = [], []
    for mechanism in MECHANISMS:
        model = functional_model(mechanism, mechanism.build(dropout=0.1))
        inputs = mechanism.inputs()
        output, weights = to_numpy(model(list(inputs.values())))
        paths.append(str(tmp_path / f"{mechanism.name}.keras"))
        model.save(paths[-1])
        np.savez(paths[-1] + ".npz", output=output, weights=weights, **inputs)
        parameters.append(model.count_params())
    child = subprocess.run(
        [sys.executable, "-c", LOAD, *paths],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split("\n")[:-1] == [f"loaded {number}" for number in parameters]
