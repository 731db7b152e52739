from typing import Any

import keras
from keras import ops

from ..aligned.aligned_attention import AlignedAttention
from ..attention.scored_attention import project
from ..checks import (
    SeparateTensors,
    check_cell,
    check_mask,
    check_positive,
    check_ranks,
    check_shares,
    check_single_head,
    refuse_call_arguments,
)
from ..functional.masking import boolean_mask, carry_mask, combine_masks, implicit_mask
from ..functional.step_loop import run_steps
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor


@register
class AttentionRNN(SeparateTensors, QuantizedParts, keras.layers.Layer):
    """A recurrent decoder that attends: the cell of Bahdanau and Luong, with its loop.

    At each step, with input feeding:

    1. The cell sees its input and the context of the step before, `h_t = cell([x_t; c_{t-1}])`.
    2. Its output asks the memory, `c_t = attention(h_t, memory)`.
    3. The output is `[h_t; c_t]`.

    That the cell sees the context is as in Bahdanau et al. (2015). The input feeding of Luong et
    al. (2015, section 3.3) is another: the cell sees the *attentional vector* `a_t = tanh(W [h_t;
    c_t])` of the step before, equation 5. With `attention_layer_size` it does, `a_t` is the output
    too, and it stands among the states where the context does. `AttentionWrapper` of TensorFlow
    Addons had this argument, for the same vector without the `tanh`.

    Without input feeding the cell sees `x_t` alone, and all steps attend at once after the loop.
    Keys are projected once, outside the loop.

    A mechanism that depends on where the step before looked, such as `CoverageAttention`, attends
    inside the loop in any case, and its alignment is one more state, the last.

    Args:
        cell: A Keras RNN cell, such as `keras.layers.LSTMCell(512)` or `keras.layers.GRUCell(512)`.
        attention: A single-head mechanism, such as `AdditiveAttention(256)` or
            `LocationSensitiveAttention(256)`.
        input_feeding: Whether the cell sees the context, or the attentional vector, of the step
            before.
        attention_layer_size: Size of the attentional vector; `None` for none.
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
        mask: boolean `(B, T)`, the steps there are; that of `inputs` if not given. As in
            `keras.layers.RNN` a masked step changes no state and repeats the output before it
            (zeros at first), so that the last output and the states are those of the last step
            there is. Its weights are zero.

    Dropout of the attention weights is drawn once a sequence and kept for all its steps, as Keras's
    cells do with theirs.

    Returns:
        The output `(B, T, units + M)`, or `(B, units + M)` without `return_sequences`, where
        `attention_layer_size` takes the place of `units + M`; the weights `(B, T, S)` if asked for;
        then the states if `return_state`: the cell's, the last context `(B, M)`, or attentional
        vector, and, of a mechanism that has one, the alignment `(B, S)`.

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
        cell: Any,
        attention: keras.layers.Layer,
        input_feeding: bool = True,
        return_sequences: bool = True,
        return_state: bool = False,
        attention_layer_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_cell(cell)
        if attention_layer_size is not None:
            check_positive(attention_layer_size=attention_layer_size)
        check_single_head(attention)
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cell = cell
        self.attention = attention
        self.input_feeding = input_feeding
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.attention_layer_size = attention_layer_size

    def build(self, inputs_shape: Shape, memory_shape: Shape) -> None:
        check_ranks(self, inputs=inputs_shape, memory=memory_shape)
        batch, _, features = inputs_shape
        if self.input_feeding:
            features += self._fed_size(memory_shape[-1])
        # Restored from its config, a cell comes back built.
        if not self.cell.built:
            self.cell.build((batch, features))
        if not self.attention.built:
            # One memory may serve several sequences: of its own batch, not of theirs.
            query_shape = (memory_shape[0], inputs_shape[1], self._units)
            self.attention.build(query_shape, tuple(memory_shape))
        if self.attention_layer_size is not None:
            self.attention_projection = keras.layers.Dense(
                self.attention_layer_size,
                activation="tanh",
                use_bias=False,
                dtype=self.dtype_policy,
                name="attention_projection",
            )
            self.attention_projection.build((batch, self._units + memory_shape[-1]))
        self.built = True

    def _fed_size(self, memory_dim):
        """Size of what the step after sees: the attentional vector, or the context."""
        return self.attention_layer_size or memory_dim

    @property
    def _units(self):
        size = getattr(self.cell, "output_size", None)
        return size or keras.tree.flatten(self.cell.state_size)[0]

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        initial_state: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        # Keras fills in `mask` only where `inputs` is the one tensor.
        steps = implicit_mask(inputs) if mask is None else mask
        self._check_shapes(inputs, memory, steps, memory_mask)
        here = None if steps is None else boolean_mask(steps)[..., None]
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
            size = self._output_size(memory.shape[-1])
            (outputs, weights), states = run_steps(step, [inputs, noise], states, here, size)
        else:

            def step(inputs, states):
                hidden, states = self._call_cell(*inputs, states)
                return [hidden], states

            *cell_states, fed = states
            (hidden,), states = run_steps(step, [inputs], cell_states, here, self._units)
            query = ops.reshape(hidden, (examples, -1, self._units))
            if dropout_mask is not None:
                dropout_mask = ops.repeat(dropout_mask, length, axis=1)
            context, weights = self.attention.attend(
                query, projected, mask, training=training, dropout_mask=dropout_mask
            )
            context = ops.reshape(context, (rows, length, memory.shape[-1]))
            weights = ops.reshape(weights, (rows, length, key_length))
            outputs, last = self._join(hidden, context)
            last = last[:, -1]
            if here is not None:
                begun = ops.cumsum(ops.cast(here, "int32"), axis=1) > 0
                outputs = ops.where(begun, outputs, 0)
                last = ops.where(begun[:, -1], last, ops.cast(fed, last.dtype))
            states.append(last)

        if here is not None:
            weights = ops.where(here, weights, 0)
            if self.return_sequences:
                carry_mask(outputs, steps)
        results = [outputs if self.return_sequences else outputs[:, -1]]
        if return_attention_scores:
            results.append(weights)
        if self.return_state:
            results.extend(states)
        return tuple(results) if len(results) > 1 else results[0]

    def step(
        self,
        inputs: Tensor,
        memory: Any,
        states: Any,
        mask: Tensor | None = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Any:
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
            The output `(B * K, units + M)`, or the attentional vector, the weights `(B * K, S)` and
            the new states.
        """
        cell_states, (fed, *alignment) = self._split(states)
        if self.input_feeding:
            inputs = ops.concatenate([inputs, fed], axis=-1)
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
        outputs, fed = self._join(hidden, context)
        return outputs, weights, (*cell_states, fed, *alignment)

    def get_initial_state(
        self, batch_size: int, memory_dim: int, key_length: int | None = None
    ) -> Any:
        """The cell's states, the context or attentional vector, and the alignment if there is one.

        A flat list, all zeros but for the alignment where the mechanism begins with another.
        `key_length`, S, is needed for that one alone.
        """
        states = self.cell.get_initial_state(batch_size=batch_size)
        fed = ops.zeros((batch_size, self._fed_size(memory_dim)), dtype=self.compute_dtype)
        states = [*keras.tree.flatten(states), fed]
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

    def _join(self, hidden, context):
        """The output of a step, or of all, and what the step after is fed."""
        joined = ops.concatenate([hidden, context], axis=-1)
        if self.attention_layer_size is None:
            return joined, context
        vector = project(self.attention_projection, joined)
        return vector, vector

    def _output_size(self, memory_dim):
        return self.attention_layer_size or self._units + memory_dim

    def _check_shapes(self, inputs, memory, mask, memory_mask):
        check_ranks(self, inputs=inputs.shape, memory=memory.shape)
        check_shares(self, memory.shape, inputs=inputs.shape)
        (batch, length), (examples, key_length) = inputs.shape[:2], memory.shape[:2]
        check_mask(self, "mask", mask, batch=batch, length=length)
        check_mask(self, "memory_mask", memory_mask, batch=examples, memory_length=key_length)

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

    def compute_mask(self, inputs: Tensor, previous_mask: Any) -> Any:
        return previous_mask if self.return_sequences else None

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        initial_state: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        self._check_shapes(inputs, memory, mask, memory_mask)

        def spec(*shape):
            return keras.KerasTensor(shape, dtype=self.compute_dtype)

        batch, length, _ = inputs.shape
        size = self._output_size(memory.shape[-1])
        results = [spec(batch, length, size) if self.return_sequences else spec(batch, size)]
        if return_attention_scores:
            results.append(spec(batch, length, memory.shape[1]))
        if self.return_state:
            sizes = (*keras.tree.flatten(self.cell.state_size), self._fed_size(memory.shape[-1]))
            results.extend(spec(batch, state) for state in sizes)
            if self._is_aligned:
                results.append(keras.KerasTensor((batch, memory.shape[1]), dtype="float32"))
        return tuple(results) if len(results) > 1 else results[0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "input_feeding": self.input_feeding,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "attention_layer_size": self.attention_layer_size,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        for part in ("cell", "attention"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
