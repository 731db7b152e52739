"""Weights that a model of Keras's layers saved load once the class is ours, and the other way."""

import keras
import numpy as np
import pytest

import layers
from tests.layers.backend import to_numpy

X, MEMORY = (np.random.default_rng(i).normal(size=(2, 5 + 2 * i, 12)) for i in range(2))
X, MEMORY = X.astype("float32"), MEMORY.astype("float32")
PAIRS = {
    "multi_head": (
        lambda: keras.layers.MultiHeadAttention(3, 4, value_dim=5, dropout=0.1),
        lambda: layers.MultiHeadAttention(3, 4, value_dim=5, dropout=0.1),
    ),
    "without bias": (
        lambda: keras.layers.MultiHeadAttention(3, 4, use_bias=False),
        lambda: layers.MultiHeadAttention(3, 4, use_bias=False),
    ),
    "grouped_query": (
        lambda: keras.layers.GroupQueryAttention(4, 6, 3, dropout=0.2),
        lambda: layers.GroupedQueryAttention(4, 6, 3, dropout=0.2),
    ),
}


def functional(make):
    query, value = keras.Input((None, 12)), keras.Input((None, 12))
    x = make()(make()(query, value), value)
    return keras.Model([query, value], keras.layers.Dense(3)(x))


def subclassed(make):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.attention, self.head = make(), keras.layers.Dense(3)

        def call(self, inputs):
            return self.head(self.attention(*inputs))

    return Model()


def filled(model, seed):
    rng = np.random.default_rng(seed)
    model([X, MEMORY])
    model.set_weights([rng.normal(0, 0.3, size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("make", [functional, subclassed])
@pytest.mark.parametrize("pair", PAIRS)
def test_weights_load_after_the_swap(pair, make, tmp_path):
    theirs, ours = (filled(make(layer), seed) for seed, layer in enumerate(PAIRS[pair]))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    expected = to_numpy(theirs([X, MEMORY]))
    np.testing.assert_allclose(to_numpy(ours([X, MEMORY])), expected, rtol=1e-4, atol=1e-5)


def test_a_layer_of_grouped_queries_may_be_the_general_one_where_it_has_a_name(tmp_path):
    theirs = filled(subclassed(lambda: keras.layers.GroupQueryAttention(4, 6, 3)), 0)
    ours = filled(subclassed(lambda: layers.MultiHeadAttention(6, 4, num_kv_heads=3)), 1)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    expected = to_numpy(theirs([X, MEMORY]))
    np.testing.assert_allclose(to_numpy(ours([X, MEMORY])), expected, rtol=1e-4, atol=1e-5)


def test_keras_loads_the_weights_of_ours(tmp_path):
    theirs, ours = (filled(functional(layer), i) for i, layer in enumerate(PAIRS["without bias"]))
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for found, expected in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pair", PAIRS)
def test_files_of_earlier_versions_load(pair, tmp_path, monkeypatch):
    """They hold the projections under the names of the attributes alone."""
    make = PAIRS[pair][1]
    saved = filled(functional(make), 2)
    with monkeypatch.context() as patch:
        for name in ("query", "key", "value", "output"):
            for prefix in ("", "_"):
                patch.delattr(
                    layers.attention.projected_attention.ProjectedAttention, f"{prefix}{name}_dense"
                )
        saved.save_weights(tmp_path / "old.weights.h5")
        saved.save(tmp_path / "old.keras")
    loaded = filled(functional(make), 3)
    loaded.load_weights(tmp_path / "old.weights.h5")
    expected = to_numpy(saved([X, MEMORY]))
    np.testing.assert_array_equal(to_numpy(loaded([X, MEMORY])), expected)
    whole = keras.models.load_model(tmp_path / "old.keras")
    np.testing.assert_array_equal(to_numpy(whole([X, MEMORY])), expected)


def test_the_drop_in_for_grouped_queries_has_the_arguments_of_keras():
    theirs = keras.layers.GroupQueryAttention(4, 6, 3, dropout=0.2, use_bias=False, seed=3)
    config = theirs.get_config()
    ours = layers.GroupedQueryAttention(4, 6, 3, dropout=0.2, use_bias=False, seed=3)
    for name in ("head_dim", "num_query_heads", "num_key_value_heads", "dropout", "use_bias"):
        assert ours.get_config()[name] == config[name]
    again = layers.GroupedQueryAttention.from_config(ours.get_config())
    assert (again.num_heads, again.key_dim, again.num_kv_heads) == (6, 4, 3)
