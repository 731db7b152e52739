"""The loop of AttentionRNN in NumPy, one step after the other, and layers to compare with it."""

import keras
import numpy as np

from layers import AdditiveAttention, AttentionRNN, LuongAttention
from tests.layers.backend import randomise
from tests.layers.references import mechanisms as reference

B, T, S, UNITS, INPUT_DIM, MEMORY_DIM = 2, 5, 7, 11, 13, 17

CELLS = {
    "lstm": lambda: keras.layers.LSTMCell(UNITS),
    "gru": lambda: keras.layers.GRUCell(UNITS),
    "simple": lambda: keras.layers.SimpleRNNCell(UNITS),
    "stacked": lambda: keras.layers.StackedRNNCells(
        [keras.layers.GRUCell(3), keras.layers.LSTMCell(UNITS)]
    ),
}
ATTENTIONS = {
    "additive": (lambda: AdditiveAttention(3), reference.additive),
    "luong_general": (lambda: LuongAttention("general"), reference.luong),
    "luong_concat": (lambda: LuongAttention("concat"), reference.luong),
    "luong_dot": (lambda: LuongAttention("dot"), reference.luong),
}
MEMORY_MASK = np.array([[True] * 7, [True, False, True, True, False, False, False]])


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def data(memory_dim=MEMORY_DIM, seed=1):
    rng = np.random.default_rng(seed)
    shapes = ((B, T, INPUT_DIM), (B, S, memory_dim))
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def build(cell="lstm", attention="additive", memory_dim=MEMORY_DIM, **options):
    layer = AttentionRNN(CELLS[cell](), ATTENTIONS[attention][0](), **options)
    layer.build((B, T, INPUT_DIM), (B, S, memory_dim))
    return randomise(layer)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_cell(cell, x, states):
    """Returns the output and the flat states of a Keras cell after one step."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        states, after = list(states), []
        for part in cell.cells:
            size = len(keras.tree.flatten(part.state_size))
            x, new = numpy_cell(part, x, states[:size])
            states, after = states[size:], [*after, *new]
        return x, after
    kernel, recurrent, bias = (np.asarray(weight, "float64") for weight in cell.get_weights())
    h = states[0]
    if isinstance(cell, keras.layers.LSTMCell):
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return h, [h, c]
    if isinstance(cell, keras.layers.GRUCell):
        xz, xr, xh = np.split(x @ kernel + bias[0], 3, axis=-1)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, axis=-1)
        update = sigmoid(xz + hz)
        h = update * h + (1 - update) * np.tanh(xh + sigmoid(xr + hr) * hh)
        return h, [h]
    h = np.tanh(x @ kernel + h @ recurrent + bias)
    return h, [h]


def numpy_loop(layer, attend, inputs, memory, memory_mask=None, states=None):
    """Luong et al. 2015, section 3.3: the context of a step goes into the next one's input."""
    sizes = [*keras.tree.flatten(layer.cell.state_size), memory.shape[-1]]
    if states is None:
        states = [np.zeros((B, size)) for size in sizes]
    mask = np.ones((1, 1, S), bool) if memory_mask is None else memory_mask[:, None]
    *cell_states, context = states
    outputs, all_weights = [], []
    for t in range(inputs.shape[1]):
        x = np.asarray(inputs[:, t], "float64")
        if layer.input_feeding:
            x = np.concatenate([x, context], axis=-1)
        hidden, cell_states = numpy_cell(layer.cell, x, cell_states)
        context, weights = attend(layer.attention, hidden[:, None], memory, memory, mask)
        context = context[:, 0]
        outputs.append(np.concatenate([hidden, context], axis=-1))
        all_weights.append(weights[:, 0])
    return np.stack(outputs, 1), np.stack(all_weights, 1), [*cell_states, context]
