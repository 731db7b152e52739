"""AttentionRNN over padded inputs, and with the attentional vector of Luong."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from tests.layers.backend import gradients, implicit_mask, randomise, to_numpy

B, T, S, E, M, UNITS, SIZE = 3, 5, 7, 2, 11, 13, 17
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(B, T, E)).astype("float32")
MEMORY = RNG.normal(size=(B, S, M)).astype("float32")
LENGTHS = (5, 3, 0)
MASK = np.arange(T) < np.array(LENGTHS)[:, None]
PADDED = np.where(MASK[..., None], INPUTS, 99.0).astype("float32")


def build(attention=layers.AdditiveAttention, cell=None, **options):
    cell = keras.layers.LSTMCell(UNITS) if cell is None else cell
    rnn = layers.AttentionRNN(cell, attention(3), return_state=True, **options)
    rnn.build((B, T, E), (B, S, M))
    return randomise(rnn)


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size", [None, SIZE])
@pytest.mark.parametrize("attention", [layers.AdditiveAttention, layers.CoverageAttention])
@pytest.mark.parametrize("input_feeding", [True, False])
def test_a_padded_batch_equals_the_sequences_alone(input_feeding, attention, size):
    rnn = build(attention, input_feeding=input_feeding, attention_layer_size=size)
    output, weights, *states = to_numpy(
        rnn(PADDED, MEMORY, mask=MASK, return_attention_scores=True)
    )
    for i, n in enumerate(LENGTHS[:2]):
        alone = rnn(INPUTS[i : i + 1, :n], MEMORY[i : i + 1], return_attention_scores=True)
        alone_output, alone_weights, *alone_states = to_numpy(alone)
        close(output[i, :n], alone_output[0])
        close(output[i, n:], np.repeat(alone_output[0, -1:], T - n, axis=0))
        close(weights[i, :n], alone_weights[0])
        assert not weights[i, n:].any()
        for found, expected in zip(states, alone_states, strict=True):
            close(found[i], expected[0])
    assert not output[2].any() and not any(state[2].any() for state in states)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_padding_may_stand_anywhere_and_the_first_state_is_kept(input_feeding):
    cell = keras.layers.StackedRNNCells([keras.layers.GRUCell(3), keras.layers.LSTMCell(UNITS)])
    rnn = build(cell=cell, input_feeding=input_feeding, return_sequences=False)
    given = [RNG.normal(size=(B, n)).astype("float32") for n in (3, UNITS, UNITS, M)]
    mask = np.array([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]], bool)
    last, *states = to_numpy(rnn(INPUTS, MEMORY, mask=mask, initial_state=given))
    for i in (0, 2):
        first = [state[i : i + 1] for state in given]
        kept = INPUTS[i : i + 1, mask[i]]
        expected, *alone = to_numpy(rnn(kept, MEMORY[i : i + 1], initial_state=first))
        close(last[i], expected[0])
        for found, state in zip(states, alone, strict=True):
            close(found[i], state[0])
    for found, state in zip(states, given, strict=True):
        close(found[1], state[1])


def test_it_is_what_the_rnn_of_keras_does():
    """Of a memory of zeros nothing is seen, and the cell alone is left."""
    rnn = build(input_feeding=False)
    plain = keras.layers.RNN(rnn.cell, return_sequences=True, return_state=True)
    output, *states = to_numpy(rnn(PADDED, 0 * MEMORY, mask=MASK))
    expected, *cell_states = to_numpy(plain(PADDED, mask=ops.convert_to_tensor(MASK)))
    close(output[..., :UNITS], expected)
    assert not output[..., UNITS:].any()
    for found, state in zip(states, cell_states, strict=False):
        close(found, state)


def test_the_mask_that_inputs_carry_is_taken_and_handed_on():
    tokens = np.where(MASK, 1, 0)
    embedding = keras.layers.Embedding(2, E, mask_zero=True)
    rnn = build()
    carried = rnn(embedding(tokens), MEMORY)
    given = rnn(ops.convert_to_tensor(to_numpy(embedding(tokens))), MEMORY, mask=MASK)
    for found, expected in zip(to_numpy(carried), to_numpy(given), strict=True):
        np.testing.assert_array_equal(found, expected)
    for output in (carried[0], given[0]):
        np.testing.assert_array_equal(implicit_mask(output), MASK)
    model_tokens, memory = keras.Input((None,), dtype="int32"), keras.Input((None, M))
    model = keras.Model([model_tokens, memory], rnn(embedding(model_tokens), memory))
    close(model.predict([tokens, MEMORY], verbose=0)[0], to_numpy(carried[0]))


def test_no_gradient_comes_from_padding():
    rnn = build()
    inputs = keras.Variable(PADDED)
    (gradient,) = gradients(
        lambda: ops.sum(ops.square(rnn(ops.convert_to_tensor(inputs), MEMORY, mask=MASK)[0])),
        [inputs],
    )
    assert np.isfinite(gradient).all() and not gradient[~MASK].any()
    assert (np.abs(gradient[MASK]) > 0).any(-1).all()


def test_the_attentional_vector_is_fed_as_in_luong():
    """Section 3.3: `h_t = cell([x_t; a_{t-1}])` and `a_t = tanh(W [h_t; c_t])`."""
    rnn = build(attention_layer_size=SIZE)
    output, weights, *states = to_numpy(rnn(INPUTS, MEMORY, return_attention_scores=True))
    matrix = to_numpy(rnn.attention_projection.kernel)
    assert matrix.shape == (UNITS + M, SIZE)
    fed, cell_states = np.zeros((B, SIZE), "float32"), [np.zeros((B, UNITS), "float32")] * 2
    for t in range(T):
        x = np.concatenate([INPUTS[:, t], fed], axis=-1)
        hidden, cell_states = rnn.cell(ops.convert_to_tensor(x), cell_states)
        context, step_weights = to_numpy(
            rnn.attention(hidden[:, None], MEMORY, return_attention_scores=True)
        )
        fed = np.tanh(np.concatenate([to_numpy(hidden), context[:, 0]], axis=-1) @ matrix)
        close(output[:, t], fed)
        close(weights[:, t], step_weights[:, 0])
    close(states[-1], fed)
    for found, expected in zip(states, [*to_numpy(cell_states), fed], strict=True):
        close(found, expected)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_the_attentional_vector_in_steps_in_a_model_and_in_its_configuration(
    input_feeding, tmp_path
):
    rnn = build(attention_layer_size=SIZE, input_feeding=input_feeding)
    output = to_numpy(rnn(INPUTS, MEMORY)[0])
    state = rnn.get_initial_state(B, M)
    assert [tuple(x.shape) for x in state] == [(B, UNITS), (B, UNITS), (B, SIZE)]
    memory = rnn.attention.project_memory(ops.convert_to_tensor(MEMORY))
    for t in range(T):
        step, _, state = rnn.step(ops.convert_to_tensor(INPUTS[:, t]), memory, state)
        close(to_numpy(step), output[:, t])
    inputs, keys = keras.Input((None, E)), keras.Input((None, M))
    results = rnn(inputs, keys)
    assert [x.shape for x in results] == [(None, None, SIZE), *[(None, UNITS)] * 2, (None, SIZE)]
    keras.Model([inputs, keys], results).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    close(to_numpy(loaded([INPUTS, MEMORY])[0]), output)
    assert loaded.layers[-1].get_config()["attention_layer_size"] == SIZE


@pytest.mark.parametrize("size", [0, -1, 2.5, "17"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="`attention_layer_size` must be a positive integer"):
        build(attention_layer_size=size)
