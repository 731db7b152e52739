"""What both Transformer blocks hold and save: weights, configurations, files, shapes."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import TransformerDecoderBlock, TransformerEncoderBlock
from tests.layers.backend import (
    randomise,
    seed_states,
    to_numpy,
)
from tests.layers.transformer_blocks import (
    MAX_LENGTH,
    MEMORY_MASK,
    MLP,
    POLICIES,
    B,
    D,
    N,
    T,
    close,
    data,
    decoder,
    encoder,
)

BLOCKS = {
    "encoder": (TransformerEncoderBlock, {}),
    "decoder": (TransformerDecoderBlock, {"cross_attention": "luong_general"}),
}


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("as_layer", [False, True])
def test_config_has_every_argument_and_keeps_its_value(kind, as_layer):
    block, options = BLOCKS[kind]
    options = {
        "num_heads": N,
        "mlp_dim": MLP,
        "attention": "additive",
        "norm_first": False,
        "activation": "tanh",
        "dropout": 0.1,
        "layer_scale": 0.3,
        "stochastic_depth": 0.2,
        "norm_epsilon": 1e-3,
        "seed": 3,
        "remat": True,
        **options,
    }
    names = inspect.signature(block.__init__).parameters
    assert set(options) == set(names) - {"self", "kwargs"}
    if as_layer:
        options["attention"] = layers.AdditiveAttention(3, dropout=0.2, name="inside")
    config = block(**options, name="block", dtype="mixed_bfloat16").get_config()
    for name, value in options.items():
        if not (as_layer and name == "attention"):
            assert config[name] == value
    rebuilt = block.from_config(config)
    assert rebuilt.get_config() == config
    if as_layer:
        assert rebuilt.attention.get_config()["dropout"] == 0.2


@pytest.mark.parametrize("as_layer", [False, True])
def test_a_saved_model_of_any_length_loads_equal(as_layer, tmp_path):
    def mechanism():
        return layers.AdditiveAttention(3) if as_layer else "multi_head"

    x, memory = keras.Input((None, D)), keras.Input((None, D))
    encoded, own = TransformerEncoderBlock(N, MLP, mechanism(), dropout=0.1)(
        memory, return_attention_scores=True
    )
    decoded, cross = TransformerDecoderBlock(N, MLP, mechanism(), mechanism())(
        x, encoded, return_attention_scores=True
    )
    model = randomise(keras.Model([x, memory], [decoded, own, cross]), scale=0.3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for length in (3, T):
        inputs = [array[:, :length] for array in data(D)]
        for found, expected in zip(
            loaded.predict(inputs, verbose=0), to_numpy(model(inputs)), strict=True
        ):
            close(found, expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_output_spec_equals_the_eager_shapes_and_dtypes(policy):
    x, memory = data()
    symbol, symbols = keras.KerasTensor(x.shape), keras.KerasTensor(memory.shape)
    keywords = {"return_attention_scores": True}
    block = decoder("grouped_query", dtype=policy)
    cache = block.init_cache(B, MAX_LENGTH)
    cached = {"cache": cache, "cache_index": 0}
    caches = tuple(keras.KerasTensor(part.shape, part.dtype) for part in cache)
    own = encoder(dtype=policy)
    for spec, eager in (
        (own(symbol), own(x)),
        (own(symbol, **keywords), own(x, **keywords)),
        (block(symbol, symbols), block(x, memory)),
        (block(symbol, symbols, **keywords), block(x, memory, **keywords)),
        (
            block.compute_output_spec(symbol, symbols, cache=caches, **keywords),
            block(x, memory, **cached, **keywords),
        ),
    ):
        found, tensors = keras.tree.flatten(spec), keras.tree.flatten(eager)
        assert len(found) == len(tensors)
        for expected, tensor in zip(found, tensors, strict=True):
            assert tuple(expected.shape) == tuple(tensor.shape)
            assert keras.backend.standardize_dtype(expected.dtype) == (
                keras.backend.standardize_dtype(tensor.dtype)
            )


@pytest.mark.parametrize("policy", POLICIES)
def test_dtype_policy_reaches_every_sublayer(policy):
    for block in (encoder(dtype=policy), decoder(dtype=policy)):
        assert {part.dtype_policy.name for part in block._flatten_layers()} == {policy}
        assert {weight.dtype for weight in block.weights} == {"float32"}


def test_weights_and_seed_generators_are_counted():
    assert len(encoder().trainable_weights) == len(encoder().weights) == 8 + 4 + 4
    assert len(decoder().trainable_weights) == len(decoder().weights) == 16 + 6 + 4
    assert len(decoder(memory_dim=None).weights) == 8 + 4 + 4
    assert seed_states(encoder()) == []
    assert len(seed_states(encoder(dropout=0.1))) > 0


def test_a_call_stores_nothing_on_the_block():
    block = decoder()
    x, memory = data()
    block(x, memory)
    before = set(vars(block)), len(block.variables)
    cache = {"cache": block.init_cache(B, MAX_LENGTH), "cache_index": 0}
    block(x, memory, memory_mask=MEMORY_MASK, return_attention_scores=True, **cache)
    assert (set(vars(block)), len(block.variables)) == before
    for value in vars(block).values():
        for leaf in keras.tree.flatten(value):
            assert isinstance(leaf, keras.Variable) or not ops.is_tensor(leaf)


def test_dropout_acts_in_training_alone():
    x, memory = data()
    for dropped, plain, inputs in (
        (encoder(dropout=0.3, seed=1), encoder(), [x]),
        (decoder(dropout=0.3, seed=1), decoder(), [x, memory]),
    ):
        expected = to_numpy(plain(*inputs))
        np.testing.assert_array_equal(to_numpy(dropped(*inputs)), expected)
        assert np.abs(to_numpy(dropped(*inputs, training=True)) - expected).max() > 0.01


def test_another_rank_is_an_error_that_says_so():
    x, memory = data()
    for fresh in (True, False):
        block = TransformerEncoderBlock(N, MLP) if fresh else encoder()
        with pytest.raises(ValueError, match="must have rank 3"):
            block(x[0])
        for arrays, name in (((x[0], memory), "x"), ((x, memory[0]), "memory")):
            block = TransformerDecoderBlock(N, MLP) if fresh else decoder()
            with pytest.raises(ValueError, match=f"`{name}` must have rank 3"):
                block(*arrays)
