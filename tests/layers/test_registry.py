"""Mechanisms by name."""

import numpy as np
import pytest

import layers
from tests.layers.backend import to_numpy


@pytest.mark.parametrize("name", layers.mechanisms())
def test_every_name_works_without_options(name):
    layer = layers.get(name)
    x = np.random.default_rng(1).normal(size=(2, 5, 16)).astype("float32")
    output, weights = to_numpy(layer(x, x, return_attention_scores=True))
    assert output.shape == (2, 5, 16)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", layers.mechanisms())
def test_options_go_to_the_constructor(name):
    layer = layers.get(name, dim=24, num_heads=4, dropout=0.25, seed=7, name="look")
    assert (layer.dropout, layer.seed, layer.name) == (0.25, 7, "look")
    assert layer.num_heads == (None if name.startswith(("additive", "luong")) else 4)
    assert layers.get(name, 24, 4).get_config().keys() == layer.get_config().keys()


def test_names_give_what_they_say():
    def config(name, **options):
        return layers.get(name, dim=24, num_heads=4, **options).get_config()

    assert config("additive")["units"] == 24
    assert config("additive", units=3)["units"] == 3
    for score in ("dot", "general", "concat"):
        assert config(f"luong_{score}")["score"] == score
    for name, kv_heads in (("multi_head", 4), ("grouped_query", 2), ("multi_query", 1)):
        found = config(name)
        assert (found["key_dim"], found["num_kv_heads"] or 4) == (6, kv_heads)
    assert config("multi_head", key_dim=5, use_bias=False)["key_dim"] == 5


def test_each_call_makes_a_new_layer():
    assert layers.get("additive") is not layers.get("additive")


@pytest.mark.parametrize(
    "name, nearest",
    [("luong_generall", "luong_general"), ("multihead", "multi_head"), ("aditive", "additive")],
)
def test_an_unknown_name_is_refused_with_the_known_ones_and_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"'{name}'.*'{nearest}'") as info:
        layers.get(name)
    assert all(known in str(info.value) for known in layers.mechanisms())


def test_an_unknown_option_is_refused():
    with pytest.raises((TypeError, ValueError), match="windows"):
        layers.get("additive", windows=3)
