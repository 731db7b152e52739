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
from tests.layers import reference
from tests.layers.backend import BACKEND, to_numpy
from tests.layers.harness import Promises
from tests.layers.mechanism import Mechanism, functional_model

LUONG_OPTIONS = dict(score="concat", units=11, use_bias=True, scale=True, dropout=0.1, seed=3)
MULTI_HEAD_OPTIONS = dict(
    num_heads=6,
    key_dim=11,
    value_dim=7,
    num_kv_heads=3,
    output_dim=5,
    use_bias=False,
    dropout=0.1,
    seed=3,
    kernel_initializer=keras.initializers.RandomUniform(seed=1),
    bias_initializer=keras.initializers.RandomNormal(seed=2),
    kernel_regularizer=keras.regularizers.L2(0.1),
    bias_regularizer=keras.regularizers.L1(0.2),
    activity_regularizer=keras.regularizers.L2(0.3),
    kernel_constraint=keras.constraints.MaxNorm(2.0),
    bias_constraint=keras.constraints.NonNeg(),
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


def multi_head(name, num_heads, **arguments):
    return Mechanism(
        name,
        layers.MultiHeadAttention,
        {"num_heads": num_heads, "key_dim": 11, **arguments},
        reference.multi_head,
        weights=8,
        options=MULTI_HEAD_OPTIONS,
        heads=num_heads,
        empty_output=lambda layer: layer.get_weights()[-1],
    )


MECHANISMS = [
    Mechanism(
        "additive",
        layers.AdditiveAttention,
        {"units": 11},
        reference.additive,
        weights=5,
        options=dict(units=11, use_bias=False, dropout=0.1, seed=3),
    ),
    luong("dot", weights=0, value_dim=13, key_dim=13),
    luong("general", weights=1),
    luong("concat", weights=3),
    multi_head("multi_head", num_heads=3),
    multi_head("grouped_query", num_heads=6, num_kv_heads=3),
    multi_head("multi_query", num_heads=3, num_kv_heads=1),
]


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name)
class TestMechanisms(Promises):
    pass


def test_every_mechanism_is_under_the_harness():
    assert [mechanism.name for mechanism in MECHANISMS] == layers.mechanisms()


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
