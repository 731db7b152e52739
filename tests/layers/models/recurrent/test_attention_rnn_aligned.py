"""AttentionRNN and RecurrentDecoder with the mechanisms that carry an alignment."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import (
    AdditiveAttention,
    AttentionRNN,
    CoverageAttention,
    LocationSensitiveAttention,
    MonotonicAttention,
    RecurrentDecoder,
)
from tests.layers.backend import BACKEND, compiled_with_xla, gradients, randomise, to_numpy
from tests.layers.decoding import DIM, VOCABULARY, DecoderPromises
from tests.layers.decoding import build as build_decoder
from tests.layers.references import mechanisms as reference
from tests.layers.references.recurrent_loop import (
    CELLS,
    INPUT_DIM,
    MEMORY_DIM,
    MEMORY_MASK,
    UNITS,
    B,
    S,
    T,
    close,
    data,
    numpy_cell,
)

ATTENTIONS = {
    "location": (
        lambda **kw: LocationSensitiveAttention(3, filters=2, kernel_size=5, **kw),
        reference.location_sensitive,
    ),
    "location_cumulative": (
        lambda **kw: LocationSensitiveAttention(3, 2, 4, cumulative=True, **kw),
        reference.location_sensitive,
    ),
    "coverage": (lambda **kw: CoverageAttention(3, **kw), reference.coverage),
    "soft": (lambda **kw: MonotonicAttention(3, "soft", **kw), reference.monotonic),
    "hard": (lambda **kw: MonotonicAttention(3, "hard", **kw), reference.monotonic),
}
POLICIES = ["float32", "mixed_float16", "mixed_bfloat16"]
every_attention = pytest.mark.parametrize("attention", ATTENTIONS)


def build(attention, cell="gru", **options):
    layer = AttentionRNN(CELLS[cell](), ATTENTIONS[attention][0](), **options)
    layer.build((B, T, INPUT_DIM), (B, S, MEMORY_DIM))
    return randomise(layer)


def first_alignment(attention, rows=B):
    alignment = np.zeros((rows, S))
    if attention in ("soft", "hard"):
        alignment[:, 0] = 1
    return alignment


def numpy_loop(layer, name, inputs, memory, memory_mask=None):
    """The context of a step goes into the next one's input, its alignment into the next score."""
    mask = np.ones((1, 1, S), bool) if memory_mask is None else memory_mask[:, None]
    states = [np.zeros((B, size)) for size in keras.tree.flatten(layer.cell.state_size)]
    context, alignment = np.zeros((B, MEMORY_DIM)), first_alignment(name)
    sums = name in ("location_cumulative", "coverage")
    outputs, all_weights = [], []
    for t in range(inputs.shape[1]):
        x = np.asarray(inputs[:, t], "float64")
        if layer.input_feeding:
            x = np.concatenate([x, context], axis=-1)
        hidden, states = numpy_cell(layer.cell, x, states)
        context, weights = ATTENTIONS[name][1](
            layer.attention, hidden[:, None], memory, memory, mask, alignment
        )
        context, weights = context[:, 0], weights[:, 0]
        kept = np.broadcast_to(mask, (B, 1, S)).any(-1)
        alignment = np.where(kept, alignment * sums + weights, alignment)
        outputs.append(np.concatenate([hidden, context], axis=-1))
        all_weights.append(weights)
    return np.stack(outputs, 1), np.stack(all_weights, 1), [*states, context, alignment]


@every_attention
@pytest.mark.parametrize("input_feeding", [True, False])
@pytest.mark.parametrize("cell", ["gru", "stacked"])
def test_equals_a_step_by_step_loop(attention, cell, input_feeding):
    layer = build(attention, cell, input_feeding=input_feeding, return_state=True)
    inputs, memory = data()
    empty = MEMORY_MASK.copy()
    empty[0] = False
    for mask in (None, MEMORY_MASK, empty):
        found = layer(inputs, memory, memory_mask=mask, return_attention_scores=True)
        output, weights, *states = to_numpy(found)
        expected = numpy_loop(layer, attention, inputs, memory, mask)
        close(output, expected[0])
        close(weights, expected[1])
        for state, expected_state in zip(states, expected[2], strict=True):
            close(state, expected_state)


