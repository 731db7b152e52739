"""The mechanisms that go step by step: under the harness, and what they promise beyond it."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from tests.layers.backend import BACKEND, gradients, randomise, to_numpy
from tests.layers.harness import Promises
from tests.layers.mechanism import INITIALIZATION, B, Mechanism, S, T, attend, close
from tests.layers.references import mechanisms as reference

MECHANISMS = [
    Mechanism(
        name,
        layers.LocationSensitiveAttention,
        {"units": 11, "filters": 3, "kernel_size": size, "cumulative": cumulative},
        reference.location_sensitive,
        weights=7,
        options=dict(
            units=11,
            filters=3,
            kernel_size=5,
            cumulative=True,
            use_bias=False,
            dropout=0.1,
            seed=3,
            **INITIALIZATION,
        ),
        recurrent=True,
    )
    for name, size, cumulative in (("location", 5, False), ("location_cumulative", 4, True))
]
MECHANISMS += [
    Mechanism(
        "coverage",
        layers.CoverageAttention,
        {"units": 11},
        reference.coverage,
        weights=6,
        options=dict(units=11, use_bias=False, dropout=0.1, seed=3, **INITIALIZATION),
        recurrent=True,
    ),
    Mechanism(
        "monotonic",
        layers.MonotonicAttention,
        {"units": 11, "mode": "soft", "noise": 0.0, "initial_bias": 0.0},
        reference.monotonic,
        weights=7,
        options=dict(
            units=11,
            mode="soft",
            noise=0.5,
            initial_bias=-1.0,
            use_bias=False,
            dropout=0.1,
            seed=3,
            **INITIALIZATION,
        ),
        recurrent=True,
        partial_rows=True,
    ),
]
HARD = Mechanism(
    "monotonic_hard",
    layers.MonotonicAttention,
    {"units": 11, "mode": "hard"},
    reference.monotonic,
    weights=7,
)
by_name = {"ids": lambda mechanism: mechanism.name}


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS, **by_name)
class TestMechanisms(Promises):
    pass


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize("use_causal_mask", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS, **by_name)
def test_each_equals_the_numpy_reference(mechanism, use_causal_mask, with_key):
    Promises().test_equals_the_numpy_reference(mechanism, with_key, use_causal_mask)


def carried(mechanism, weights):
    """The alignment after these weights `(B, T, S)`."""
    sums = mechanism.name in ("location_cumulative", "coverage")
    return weights.sum(1) if sums else weights[:, -1]


@pytest.mark.parametrize("mechanism", [*MECHANISMS, HARD], **by_name)
def test_two_calls_with_the_weights_between_equal_one_and_the_reference(mechanism):
    layer, inputs = mechanism.build(), mechanism.inputs()
    output, weights = attend(layer, inputs)
    halves = [{**inputs, "query": part} for part in np.split(inputs["query"], [2], axis=1)]
    first_output, first = attend(layer, halves[0])
    alignment = carried(mechanism, first)
    second_output, second = attend(layer, halves[1], previous_weights=alignment)
    close(np.concatenate([first, second], axis=1), weights)
    close(np.concatenate([first_output, second_output], axis=1), output)
    value = inputs["value"]
    close(
        mechanism.reference(
            layer, halves[1]["query"], value, value, np.ones((1, 1, 1), bool), alignment
        )[1],
        second,
    )
    if mechanism is not HARD:  # where it stops, the place it began at may make no difference
        assert np.abs(second - attend(layer, halves[1])[1]).max() > 1e-4


@pytest.mark.parametrize("mechanism", [*MECHANISMS, HARD], **by_name)
def test_a_step_takes_queries_side_by_side_that_do_not_see_each_other(mechanism):
    layer, inputs = mechanism.build(), mechanism.inputs()
    rng = np.random.default_rng(4)
    alignment = rng.dirichlet(np.ones(S), size=(B, T)).astype("float32")
    mask = rng.random((B, T, S)) < 0.7
    mask[1, 2] = False
    memory = layer.project_memory(ops.convert_to_tensor(inputs["value"]))
    found = layer.attend_step(
        ops.convert_to_tensor(inputs["query"]),
        memory,
        ops.convert_to_tensor(alignment),
        ops.convert_to_tensor(mask),
    )
    context, weights, after = to_numpy(found)
    for k in range(T):
        expected_context, expected = mechanism.reference(
            layer,
            inputs["query"][:, k : k + 1],
            inputs["value"],
            inputs["value"],
            mask[:, k : k + 1],
            alignment[:, k],
        )
        close(weights[:, k], expected[:, 0])
        close(context[:, k], expected_context[:, 0])
        sums = mechanism.name in ("location_cumulative", "coverage")
        expected_after = alignment[:, k] * sums + expected[:, 0]
        kept = mask[:, k].any(-1, keepdims=True)
        close(after[:, k], np.where(kept, expected_after, alignment[:, k]))
    np.testing.assert_array_equal(after[1, 2], alignment[1, 2])


@pytest.mark.parametrize("mechanism", MECHANISMS, **by_name)
def test_gradients_flow_through_the_alignment_into_the_queries_before(mechanism):
    layer, inputs = mechanism.build(), mechanism.inputs()
    query = keras.Variable(inputs["query"])

    def loss():
        _, weights = layer(
            ops.convert_to_tensor(query), inputs["value"], return_attention_scores=True
        )
        return ops.sum(ops.square(weights[:, -1]))

    (found,) = gradients(loss, [query])
    assert np.isfinite(found).all()
    assert (np.abs(found).max(axis=(0, 2)) > 1e-9).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("mechanism", MECHANISMS, **by_name)
def test_the_alignment_keeps_its_precision(mechanism, policy):
    layer = mechanism.build(dtype=policy)
    inputs = mechanism.inputs()
    memory = layer.project_memory(ops.cast(inputs["value"], layer.compute_dtype))
    alignment = layer.initial_alignment(B, S)[:, None] + 1.0
    query = ops.cast(inputs["query"][:, :1], layer.compute_dtype)
    _, weights, after = layer.attend_step(query, memory, alignment)
    assert keras.backend.standardize_dtype(weights.dtype) == layer.compute_dtype
    assert keras.backend.standardize_dtype(after.dtype) == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", MECHANISMS, **by_name)
def test_trains_in_xla_and_at_lengths_unknown_beforehand(mechanism):
    """The loop, the convolution and the recurrence have gradients under every compiler."""
    if BACKEND == "torch":
        pytest.skip("the PyTorch backend has no XLA")
    losses = []
    for jit in (True, False):
        keras.utils.set_random_seed(0)
        query = keras.Input((None, mechanism.query_dim))
        value = keras.Input((None, mechanism.value_dim))
        model = keras.Model([query, value], mechanism.make()(query, value))
        randomise(model)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        rng, found = np.random.default_rng(5), []
        for batch, length, key_length in ((2, 3, 7), (3, 2, 5), (2, 3, 7), (2, 3, 11)):
            x = [
                rng.normal(size=(batch, length, mechanism.query_dim)),
                rng.normal(size=(batch, key_length, mechanism.value_dim)),
            ]
            y = rng.normal(size=(batch, length, mechanism.value_dim))
            found.append(float(model.train_on_batch(x, y)))
        losses.append(found)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize("mechanism", MECHANISMS, **by_name)
def test_masks_with_heads_are_refused(mechanism):
    layer, inputs = mechanism.build(), mechanism.inputs()
    with pytest.raises(ValueError, match="no heads"):
        layer(**inputs, attention_mask=np.ones((B, 3, T, S), bool))
