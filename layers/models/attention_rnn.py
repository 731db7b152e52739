import keras
from keras import ops

from ..aligned.aligned_attention import AlignedAttention
from ..checks import check_ranks, refuse_call_arguments
from ..functional.masking import combine_masks
from ..functional.step_loop import run_steps
from ..serialization import register


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

    A mechanism that depends on where the step before looked, such as `CoverageAttention`, attends
    inside the loop in any case, and its alignment is one more state, the last.

    Args:
        cell: A Keras RNN cell, such as `keras.layers.LSTMCell(512)` or `keras.layers.GRUCell(512)`.
        attention: A single-head mechanism, such as `AdditiveAttention(256)` or
            `LocationSensitiveAttention(256)`.
        input_feeding: Whether the cell sees the context of the step before.
        return_sequences: Whether to return the output of all steps, or the last one.
        return_state: Whether to return the final states.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, T, E)`.
        memory: `(B, S, M)`, what to attend to; or `(B / K, S, M)`, if each K sequences, side by
            side in `inputs`, share one.
        memory_mask: boolean `(B, S)`, True = attend. Where it is fully masked, weights and context
            are zero.
        initial_state: the flat list of states as returned, or the first of them: those of the cell
            alone, or these and the context. The others begin as `get_initial_state` has them.
        return_attention_scores: whether to return the weights.

    Dropout of the attention weights is drawn once a sequence and kept for all its steps, as Keras's
    cells do with theirs.

    Returns:
        The output `(B, T, units + M)`, or `(B, units + M)` without `return_sequences`; the weights
        `(B, T, S)` if asked for; then the states if `return_state`: the cell's, the last
        context `(B, M)` and, of a mechanism that has one, the alignment `(B, S)`.

    Example:
    >>> rnn = AttentionRNN(keras.layers.LSTMCell(8), AdditiveAttention(4))
    >>> output, weights = rnn(
    ...     np.ones((2, 5, 3)), np.ones((2, 7, 6)), return_attention_scores=True
    ... )
    >>> tuple(output.shape), tuple(weights.shape)
    ((2, 5, 14), (2, 5, 7))

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
        refuse_call_arguments(self, kwargs)
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

        if self.input_feeding or self._is_aligned:

            def step(inputs, states):
                x, noise = inputs
                outputs, weights, states = self.step(
                    x, projected, states, mask, training, dropout_mask, noise
                )
                return [outputs, weights], states

            noise = None
            if self._is_aligned:
                noise = self.attention.sample_noise((rows, length, key_length), training)
            (outputs, weights), states = run_steps(step, [inputs, noise], states)
        else:

            def step(inputs, states):
                hidden, states = self._call_cell(*inputs, states)
                return [hidden], states

            (hidden,), states = run_steps(step, [inputs], states[:-1])
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

    def step(self, inputs, memory, states, mask=None, training=None, dropout_mask=None, noise=None):
        """One step of the loop, for decoding a token at a time.

        Args:
            inputs: `(B * K, E)`: K candidates for each example, those of one example side by side.
            memory: what `attention.project_memory` made of the memory `(B, S, M)`. The candidates
                of an example share its memory.
            states: flat states, each `(B * K, ...)`.
            mask: boolean, broadcastable to `(B, K, S)`, or `None`.
            training: whether dropout is active.
            dropout_mask: of the attention weights.
            noise: on the scores `(B * K, S)`, of a mechanism that trains with it.

        Returns:
            The output `(B * K, units + M)`, the weights `(B * K, S)` and the new states.
        """
        cell_states, (context, *alignment) = self._split(states)
        if self.input_feeding:
            inputs = ops.concatenate([inputs, context], axis=-1)
        hidden, cell_states = self._call_cell(inputs, cell_states)
        examples = ops.shape(memory[0])[0]
        query = ops.reshape(hidden, (examples, -1, self._units))
        rows, key_length = ops.shape(hidden)[0], ops.shape(memory[0])[1]
        options = {"mask": mask, "training": training, "dropout_mask": dropout_mask}
        if self._is_aligned:
            by_example = (examples, -1, key_length)
            noise = None if noise is None else ops.reshape(noise, by_example)
            context, weights, after = self.attention.attend_step(
                query, memory, ops.reshape(alignment[0], by_example), noise=noise, **options
            )
            alignment = [ops.reshape(after, (rows, key_length))]
        else:
            context, weights = self.attention.attend(query, memory, **options)
        context = ops.reshape(context, (rows, context.shape[-1]))
        weights = ops.reshape(weights, (rows, key_length))
        outputs = ops.concatenate([hidden, context], axis=-1)
        return outputs, weights, (*cell_states, context, *alignment)

    def get_initial_state(self, batch_size, memory_dim, key_length=None):
        """The cell's states, the context and, if the attention has one, the alignment: a flat list.

        All zeros, but for the alignment where the mechanism begins with another. `key_length`, S,
        is needed for that one alone.
        """
        states = self.cell.get_initial_state(batch_size=batch_size)
        context = ops.zeros((batch_size, memory_dim), dtype=self.compute_dtype)
        states = [*keras.tree.flatten(states), context]
        if not self._is_aligned:
            return states
        if key_length is None:
            raise ValueError(
                f"The alignment of {type(self.attention).__name__} is as long as the memory: "
                "`get_initial_state` needs `key_length`."
            )
        return [*states, self.attention.initial_alignment(batch_size, key_length)]

    def _initial_states(self, inputs, memory, initial_state):
        rows, key_length = ops.shape(inputs)[0], ops.shape(memory)[1]
        states = self.get_initial_state(rows, memory.shape[-1], key_length)
        given = [] if initial_state is None else keras.tree.flatten(initial_state)
        cell_states, others = self._split(states)
        if given and not len(cell_states) <= len(given) <= len(states):
            others = " or the ".join(["context", "context and the alignment"][: len(others)])
            raise ValueError(
                f"`initial_state` must hold the cell's {len(cell_states)} states, or these and the "
                f"{others}. Received {len(given)} tensors."
            )
        dtypes = [state.dtype for state in states]
        states[: len(given)] = given
        return [ops.cast(*pair) for pair in zip(states, dtypes, strict=True)]

    @property
    def _is_aligned(self):
        return isinstance(self.attention, AlignedAttention)

    def _split(self, states):
        """The states of the cell, and the others."""
        number = len(keras.tree.flatten(self.cell.state_size))
        return states[:number], states[number:]

    def _call_cell(self, inputs, states):
        states = keras.tree.pack_sequence_as(self.cell.state_size, list(states))
        hidden, states = self.cell(inputs, states)
        return hidden, keras.tree.flatten(states)

    def _sample_cell_dropout(self, inputs, states, training):
        """Draws the cell's dropout masks outside the loop, where a seed may change."""
        x = inputs[:, 0]
        if self.input_feeding:
            x = ops.concatenate([x, self._split(states)[1][0]], axis=-1)
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
            if self._is_aligned:
                results.append(keras.KerasTensor((batch, memory.shape[1]), dtype="float32"))
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
