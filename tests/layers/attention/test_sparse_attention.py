"""Local and block-sparse attention beside dense attention under the same pattern."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import BlockSparseAttention, LocalAttention, MultiHeadAttention
from layers.attention import local_attention
from tests.layers.backend import gradients, randomise, to_numpy
from tests.layers.mechanism import close

B, N, H, D = 2, 3, 4, 13


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(local_attention, "MIN_BLOCK", 1)


LAYERS = {
    "local 1": lambda: LocalAttention(N, H, window=1),
    "local 0": lambda: LocalAttention(N, H, window=0),
    "local 4": lambda: LocalAttention(N, H, window=4),
    "local 3, global 2": lambda: LocalAttention(N, H, window=3, global_tokens=2),
    "local 5, global 7": lambda: LocalAttention(N, H, window=5, global_tokens=7),
    "block_sparse": lambda: BlockSparseAttention(N, H, 2),
    "block_sparse, no global": lambda: BlockSparseAttention(N, H, 4, 1, 0, 1),
    "block_sparse, no random": lambda: BlockSparseAttention(N, H, 3, 5, 2, 0),
    "block_sparse, few blocks": lambda: BlockSparseAttention(N, H, 3, 3, 1, 9),
}


def masks(kind, length):
    rng = np.random.default_rng(2)
    return {
        "none": {},
        "causal": {"use_causal_mask": True},
        "keys": {"attention_mask": rng.random((B, 1, length)) < 0.6},
        "all": {
            "query_mask": rng.random((B, length)) < 0.7,
            "value_mask": rng.random((B, length)) < 0.7,
            "attention_mask": rng.random((B, N, length, length)) < 0.7,
            "use_causal_mask": True,
        },
    }[kind]


@pytest.mark.parametrize("kind", ["none", "causal", "keys", "all"])
@pytest.mark.parametrize("length", [5, 17, 23])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_dense_attention_under_its_pattern(name, length, kind):
    sparse, dense = LAYERS[name](), MultiHeadAttention(N, H, implementation="dense")
    x = np.random.default_rng(length).normal(size=(B, length, D)).astype("float32")
    for layer in (sparse, dense):
        layer.build(x.shape, x.shape)
        randomise(layer, scale=0.3)
    given = masks(kind, length)
    pattern = to_numpy(sparse.attention_pattern(length))[None, None]
    patterned = {**given, "attention_mask": given.get("attention_mask", True) & pattern}
    if given.get("attention_mask", pattern).ndim == 3:
        patterned["attention_mask"] = given["attention_mask"][:, None] & pattern
    found = []
    for layer, masks_of_it in ((sparse, given), (dense, patterned)):
        source = keras.Variable(x)

        def loss(layer=layer, source=source, masks_of_it=masks_of_it):
            tensor = ops.convert_to_tensor(source)
            return ops.mean(ops.sin(layer(tensor, tensor, **masks_of_it)))

        slopes = gradients(loss, [source, *layer.trainable_variables])
        found.append([to_numpy(layer(x, x, **masks_of_it)), *slopes])
    for one, other in zip(*found, strict=True):
        close(one, other)


def test_local_pattern():
    found = to_numpy(LocalAttention(N, H, window=1, global_tokens=1).attention_pattern(5))
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [1, 0, 0, 1, 1]]
    np.testing.assert_array_equal(found, np.array(expected, bool))


def test_block_sparse_pattern_is_the_same_everywhere():
    # Written down once: windows of one, a global block, and a random one of those before.
    layer = BlockSparseAttention(N, H, 1, window_blocks=1, random_blocks=1)
    found = to_numpy(layer.attention_pattern(9))
    random = [np.flatnonzero(row[1:i]).tolist() for i, row in enumerate(found)]
    assert found[0].all()
    assert found[:, 0].all()
    assert [len(columns) for columns in random] == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert [1 + columns[0] for columns in random[2:]] == [1, 2, 3, 4, 4, 2, 3]
    other = to_numpy(BlockSparseAttention(N, H, 1, 1, 1, 1, seed=5).attention_pattern(9))
    assert (found != other).any()


def test_a_longer_sequence_leaves_the_pattern_as_it_was():
    layer = BlockSparseAttention(N, H, 2, random_blocks=3)
    short, long = (to_numpy(layer.attention_pattern(length)) for length in (22, 34))
    np.testing.assert_array_equal(short[2:], long[2:22, :22])


@pytest.mark.parametrize("name", ["local", "block_sparse"])
def test_queries_and_keys_must_be_of_one_number(name):
    layer = layers.get(name, dim=12, num_heads=N)
    query, value = np.ones((B, 5, D), "float32"), np.ones((B, 7, D), "float32")
    with pytest.raises(ValueError, match=r"Attention is self-attention.*5 queries and 7 keys"):
        layer(query, value)
    with pytest.raises(ValueError, match="Attention is self-attention"):
        layer(keras.Input((5, D)), keras.Input((7, D)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LocalAttention(N, H, window=-1), "`window`.*-1"),
        (lambda: LocalAttention(N, H, window=1, global_tokens=-2), "`global_tokens`.*-2"),
        (lambda: BlockSparseAttention(N, H, 0), "`block_size`.*0"),
        (lambda: BlockSparseAttention(N, H, 2, window_blocks=2), "`window_blocks` must be odd"),
    ],
)
def test_wrong_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
