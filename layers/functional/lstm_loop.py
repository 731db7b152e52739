"""An LSTM over a sequence, with a backward pass of its own."""

from keras import ops

from .step_loop import run_steps


def lstm_loop(inputs, recurrent_kernel):
    """The states of an LSTM that starts from zero, `h_t` for all steps.

    1. `z_t = x_t + h_{t-1} R`, in four parts: input gate `i`, forget gate `f`, candidate `g` and
       output gate `o`, as `keras.layers.LSTM` keeps them.
    2. `c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)` and `h_t = sigmoid(o) tanh(c_t)`.

    Derived automatically, each step backward adds to the gradient of `R`, an array as large as `R`.
    Here the loop backward finds those of `z` alone, with what does not depend on later steps
    computed for all of them at once, and `R` gets its own in one product after it. On two cores
    small LSTMs train about twice as fast.

    Args:
        inputs: `(B, T, 4 H)`, `x_t W + b`.
        recurrent_kernel: `R`, `(H, 4 H)`.

    Returns:
        `(B, T, H)`.

    Reference:
        [Hochreiter and Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735)
    """
    units = recurrent_kernel.shape[0]

    def zeros(x):
        return [ops.zeros((ops.shape(x)[0], units), dtype=x.dtype)] * 2

    @ops.custom_gradient
    def loop(inputs, kernel):
        def step(inputs, states):
            hidden, cell = states
            z = inputs[0] + ops.matmul(hidden, kernel)
            i, f, g, o = ops.split(z, 4, axis=-1)
            i, f, o = ops.sigmoid(i), ops.sigmoid(f), ops.sigmoid(o)
            g = ops.tanh(g)
            cell = f * cell + i * g
            hidden = o * ops.tanh(cell)
            return [i, f, g, o, cell, hidden], [hidden, cell]

        (i, f, g, o, cell, hidden), _ = run_steps(step, [inputs], zeros(inputs))

        def gradient(*args, upstream=None):  # PyTorch has it behind the inputs, by name.
            upstream = args[0] if upstream is None else upstream
            squashed = ops.tanh(cell)
            slopes = [  # Of i, f and g by that of the cell, of o by that of the state.
                g * i * (1 - i),
                _before(cell) * f * (1 - f),
                i * (1 - g * g),
                squashed * o * (1 - o),
            ]
            of_cell = o * (1 - squashed * squashed)
            transposed = ops.transpose(kernel)

            def back(inputs, states):
                upstream, of_cell, f, slopes = inputs
                d_hidden, d_cell = states
                d_hidden = d_hidden + upstream
                d_cell = d_cell + d_hidden * of_cell
                d_z = slopes * ops.concatenate([d_cell, d_cell, d_cell, d_hidden], axis=-1)
                return [d_z], [ops.matmul(d_z, transposed), d_cell * f]

            backward = [upstream, of_cell, f, ops.concatenate(slopes, axis=-1)]
            backward = [ops.flip(x, axis=1) for x in backward]
            (d_z,), _ = run_steps(back, backward, zeros(inputs))
            d_z = ops.flip(d_z, axis=1)
            flat = ops.reshape(_before(hidden), (-1, units)), ops.reshape(d_z, (-1, 4 * units))
            return d_z, ops.matmul(ops.transpose(flat[0]), flat[1])

        return hidden, gradient

    # A copy, as TensorFlow's custom gradients take no variables.
    return loop(inputs, ops.copy(recurrent_kernel))


def _before(x):
    """What each step found: `x` one step later, from zero."""
    return ops.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))