@every_attention
@pytest.mark.parametrize("input_feeding", [True, False])
def test_two_calls_with_the_states_between_equal_one(attention, input_feeding):
    layer = build(attention, "lstm", input_feeding=input_feeding, return_state=True)
    inputs, memory = data()
    whole, *last = to_numpy(layer(inputs, memory))
    first, *states = layer(inputs[:, :2], memory)
    assert len(states) == 4
    second, *end = to_numpy(layer(inputs[:, 2:], memory, initial_state=states))
    close(np.concatenate([to_numpy(first), second], axis=1), whole)
    for state, expected in zip(end, last, strict=True):
        close(state, expected)


@every_attention
def test_initial_state_may_be_the_first_of_all(attention):
    layer = build(attention, "lstm")
    inputs, memory = data()
    rng = np.random.default_rng(4)
    sizes = (UNITS, UNITS, MEMORY_DIM)
    full = [rng.normal(size=(B, size)).astype("float32") for size in sizes]
    zeros = np.zeros((B, MEMORY_DIM), "float32")
    begin = first_alignment(attention)
    for given, same in (
        (full[:2], [*full[:2], zeros, begin]),
        (full[:3], [*full, begin]),
    ):
        found = to_numpy(layer(inputs, memory, initial_state=given))
        np.testing.assert_array_equal(found, to_numpy(layer(inputs, memory, initial_state=same)))
    with pytest.raises(ValueError, match=r"2 states.*context and the alignment.*Received 1"):
        layer(inputs, memory, initial_state=full[:1])


def test_the_length_of_the_alignment_must_be_known():
    layer = build("coverage")
    with pytest.raises(ValueError, match=r"CoverageAttention.*key_length"):
        layer.get_initial_state(B, MEMORY_DIM)
    assert layer.get_initial_state(B, MEMORY_DIM, S)[-1].shape == (B, S)


@every_attention
@pytest.mark.parametrize("input_feeding", [True, False])
def test_step_decodes_as_the_loop_does_with_candidates_that_differ(attention, input_feeding):
    layer = build(attention, "lstm", input_feeding=input_feeding)
    candidates, rows = 3, 3 * B
    inputs = np.random.default_rng(5).normal(size=(rows, T, INPUT_DIM)).astype("float32")
    _, memory = data()
    whole, weights = to_numpy(
        layer(inputs, memory, memory_mask=MEMORY_MASK, return_attention_scores=True)
    )
    alone = layer(
        inputs,
        np.repeat(memory, candidates, axis=0),
        memory_mask=np.repeat(MEMORY_MASK, candidates, axis=0),
        return_attention_scores=True,
    )
    close(whole, to_numpy(alone[0]))
    close(weights, to_numpy(alone[1]))
    projected = layer.attention.project_memory(ops.convert_to_tensor(memory))
    states = layer.get_initial_state(rows, MEMORY_DIM, S)
    mask = ops.convert_to_tensor(MEMORY_MASK[:, None])
    for t in range(T):
        x = ops.convert_to_tensor(inputs[:, t])
        output, step_weights, states = layer.step(x, projected, states, mask=mask)
        close(to_numpy(output), whole[:, t])
        close(to_numpy(step_weights), weights[:, t])


@every_attention
@pytest.mark.parametrize("policy", POLICIES)
def test_output_spec_equals_the_eager_shapes_and_dtypes(attention, policy):
    cell = keras.layers.LSTMCell(UNITS, dtype=policy)
    part = ATTENTIONS[attention][0](dtype=policy)
    for return_sequences in (False, True):
        layer = AttentionRNN(
            cell, part, return_sequences=return_sequences, return_state=True, dtype=policy
        )
        inputs, memory = data()
        eager = layer(inputs, memory, return_attention_scores=True)
        spec = layer.compute_output_spec(
            *map(keras.KerasTensor, (inputs.shape, memory.shape)), return_attention_scores=True
        )
        assert len(spec) == len(eager) == 6
        assert spec[-1].dtype == "float32"
        for found, tensor in zip(spec, eager, strict=True):
            assert tuple(found.shape) == tuple(tensor.shape)
            assert found.dtype == keras.backend.standardize_dtype(tensor.dtype)


