"""A loop over blocks of rows, whose backward pass computes each block again."""

import keras
from keras import ops

from .sizes import is_expression, known

FEW = 8  # Rows of a block where what a row takes is an expression, and nothing says how many.


class RowBlocks:
    """Cuts T rows into blocks of `rows`; the last one is filled up with zeros.

    Args:
        length: T.
        row_elements: what one row takes, in elements.
        elements: what one block may take.
        most: rows of the largest block; by default T.
    """

    def __init__(self, length, row_elements, elements, most=None):
        if known(length, row_elements):
            rows = max(1, min(elements // row_elements, length, most or length))
        elif not (is_expression(length) or is_expression(row_elements)):
            most = length if most is None else ops.minimum(length, most)
            rows = ops.clip(elements // row_elements, 1, most)
        elif keras.backend.backend() == "torch":
            rows = length  # `torch.export` follows no loop over a number of blocks it cannot know.
        else:
            rows = min(most or FEW, length) if known(length) else most or FEW
        self.length, self.rows = length, rows
        self.count = 1 if rows is length else (length + rows - 1) // rows
        self.padded = length if rows is length else self.count * self.rows
        self.extra = 0 if rows is length else self.padded - length
        self.whole = known(self.extra) and self.extra == 0

    def pad(self, x, axis=-2):
        """`x` with zeros after its T rows."""
        if self.whole:
            return x
        shape = [*ops.shape(x)]
        shape[axis] = self.extra
        return ops.concatenate([x, ops.zeros(shape, dtype=x.dtype)], axis=axis)

    def get(self, x, i):
        """Block `i` of the rows of `x`, `(..., T, X)`."""
        shape = [*ops.shape(x)]
        shape[-2] = self.rows
        return ops.slice(x, (*[0] * (len(shape) - 2), i * self.rows, 0), shape)

    def empty(self, shape, dtype="float32"):
        """Where to `put` blocks of rows `(*shape[:-1], rows, shape[-1])`: the rows come first.

        TensorFlow's update of a slice has no form in ONNX; that of the first axis has.
        """
        return ops.zeros((self.padded, *shape), dtype=dtype)

    def put(self, x, i, part):
        """`x`, from `empty`, with `part` as its block `i`."""
        rows = i * self.rows + ops.arange(self.rows, dtype="int32")
        part = ops.cast(ops.moveaxis(part, -2, 0), x.dtype)
        return ops.scatter_update(x, rows[:, None], part)

    def joined(self, x):
        """What was put, `(..., T, X)`, without the rows after the first T."""
        if not self.whole:
            x = x[: self.length]
            if known(self.length):  # TensorFlow forgets it where the rows of a block are a tensor.
                x = ops.reshape(x, (self.length, *ops.shape(x)[1:]))
        return ops.moveaxis(x, 0, -2)

    def each(self, step, *state, ahead=0):
        """`step(i, *state) -> state` for every block; returns the last state.

        Args:
            step: of one block.
            *state: what the first block is given.
            ahead: How many blocks may begin before one is done. Each holds memory of its own, and
                TensorFlow would begin ten.
        """
        if keras.backend.backend() == "torch" and known(self.count):
            # Its loop is one of Python as it is, and would ask the device before each block.
            for i in range(self.count):
                state = step(i, *state)
            return state

        def body(i, *state):
            waiting, state = state[:ahead], step(i, *state[ahead:])
            done = sum(ops.cast(ops.reshape(x, (-1,))[0], "float32") for x in state)
            earliest, *waiting = (*waiting, done)
            # One more, whatever it is: so the next block can only begin when `earliest` is there.
            return (i + ops.where(ops.isnan(earliest), 1, 1), *waiting, *state)

        start = ops.convert_to_tensor(0, dtype="int32"), *[ops.zeros(())] * ahead
        _, *state = ops.while_loop(lambda i, *_: i < self.count, body, (*start, *state))
        return state[ahead:]
