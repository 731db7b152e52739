import keras
from keras import ops

from .masking import combine_masks
from .serialization import register
from .shapes import check_ranks


@register
class AttentionRNN(keras.layers.Layer):
    """A recurrent decoder that attends: the cell of Bahdanau and Luong, with its loop.

    At each step, with input feeding:

    1. The cell sees its input and the context of the step before, `h_t = cell([x_t; c_{t-1}])`
       (input feeding, section 3.3 of Luong et al., 2015).
    2. Its output asks the memory, `c_t = attention(h_t, memory)`.
    3. The output is `[h_t; c_t]`.

    Without input feeding the cell sees `x_t` alone, and all steps attend at once after the loop.
    Keys are projected once, outside the loop.

    Args:
        cell: A Keras RNN cell, such as `keras.layers.LSTMCell(512)` or `keras.layers.GRUCell(512)`.
        attention: A single-head mechanism, such as `AdditiveAttention(256)`.
        input_feeding: Whether the cell sees the context of the step before.
        return_sequences: Whether to return the output of all steps, or the last one.
        return_state: Whether to return the final states.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, T, E)`.
        memory: `(B, S, M)`, what to attend to; or `(B / K, S, M)`, if each K sequences, side by
            side in `inputs`, share one.
        memory_mask: boolean `(B, S)`, True = attend.
        initial_state: the flat list of states as returned, or those of the cell alone; zeros if
            `None`.
        return_attention_scores: whether to return the weights.

    Dropout of the attention weights is drawn once a sequence and kept for all its steps, as Keras's
    cells do with theirs.

    Returns:
        The output `(B, T, units + M)`, or `(B, units + M)` without `return_sequences`; the weights
        `(B, T, S)` if asked for; then the states if `return_state`: the cell's, and the last
        context `(B, M)`.

    References:
        - [Bahdanau, Cho and Bengio, 2015](https://arxiv.org/abs/1409.0473)
        - [Luong, Pham and Manning, 2015](https://arxiv.org/abs/1508.04025)
    """

    def __init__(
        self,
        cell,
        attention,
        input_feeding=True,
        return_sequences=True,
        return_state=False,
        **kwargs,
    ):
        if not hasattr(cell, "state_size"):
            raise ValueError(f"`cell` must be a Keras RNN cell. Received: cell={cell}")
        if not hasattr(attention, "project_memory") or attention.num_heads is not None:
            raise ValueError(
                "`attention` must be a single-head attention layer, such as AdditiveAttention or "
                f"LuongAttention. Received: attention={attention}"
            )
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cell = cell
        self.attention = attention
        self.input_feeding = input_feeding
        self.return_sequences = return_sequences
        self.return_state = return_state

    def build(self, inputs_shape, memory_shape):
        check_ranks(self, inputs=inputs_shape, memory=memory_shape)
        batch, _, features = inputs_shape
        if self.input_feeding:
            features += memory_shape[-1]
        # Restored from its config, a cell comes back built.
        if not self.cell.built:
            self.cell.build((batch, features))
        if not self.attention.built:
            self.attention.build((batch, inputs_shape[1], self._units), tuple(memory_shape))
        self.built = True

    @property
    def _units(self):
        size = getattr(self.cell, "output_size", None)
        return size or keras.tree.flatten(self.cell.state_size)[0]

    def call(
        self,
        inputs,
        memory,
        memory_mask=None,
        initial_state=None,
        return_attention_scores=False,
        training=None,
    ):
        check_ranks(self, inputs=inputs.shape, memory=memory.shape)
        states = self._initial_states(inputs, memory, initial_state)
        projected = self.attention.project_memory(memory)
        mask = combine_masks(1, ops.shape(memory)[1], value_mask=memory_mask)
        rows, length = ops.shape(inputs)[:2]
        examples, key_length = ops.shape(memory)[:2]
        weights_shape = (examples, rows // examples, key_length)
        dropout_mask = self.attention.sample_dropout(weights_shape, training)
        self._sample_cell_dropout(inputs, states, training)

        if self.input_feeding:

            def step(x, states):
                outputs, weights, states = self.step(
                    x, projected, states, mask=mask, training=training, dropout_mask=dropout_mask
                )
                return ops.concatenate([outputs, weights], axis=-1), states

            steps, *states = self._loop(step, inputs, states)
            size = self._units + memory.shape[-1]
            hidden, context = steps[:, :, : self._units], steps[:, :, self._units : size]
            weights = steps[:, :, size:]
        else:
            hidden, *states = self._loop(self._call_cell, inputs, states[:-1])
            query = ops.reshape(hidden, (examples, -1, self._units))
            if dropout_mask is not None:
                dropout_mask = ops.repeat(dropout_mask, length, axis=1)
            context, weights = self.attention.attend(
                query, projected, mask, training=training, dropout_mask=dropout_mask
            )
            context = ops.reshape(context, (rows, length, memory.shape[-1]))
            weights = ops.reshape(weights, (rows, length, key_length))
            states.append(context[:, -1])

        outputs = ops.concatenate([hidden, context], axis=-1)
        results = [outputs if self.return_sequences else outputs[:, -1]]
        if return_attention_scores:
            results.append(weights)
        if self.return_state:
            results.extend(states)
        return tuple(results) if len(results) > 1 else results[0]

    def step(self, inputs, memory, states, mask=None, training=None, dropout_mask=None):
        """One step of the loop, for decoding a token at a time.

        Args:
            inputs: `(B * K, E)`: K candidates for each example, those of one example side by side.
            memory: what `attention.project_memory` made of the memory `(B, S, M)`. The candidates
                of an example share its memory.
            states: flat states, each `(B * K, ...)`.
            mask: boolean, broadcastable to `(B, K, S)`, or `None`.
            training: whether dropout is active.
            dropout_mask: of the attention weights.

        Returns:
            The output `(B * K, units + M)`, the weights `(B * K, S)` and the new states.
        """
        *cell_states, context = states
        if self.input_feeding:
            inputs = ops.concatenate([inputs, context], axis=-1)
        hidden, cell_states = self._call_cell(inputs, cell_states)
        examples = ops.shape(memory[0])[0]
        query = ops.reshape(hidden, (examples, -1, self._units))
        context, weights = self.attention.attend(
            query, memory, mask, training=training, dropout_mask=dropout_mask
        )
        rows = ops.shape(hidden)[0]
        context = ops.reshape(context, (rows, context.shape[-1]))
        weights = ops.reshape(weights, (rows, ops.shape(weights)[-1]))
        return ops.concatenate([hidden, context], axis=-1), weights, (*cell_states, context)

    def get_initial_state(self, batch_size, memory_dim):
        """Zeros: the cell's states and the context, a flat list."""
        states = self.cell.get_initial_state(batch_size=batch_size)
        context = ops.zeros((batch_size, memory_dim), dtype=self.compute_dtype)
        return [*keras.tree.flatten(states), context]

    def _initial_states(self, inputs, memory, initial_state):
        states = self.get_initial_state(ops.shape(inputs)[0], memory.shape[-1])
        given = [] if initial_state is None else keras.tree.flatten(initial_state)
        if len(given) not in (0, len(states) - 1, len(states)):
            raise ValueError(
                f"`initial_state` must hold the cell's {len(states) - 1} states, or these and the "
                f"context. Received {len(given)} tensors."
            )
        states[: len(given)] = given
        return [ops.cast(state, self.compute_dtype) for state in states]

    def _call_cell(self, inputs, states):
        states = keras.tree.pack_sequence_as(self.cell.state_size, list(states))
        hidden, states = self.cell(inputs, states)
        return hidden, keras.tree.flatten(states)

    def _sample_cell_dropout(self, inputs, states, training):
        """Draws the cell's dropout masks outside the loop, where a seed may change."""
        x = inputs[:, 0]
        if self.input_feeding:
            x = ops.concatenate([x, states[-1]], axis=-1)
        for cell in getattr(self.cell, "cells", [self.cell]):
            h = states[0]
            states = states[len(keras.tree.flatten(cell.state_size)) :]
            if hasattr(cell, "reset_dropout_mask"):
                cell.reset_dropout_mask()
                cell.reset_recurrent_dropout_mask()
                if training:
                    cell.get_dropout_mask(x)
                    cell.get_recurrent_dropout_mask(h)
            x = h  # Of the size of this cell's output, the next one's input.

    def _loop(self, step, inputs, states):
        """`step(x, states) -> output, states` over time; returns all outputs, then the states."""
        cell = _StepCell(step, [state.shape[-1] for state in states], self.compute_dtype)
        loop = keras.layers.RNN(
            cell, return_sequences=True, return_state=True, dtype=self.dtype_policy
        )
        return loop(inputs, initial_state=list(states))

    def compute_mask(self, inputs, previous_mask):
        return previous_mask if self.return_sequences else None

    def compute_output_spec(
        self,
        inputs,
        memory,
        memory_mask=None,
        initial_state=None,
        return_attention_scores=False,
        training=None,
    ):
        def spec(*shape):
            return keras.KerasTensor(shape, dtype=self.compute_dtype)

        batch, length, _ = inputs.shape
        size = self._units + memory.shape[-1]
        results = [spec(batch, length, size) if self.return_sequences else spec(batch, size)]
        if return_attention_scores:
            results.append(spec(batch, length, memory.shape[1]))
        if self.return_state:
            sizes = keras.tree.flatten(self.cell.state_size)
            results.extend(spec(batch, state) for state in (*sizes, memory.shape[-1]))
        return tuple(results) if len(results) > 1 else results[0]

    def get_config(self):
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "input_feeding": self.input_feeding,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for part in ("cell", "attention"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)


class _StepCell:
    """A function as a cell: the loop of `keras.layers.RNN` trains on every backend, and in XLA."""

    def __init__(self, step, state_size, compute_dtype):
        self.call = step
        self.state_size = state_size
        self.compute_dtype = compute_dtype

    def __call__(self, inputs, states):
        output, states = self.call(inputs, states)
        return output, list(states)