@every_attention
def test_half_precision_is_close(attention):
    if attention == "hard":
        pytest.skip("which key comes first is no matter of precision")
    found = []
    for policy in POLICIES:
        layer = AttentionRNN(
            keras.layers.LSTMCell(UNITS, dtype=policy),
            ATTENTIONS[attention][0](dtype=policy),
            return_state=True,
            dtype=policy,
        )
        layer.build((B, T, INPUT_DIM), (B, S, MEMORY_DIM))
        found.append(to_numpy(randomise(layer, scale=0.3)(*data(), return_attention_scores=True)))
    for half, tolerance in zip(found[1:], (1e-2, 6e-2), strict=True):
        for array, expected in zip(half, found[0], strict=True):
            np.testing.assert_allclose(array, expected, rtol=tolerance, atol=tolerance)


@every_attention
def test_a_saved_model_of_any_length_loads_equal_and_xla_agrees(attention, tmp_path):
    layer = build(attention, return_state=True)
    inputs, memory = keras.Input((None, INPUT_DIM)), keras.Input((None, MEMORY_DIM))
    model = keras.Model([inputs, memory], layer(inputs, memory, return_attention_scores=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for length in (3, T):
        x, m = data()
        x, m = x[:, :length], m[:, : length + 1]
        expected = to_numpy(layer(x, m, return_attention_scores=True))
        for found, array in zip(loaded.predict([x, m], verbose=0), expected, strict=True):
            close(found, array)
    if BACKEND == "torch":
        return
    function = compiled_with_xla(lambda x, m: layer(x, m, return_attention_scores=True))
    found = to_numpy(function(ops.convert_to_tensor(x), ops.convert_to_tensor(m)))
    for array, expected_array in zip(found, expected, strict=True):
        close(array, expected_array)


@every_attention
def test_gradients_equal_those_of_the_steps_taken_singly(attention):
    layer = build(attention)
    inputs, memory = map(ops.convert_to_tensor, data())

    def looped():
        return ops.sum(ops.square(layer(inputs, memory)))

    def single():
        projected = layer.attention.project_memory(memory)
        states, total = layer.get_initial_state(B, MEMORY_DIM, S), 0.0
        for t in range(T):
            output, _, states = layer.step(inputs[:, t], projected, states)
            total = total + ops.sum(ops.square(output))
        return total

    variables = layer.trainable_variables
    for found, expected, variable in zip(
        gradients(looped, variables), gradients(single, variables), variables, strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
        # The choice of hard attention has no slope.
        assert expected.any() or (attention == "hard" and "cell" not in variable.path)


@every_attention
def test_a_call_stores_nothing_on_the_layer(attention):
    layer = build(attention)
    inputs, memory = data()
    layer(inputs, memory)
    before = [(set(vars(part)), len(part.variables)) for part in layer._flatten_layers()]
    layer(inputs, memory, memory_mask=MEMORY_MASK, return_attention_scores=True, training=True)
    assert [(set(vars(part)), len(part.variables)) for part in layer._flatten_layers()] == before
    for part in layer._flatten_layers():
        for value in vars(part).values():
            for leaf in keras.tree.flatten(value):
                assert isinstance(leaf, keras.Variable) or not ops.is_tensor(leaf)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_each_step_has_noise_of_its_own(input_feeding):
    """With a score of its own bias alone, what differs between steps is the noise."""
    layer = AttentionRNN(
        keras.layers.GRUCell(UNITS),
        MonotonicAttention(3, noise=1.0, seed=2),
        input_feeding=input_feeding,
        return_state=True,
    )
    layer.build((3 * B, T, INPUT_DIM), (B, S, MEMORY_DIM))
    layer.attention.score_scale.assign(0.0)
    layer.attention.score_bias.assign(0.0)
    inputs = np.zeros((3 * B, T, INPUT_DIM), "float32")
    call = dict(return_attention_scores=True, training=True)
    _, weights, *_ = to_numpy(layer(inputs, data()[1], **call))
    alignment, stops = first_alignment("soft", 3 * B), []
    for t in range(T):  # a_0 = p_0 q_0, and q_0 is a_0 of the step before
        stops.append(weights[:, t, 0] / alignment[:, 0])
        alignment = weights[:, t]
    stops = np.array(stops)
    assert len(np.unique(stops.round(5))) == stops.size
    assert np.abs(weights - to_numpy(layer(inputs, data()[1], **call)[1])).max() > 0.01


# The recurrent decoder


class TestDecoder(DecoderPromises):
    @pytest.fixture(params=["location_cumulative", "coverage"])
    def make(self, request):
        def make(**options):
            return RecurrentDecoder(VOCABULARY, DIM, ATTENTIONS[request.param][0](), **options)

        return make


@every_attention
def test_the_decoder_decodes_step_by_step_what_the_whole_pass_says(attention):
    decoder = build_decoder(RecurrentDecoder(VOCABULARY, DIM, ATTENTIONS[attention][0]()))
    candidates, rng = 3, np.random.default_rng(6)
    tokens = rng.integers(0, VOCABULARY, size=(candidates * B, T)).astype("int32")
    memory = rng.normal(size=(B, S, DIM)).astype("float32")
    logits, weights = to_numpy(
        decoder(tokens, memory, memory_mask=MEMORY_MASK, return_attention_scores=True)
    )
    projected, state = decoder.start(
        ops.convert_to_tensor(memory), candidates, T, ops.convert_to_tensor(MEMORY_MASK)
    )
    assert all(part.shape[0] == candidates * B for part in state)
    step = decoder.step if BACKEND == "torch" else compiled_with_xla(decoder.step)
    for t in range(T):
        index = ops.convert_to_tensor(t, dtype="int32")
        found, found_weights, state = step(
            ops.convert_to_tensor(tokens[:, t]), index, projected, state
        )
        close(to_numpy(found), logits[:, t])
        close(to_numpy(found_weights), weights[:, t])


# What they are for


@pytest.mark.parametrize("attention", [AdditiveAttention, LocationSensitiveAttention])
def test_location_sensitive_attention_learns_to_go_along_the_memory(attention):
    """Where queries are all alike and symbols come again, one must know where one was.

    The map itself is the target: learnt from what is copied alone, it depends on the luck of the
    first weights.
    """
    keras.utils.set_random_seed(0)
    symbols, rng = 5, np.random.default_rng(7)

    def batch(number, length):
        tokens = rng.integers(1, symbols, size=(number, length))
        tokens[:, 0] = 0  # the one symbol that tells its place
        return [np.ones((number, length, 1), "float32"), np.eye(symbols, dtype="float32")[tokens]]

    query, value = keras.Input((None, 1)), keras.Input((None, symbols))
    sizes = {} if attention is AdditiveAttention else {"filters": 4, "kernel_size": 3}
    _, weights = attention(16, **sizes)(query, value, return_attention_scores=True)
    model = keras.Model([query, value], weights)
    model.compile(keras.optimizers.Adam(0.05), "categorical_crossentropy")
    model.fit(batch(256, 6), np.tile(np.eye(6), (256, 1, 1)), epochs=4, verbose=0)
    # Memories twice as long as it has ever seen.
    weights = model.predict(batch(64, 12), verbose=0)
    diagonal = (weights.argmax(-1) == np.arange(12)).mean()
    assert diagonal < 0.3 if attention is AdditiveAttention else diagonal > 0.95


def repetition(weights):
    """The coverage loss of See et al. 2017, equation 12, in the mean over the steps."""
    before = ops.cumsum(weights, axis=1) - weights
    return ops.mean(ops.sum(ops.minimum(weights, before), axis=-1))


@pytest.mark.slow
@pytest.mark.parametrize("attention", [AdditiveAttention, CoverageAttention])
def test_coverage_lets_attention_learn_not_to_repeat_itself(attention):
    """Queries that are all alike repeat themselves, unless they know what was said before."""
    keras.utils.set_random_seed(0)
    query, value = keras.Input((4, 3)), keras.Input((5, 8))
    model = keras.Model([query, value], attention(16)(query, value, return_attention_scores=True))
    model.compile(keras.optimizers.Adam(0.03), loss=[None, lambda _, weights: repetition(weights)])
    values = np.random.default_rng(8).normal(size=(64, 5, 8)).astype("float32")
    x, y = [np.ones((64, 4, 3), "float32"), values], [np.zeros((64, 4, 8)), np.zeros((64, 4, 5))]
    history = model.fit(x, y, batch_size=16, epochs=30, verbose=0).history["loss"]
    if attention is AdditiveAttention:
        np.testing.assert_allclose(history[-1], 0.75, atol=1e-5)
    else:
        assert history[-1] < 0.3
