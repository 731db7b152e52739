"""Mechanisms by name."""

import inspect

import numpy as np
import pytest

import layers
from layers.aligned.aligned_attention import AlignedAttention
from layers.registry import ALIASES, MECHANISMS, meant
from tests.layers.backend import to_numpy


@pytest.mark.parametrize("name", layers.mechanisms())
def test_every_name_works_without_options(name):
    layer = layers.get(name)
    x = np.random.default_rng(1).normal(size=(2, 5, 16)).astype("float32")
    output, weights = to_numpy(layer(x, x, return_attention_scores=True))
    assert output.shape == (2, 5, 16)
    sums = weights.sum(-1)
    if name == "monotonic":  # A query may stop at no key.
        assert (sums < 1 + 1e-5).all()
    else:
        np.testing.assert_allclose(sums, 1, atol=1e-5)


@pytest.mark.parametrize("name", layers.mechanisms())
def test_options_go_to_the_constructor(name):
    layer = layers.get(name, dim=24, num_heads=4, dropout=0.25, seed=7, name="look")
    assert (layer.dropout, layer.seed, layer.name) == (0.25, 7, "look")
    assert layer.num_heads == (None if MECHANISMS[name].single_head else 4)
    assert layers.get(name, 24, 4).get_config().keys() == layer.get_config().keys()


@pytest.mark.parametrize("name", layers.mechanisms())
def test_what_the_table_says_of_a_mechanism_is_true(name):
    said, layer = MECHANISMS[name], layers.get(name, dim=16, num_heads=4)
    parameters = inspect.signature(type(layer)).parameters
    assert said.single_head == (layer.num_heads is None)
    assert said.self_attention_only == layer.self_attention_only
    assert said.has_cache == hasattr(layer, "init_cache")
    assert said.takes_position == ("position" in parameters)
    assert not said.unscaled or "scale" in parameters
    assert said.sees_earlier_weights == isinstance(layer, AlignedAttention)
    x, mask = np.ones((2, 5, 16), "float32"), np.tri(5, dtype=bool)[None]
    if said.takes_attention_mask:
        _, weights = to_numpy(layer(x, x, attention_mask=mask, return_attention_scores=True))
        assert not weights[..., ~mask[0]].any()
    else:
        with pytest.raises(ValueError, match="no linear form"):
            layer(x, x, attention_mask=mask)


def test_the_layer_of_a_mechanism_is_public():
    for mechanism in MECHANISMS.values():
        assert getattr(layers, mechanism.layer.__name__) is mechanism.layer
        assert mechanism.layer.__name__ in layers.__all__


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
    [
        ("luong_generall", "luong_general"),
        ("multihead", "multi_head"),
        ("aditive", "additive"),
        ("location", "location_sensitive"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones_and_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"'{name}'.*'{nearest}'") as info:
        layers.get(name)
    assert all(known in str(info.value) for known in layers.mechanisms())


@pytest.mark.parametrize(
    "name, called",
    [
        ("bahdanau", "additive"),
        ("Luong", "luong_general"),
        ("dot", "luong_dot"),
        ("scaled dot-product attention", "multi_head"),
        ("self_attention", "multi_head"),
        ("MultiHeadAttention", "multi_head"),
        ("gqa", "grouped_query"),
        ("big-bird", "block_sparse"),
        ("LocationSensitiveAttention", "location_sensitive"),
    ],
)
def test_another_name_of_the_field_is_refused_with_what_it_is_called_here(name, called):
    with pytest.raises(ValueError, match=f"{name!r}; it is called '{called}' here"):
        layers.get(name)
    assert meant(name) == called
    assert meant(name, ["linear"]) is None


def test_each_alias_is_of_a_mechanism_and_names_none():
    assert set(ALIASES.values()) <= MECHANISMS.keys()
    assert not ALIASES.keys() & MECHANISMS.keys()
    assert all(meant(name) == name for name in MECHANISMS)


def test_an_unknown_option_is_refused():
    with pytest.raises((TypeError, ValueError), match="windows"):
        layers.get("additive", windows=3)


@pytest.mark.parametrize("name", ["flash", "", None, 3])
def test_what_is_like_no_name_is_taken_for_none(name):
    with pytest.raises(ValueError) as caught:
        layers.get(name)
    assert str(caught.value).startswith(f"Unknown attention mechanism {name!r}. Known: additive, ")
