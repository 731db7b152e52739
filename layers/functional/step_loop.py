"""The one loop over time, for what must go one step after the other."""

import keras
from keras import ops

from .sizes import known


def run_steps(step, inputs, states, mask=None, size=None):
    """Runs `step(inputs, states) -> outputs, states` over time.

    The loop is that of `keras.layers.RNN`, which trains on every backend, and in XLA. It takes one
    sequence, returns one and knows one dtype, so several go through it side by side.

    Args:
        step: from lists of tensors `(B, ·)` to lists of tensors `(B, ·)`.
        inputs: list of sequences `(B, T, ·)`, or `None`, which each step gets as `None`.
        states: list of `(B, ·)`; each keeps its shape and dtype.
        mask: boolean `(B, T, 1)`, or `None`. Where it is False, a step changes no state, and its
            first output is that of the step before, zeros at first.
        size: of the first output, to be given with a mask.

    Returns:
        The list of outputs `(B, T, ·)`, of which the last alone may be of a size that is not known
        beforehand, and the list of the states after the last step.
    """
    if mask is not None:
        first = ops.zeros((ops.shape(mask)[0], size), dtype=_dtype(states[0]))
        mask = ops.cast(mask, _dtype(states[0]))
        outputs, states = run_steps(_hold(step), [*inputs, mask], [*states, first])
        return outputs, states[:-1]

    given = [x for x in inputs if x is not None]
    input_sizes, input_dtypes = [ops.shape(x)[-1] for x in given], [_dtype(x) for x in given]
    state_dtypes = [_dtype(state) for state in states]
    dtype = keras.backend.result_type(*state_dtypes)
    output_sizes, output_dtypes = [], []

    def call(x, before):
        pieces = iter(_cut(x, input_sizes, input_dtypes))
        before = [ops.cast(*pair) for pair in zip(before, state_dtypes, strict=True)]
        outputs, after = step([None if x is None else next(pieces) for x in inputs], before)
        output_sizes[:] = [output.shape[-1] for output in outputs]
        output_dtypes[:] = [_dtype(output) for output in outputs]
        # TensorFlow's loop refuses a state of which it knows less than it did before the step.
        after = [ops.reshape(new, ops.shape(old)) for new, old in zip(after, before, strict=True)]
        return _join(outputs, dtype), [ops.cast(state, dtype) for state in after]

    cell = _StepCell(call, [state.shape[-1] for state in states], dtype)
    loop = keras.layers.RNN(cell, return_sequences=True, return_state=True, dtype=dtype)
    outputs, *states = loop(_join(given, dtype), initial_state=list(states))
    states = [ops.cast(*pair) for pair in zip(states, state_dtypes, strict=True)]
    return _cut(outputs, output_sizes, output_dtypes), states


def _hold(step):
    """The step with a mask as its last input and the first output of the one before as a state."""

    def held(inputs, states):
        (*inputs, mask), (*states, output) = inputs, states
        outputs, after = step(inputs, states)
        here = mask > 0
        output = ops.where(here, outputs[0], output)
        after = [ops.where(here, *pair) for pair in zip(after, states, strict=True)]
        return [output, *outputs[1:]], [*after, output]

    return held


def _dtype(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


def _join(tensors, dtype):
    return ops.concatenate([ops.cast(tensor, dtype) for tensor in tensors], axis=-1)


def _cut(joined, sizes, dtypes):
    """Undoes `_join`; the last piece is what is left."""
    pieces, start = [], 0
    for size, dtype in zip(sizes[:-1], dtypes, strict=False):
        piece = joined[..., start : start + size]
        if known(size) and not known(piece.shape[-1]):  # Lost to TensorFlow beside an unknown one.
            piece = ops.reshape(piece, (*ops.shape(piece)[:-1], size))
        pieces.append(ops.cast(piece, dtype))
        start = start + size
    return [*pieces, ops.cast(joined[..., start:], dtypes[-1])]


class _StepCell:
    """A function as a cell of `keras.layers.RNN`."""

    def __init__(self, step, state_size, compute_dtype):
        self.call = step
        self.state_size = state_size
        self.compute_dtype = compute_dtype

    def __call__(self, inputs, states):
        return self.call(inputs, states)
