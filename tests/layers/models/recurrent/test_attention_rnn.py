"""AttentionRNN beside a loop in NumPy that takes one step after the other."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from layers import AdditiveAttention, AttentionRNN, MultiHeadAttention
from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    to_numpy,
)
from tests.layers.references import mechanisms as reference
from tests.layers.references.recurrent_loop import (
    ATTENTIONS,
    CELLS,
    INPUT_DIM,
    MEMORY_DIM,
    MEMORY_MASK,
    UNITS,
    B,
    S,
    T,
    build,
    close,
    data,
    numpy_loop,
)


@pytest.mark.parametrize("input_feeding", [True, False])
@pytest.mark.parametrize(
    "cell, attention",
    [
        ("lstm", "additive"),
        ("lstm", "luong_general"),
        ("gru", "additive"),
        ("gru", "luong_concat"),
        ("gru", "luong_dot"),
        ("simple", "luong_general"),
        ("stacked", "additive"),
    ],
)
def test_equals_a_step_by_step_loop(cell, attention, input_feeding):
    memory_dim = UNITS if attention == "luong_dot" else MEMORY_DIM
    layer = build(cell, attention, memory_dim, input_feeding=input_feeding, return_state=True)
    inputs, memory = data(memory_dim)
    for mask in (None, MEMORY_MASK):
        found = layer(inputs, memory, memory_mask=mask, return_attention_scores=True)
        output, weights, *states = to_numpy(found)
        expected = numpy_loop(layer, ATTENTIONS[attention][1], inputs, memory, mask)
        close(output, expected[0])
        close(weights, expected[1])
        assert len(states) == len(expected[2])
        for state, expected_state in zip(states, expected[2], strict=True):
            close(state, expected_state)


@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("return_scores", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_returns_what_is_asked_for_flat_and_in_order(return_sequences, return_scores, return_state):
    options = {"return_sequences": return_sequences, "return_state": return_state}
    layer = build("stacked", **options)
    inputs, memory = data()
    returned = layer(inputs, memory, return_attention_scores=return_scores)
    found = to_numpy(list(returned) if isinstance(returned, tuple | list) else [returned])
    output, weights, states = numpy_loop(layer, reference.additive, inputs, memory)
    expected = [output if return_sequences else output[:, -1]]
    expected += [weights] * return_scores + states * return_state
    assert len(found) == len(expected)
    for array, expected_array in zip(found, expected, strict=True):
        close(array, expected_array)


@pytest.mark.parametrize("input_feeding", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru", "stacked"])
def test_two_calls_with_the_states_between_equal_one(cell, input_feeding):
    layer = build(cell, input_feeding=input_feeding, return_state=True)
    inputs, memory = data()
    whole, *last = to_numpy(layer(inputs, memory))
    first, *states = layer(inputs[:, :2], memory)
    second, *end = to_numpy(layer(inputs[:, 2:], memory, initial_state=states))
    close(np.concatenate([to_numpy(first), second], axis=1), whole)
    for state, expected in zip(end, last, strict=True):
        close(state, expected)


@pytest.mark.parametrize("cell, number", [("lstm", 2), ("gru", 1), ("stacked", 3)])
def test_initial_state_may_be_the_cells_alone(cell, number):
    layer = build(cell)
    inputs, memory = data()
    rng = np.random.default_rng(4)
    sizes = keras.tree.flatten(layer.cell.state_size)
    states = [rng.normal(size=(B, size)).astype("float32") for size in sizes]
    assert len(states) == number
    zeros = np.zeros((B, MEMORY_DIM), "float32")
    context = rng.normal(size=(B, MEMORY_DIM)).astype("float32")
    for given, full in (
        (states, [*states, zeros]),
        ([*states, context], [*states, context]),
    ):
        found = to_numpy(layer(inputs, memory, initial_state=given))
        close(found, numpy_loop(layer, reference.additive, inputs, memory, states=full)[0])


def test_a_wrong_number_of_states_is_refused():
    layer = build("lstm")
    inputs, memory = data()
    with pytest.raises(ValueError, match=r"2 states.*Received 1"):
        layer(inputs, memory, initial_state=[np.zeros((B, UNITS), "float32")])


def test_a_masked_memory_position_has_no_influence():
    layer = build()
    inputs, memory = data()
    output, weights = to_numpy(
        layer(inputs, memory, memory_mask=MEMORY_MASK, return_attention_scores=True)
    )
    assert not weights[~np.broadcast_to(MEMORY_MASK[:, None], weights.shape)].any()
    close(weights.sum(-1), 1)
    memory[~MEMORY_MASK] += 100.0
    np.testing.assert_array_equal(to_numpy(layer(inputs, memory, memory_mask=MEMORY_MASK)), output)


def test_the_implicit_mask_of_the_memory_is_picked_up_and_an_explicit_one_takes_its_place():
    layer = build()
    inputs, _ = data()
    tokens = np.array([[1, 2, 1, 2, 0, 0, 0], [2, 0, 2, 1, 0, 1, 2]])
    memory = keras.layers.Embedding(3, MEMORY_DIM, mask_zero=True)(tokens)
    plain = to_numpy(memory)
    found = to_numpy(layer(inputs, memory))
    close(found, to_numpy(layer(inputs, plain, memory_mask=tokens != 0)))
    assert np.abs(found - to_numpy(layer(inputs, plain))).max() > 0.01
    explicit = to_numpy(layer(inputs, memory, memory_mask=MEMORY_MASK))
    close(explicit, to_numpy(layer(inputs, plain, memory_mask=MEMORY_MASK)))


def test_output_carries_the_mask_of_the_inputs_if_it_is_a_sequence():
    tokens = np.array([[1, 2, 1, 0, 0], [2, 1, 1, 1, 0]])
    inputs = keras.layers.Embedding(3, INPUT_DIM, mask_zero=True)(tokens)
    _, memory = data()
    np.testing.assert_array_equal(implicit_mask(build()(inputs, memory)), tokens != 0)
    assert implicit_mask(build(return_sequences=False)(inputs, memory)) is None


def test_an_empty_memory_gives_zero_weights_zero_context_and_finite_gradients():
    layer = build()
    inputs, memory = data()
    mask = MEMORY_MASK.copy()
    mask[1] = False
    output, weights = to_numpy(
        layer(inputs, memory, memory_mask=mask, return_attention_scores=True)
    )
    assert not weights[1].any()
    assert not output[1, :, UNITS:].any()
    found = gradients(
        lambda: ops.sum(ops.square(layer(inputs, memory, memory_mask=mask))),
        layer.trainable_variables,
    )
    assert all(np.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_keys_are_projected_once(input_feeding, monkeypatch):
    layer = build(input_feeding=input_feeding)
    projection, calls = layer.attention.key_projection, []
    call = projection.call

    def counted(*args, **kwargs):
        calls.append(args)
        return call(*args, **kwargs)

    counted.__signature__ = inspect.signature(call)
    monkeypatch.setattr(projection, "call", counted)
    layer(*data())
    assert len(calls) == 1


@pytest.mark.parametrize("input_feeding", [True, False])
def test_the_future_has_no_influence(input_feeding):
    layer = build("gru", input_feeding=input_feeding)
    inputs, memory = data()
    output = to_numpy(layer(inputs, memory))
    inputs[:, 3:] += 100.0
    np.testing.assert_array_equal(to_numpy(layer(inputs, memory))[:, :3], output[:, :3])


@pytest.mark.parametrize("cell", ["lstm", "stacked"])
def test_step_decodes_as_the_loop_does_with_candidates_side_by_side(cell):
    layer = build(cell)
    inputs, memory = data()
    whole, weights = to_numpy(
        layer(inputs, memory, memory_mask=MEMORY_MASK, return_attention_scores=True)
    )
    candidates = 3
    projected = layer.attention.project_memory(ops.convert_to_tensor(memory))
    states = layer.get_initial_state(B * candidates, MEMORY_DIM)
    for t in range(T):
        x = ops.repeat(ops.convert_to_tensor(inputs[:, t]), candidates, axis=0)
        mask = ops.convert_to_tensor(MEMORY_MASK[:, None])
        output, step_weights, states = layer.step(x, projected, states, mask=mask)
        close(to_numpy(output), np.repeat(whole[:, t], candidates, axis=0))
        close(to_numpy(step_weights), np.repeat(weights[:, t], candidates, axis=0))


@pytest.mark.parametrize("input_feeding", [True, False])
def test_dropout_acts_in_training_alone_and_leaves_the_weights_returned(input_feeding):
    def make():
        layer = AttentionRNN(
            keras.layers.LSTMCell(UNITS, dropout=0.3, recurrent_dropout=0.3, seed=1),
            AdditiveAttention(3, dropout=0.5, seed=2),
            input_feeding=input_feeding,
        )
        layer.build((B, T, INPUT_DIM), (B, S, MEMORY_DIM))
        return randomise(layer)

    inputs, memory = data()
    one, other = make(), make()
    output = to_numpy(one(inputs, memory, training=True))
    same, weights = to_numpy(other(inputs, memory, training=True, return_attention_scores=True))
    close(output, same)
    close(weights.sum(-1), 1)
    inference = to_numpy(one(inputs, memory))
    close(inference, numpy_loop(one, reference.additive, inputs, memory)[0])
    assert np.abs(output - inference).max() > 0.01
    again = to_numpy(one(inputs, memory, training=True))
    assert np.abs(output - again).max() > 0.01


def functional(layer, length=None):
    inputs, memory = keras.Input((length, INPUT_DIM)), keras.Input((length, MEMORY_DIM))
    return keras.Model([inputs, memory], layer(inputs, memory, return_attention_scores=True))


@pytest.mark.parametrize("cell, attention", [("lstm", "additive"), ("stacked", "luong_general")])
def test_a_saved_model_of_any_length_loads_equal(cell, attention, tmp_path):
    layer = build(cell, attention, input_feeding=True, return_sequences=False, return_state=True)
    model = functional(layer)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    config, original = loaded.layers[-1].get_config(), layer.get_config()
    names = inspect.signature(AttentionRNN.__init__).parameters
    assert set(names) - {"self", "kwargs"} <= set(config)
    for name, value in original.items():
        found = config[name]["class_name"] if name in ("cell", "attention") else config[name]
        assert found == (value["class_name"] if name in ("cell", "attention") else value)
    for length in (3, T):
        inputs, memory = (x[:, :length] for x in data())
        expected = to_numpy(layer(inputs, memory, return_attention_scores=True))
        for found, array in zip(loaded.predict([inputs, memory], verbose=0), expected, strict=True):
            close(found, array)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_output_spec_equals_the_eager_shapes_and_dtypes(return_sequences, policy):
    cell = keras.layers.LSTMCell(UNITS, dtype=policy)
    layer = AttentionRNN(
        cell,
        AdditiveAttention(3, dtype=policy),
        return_sequences=return_sequences,
        return_state=True,
        dtype=policy,
    )
    inputs, memory = data()
    eager = layer(inputs, memory, return_attention_scores=True)
    spec = layer.compute_output_spec(
        *map(keras.KerasTensor, (inputs.shape, memory.shape)), return_attention_scores=True
    )
    assert len(spec) == len(eager) == 5
    for found, tensor in zip(spec, eager, strict=True):
        assert tuple(found.shape) == tuple(tensor.shape)
        assert found.dtype == keras.backend.standardize_dtype(tensor.dtype)


def test_a_call_stores_nothing_on_the_layer():
    layer = build()
    inputs, memory = data()
    layer(inputs, memory)
    before = set(vars(layer)), len(layer.variables)
    layer(inputs, memory, memory_mask=MEMORY_MASK, return_attention_scores=True, training=True)
    assert (set(vars(layer)), len(layer.variables)) == before
    for value in vars(layer).values():
        for leaf in keras.tree.flatten(value):
            assert isinstance(leaf, keras.Variable) or not ops.is_tensor(leaf)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_xla_equals_eager(input_feeding):
    layer = build(input_feeding=input_feeding)
    inputs, memory = map(ops.convert_to_tensor, data())
    function = compiled_with_xla(lambda x, m: layer(x, m, return_attention_scores=True))
    for found, expected in zip(
        to_numpy(function(inputs, memory)),
        to_numpy(layer(inputs, memory, return_attention_scores=True)),
        strict=True,
    ):
        close(found, expected)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_gradients_equal_those_of_the_steps_taken_singly(input_feeding):
    layer = build(input_feeding=input_feeding)
    inputs, memory = map(ops.convert_to_tensor, data())

    def looped():
        return ops.sum(ops.square(layer(inputs, memory)))

    def single():
        projected = layer.attention.project_memory(memory)
        states, total = layer.get_initial_state(B, MEMORY_DIM), 0.0
        for t in range(T):
            output, _, states = layer.step(inputs[:, t], projected, states)
            total = total + ops.sum(ops.square(output))
        return total

    variables = layer.trainable_variables
    for found, expected in zip(
        gradients(looped, variables), gradients(single, variables), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        assert expected.any()


@pytest.mark.slow
def test_training_lowers_the_loss_with_dropout_in_cell_and_attention():
    keras.utils.set_random_seed(0)
    layer = AttentionRNN(
        keras.layers.GRUCell(UNITS, dropout=0.1), AdditiveAttention(3, dropout=0.1)
    )
    inputs, memory = keras.Input((T, INPUT_DIM)), keras.Input((S, MEMORY_DIM))
    model = keras.Model([inputs, memory], keras.layers.Dense(1)(layer(inputs, memory)))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    target = np.random.default_rng(8).normal(size=(B, T, 1))
    losses = model.fit(data(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_a_multi_head_attention_is_refused():
    with pytest.raises(ValueError, match=r"single-head.*MultiHeadAttention"):
        AttentionRNN(keras.layers.LSTMCell(UNITS), MultiHeadAttention(2, 3))


def test_what_is_no_cell_is_refused():
    with pytest.raises(ValueError, match="cell"):
        AttentionRNN("lstm", AdditiveAttention(3))


@pytest.mark.parametrize("place, name", [(0, "inputs"), (1, "memory")])
def test_another_rank_is_an_error_that_says_so(place, name):
    arrays = data()
    arrays[place] = arrays[place][0]
    for layer in (AttentionRNN(CELLS["gru"](), AdditiveAttention(3)), build("gru")):
        with pytest.raises(ValueError, match=f"`{name}` must have rank 3"):
            layer(*arrays)
