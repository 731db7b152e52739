"""The one loop over time, for what must go one step after the other."""

import keras
from keras import ops


def run_steps(step, inputs, states):
    """Runs `step(inputs, states) -> outputs, states` over time.

    The loop is that of `keras.layers.RNN`, which trains on every backend, and in XLA. It takes one
    sequence, returns one and knows one dtype, so several go through it side by side.

    Args:
        step: from lists of tensors `(B, ·)` to lists of tensors `(B, ·)`.
        inputs: list of sequences `(B, T, ·)`, or `None`, which each step gets as `None`.
        states: list of `(B, ·)`; each keeps its shape and dtype.

    Returns:
        The list of outputs `(B, T, ·)`, of which the last alone may be of a size that is not known
        beforehand, and the list of the states after the last step.
    """
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


def _dtype(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


def _join(tensors, dtype):
    return ops.concatenate([ops.cast(tensor, dtype) for tensor in tensors], axis=-1)


def _cut(joined, sizes, dtypes):
    """Undoes `_join`; the last piece is what is left."""
    pieces, start = [], 0
    for size, dtype in zip(sizes[:-1], dtypes, strict=False):
        pieces.append(ops.cast(joined[..., start : start + size], dtype))
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
