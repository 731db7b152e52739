"""What every mechanism shares: the call contract, the masks, the dropout and the output spec."""

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from ..checks import (
    SeparateTensors,
    check_batches,
    check_lengths,
    check_mask,
    check_ranks,
    refuse_call_arguments,
)
from ..functional.masking import AttentionMask, carry_mask
from ..serialization import QuantizedParts
from ..types import Config, Shape, Tensor


class AttentionLayer(SeparateTensors, QuantizedParts, keras.layers.Layer):
    """Base of all attention layers: the call contract of `keras.layers.MultiHeadAttention`.

    A mechanism is two methods. `project_memory` does what depends on the keys and values alone,
    once for all queries; `attend` lets queries look at that. `call` is the one after the other, so
    a decoder that asks one query at a time projects its keys once and gets the same numbers.

    Call arguments:
        query: `(B, T, Dq)`.
        value: `(B, S, Dv)`.
        key: `(B, S, Dk)`; `value` if not given.
        query_mask: boolean `(B, T)`. A masked query gets zero weights and a zero context.
        value_mask: boolean `(B, S)`.
        key_mask: boolean `(B, S)`.
        attention_mask: boolean, broadcastable to the weights.
        use_causal_mask: whether query `i` sees keys `j <= i` only.
        return_attention_scores: whether to return the attention weights as well. The output is the
            same either way.
        training: whether dropout is active.

    True means *attend*, all masks are merged with AND, and where one of the first three is not
    given, the implicit Keras mask of its tensor is taken. A query that is left without any key has
    zero weights and a zero context. Zeros and ones of any dtype are taken for booleans; a mask of
    other values, as those that are added to scores, is a `ValueError`, and so is one of floats
    inside a graph, where its values cannot be seen: pass `mask == 0` of an additive one.

    Returns:
        The output `(B, T, D)` and, if asked for, the weights after the softmax and before dropout,
        `(B, T, S)` or, with heads, `(B, N, T, S)`.
    """

    def __init__(self, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dropout = dropout
        self.seed = seed

    if TYPE_CHECKING:

        def __call__(
            self,
            query: Tensor,
            value: Tensor,
            key: Tensor | None = None,
            query_mask: Tensor | None = None,
            value_mask: Tensor | None = None,
            key_mask: Tensor | None = None,
            attention_mask: Tensor | None = None,
            use_causal_mask: bool = False,
            return_attention_scores: bool = False,
            training: bool | None = None,
            **kwargs: Any,
        ) -> Any: ...

    # To be written by a mechanism.

    def project_memory(self, value: Tensor, key: Tensor | None = None) -> Any:
        """Returns the pair `(keys, values)` that `attend` takes."""
        raise NotImplementedError

    def attend(
        self,
        query: Tensor,
        memory: Any,
        mask: Any = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        return_attention_scores: bool = True,
    ) -> Any:
        """Attends from `query` `(B, T, Dq)` to `memory`, as `project_memory` made it.

        Args:
            query: `(B, T, Dq)`.
            memory: the pair of `project_memory`.
            mask: an `AttentionMask`, or boolean, broadcastable to the weights, or `None`.
            training: whether dropout is active.
            dropout_mask: from `sample_dropout`, to use the same one at every step of a loop.
            return_attention_scores: whether the weights are wanted; they may be `None` if not.

        Returns:
            `(output, weights)`.
        """
        raise NotImplementedError

    def _output_dim(self, query_shape, value_shape):
        """Size of the last axis of the output."""
        raise NotImplementedError

    num_heads = None  # With heads, weights have an axis for them.
    self_attention_only = False

    # The contract.

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        # Not of one batch: a decoder may ask one memory for several sequences.
        check_ranks(self, query=query_shape, value=value_shape, key=key_shape)
        check_lengths(self, value=value_shape, key=key_shape)
        self.weights_dropout = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="weights_dropout"
        )
        self._build_projections(tuple(query_shape), tuple(value_shape), tuple(key_shape))
        self.built = True

    def _build_projections(self, query_shape, value_shape, key_shape):
        """Creates and builds the sublayers."""

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        mask = self._make_mask(
            query.shape,
            value.shape,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            use_causal_mask=use_causal_mask,
        )
        return self._call(query, value, key, mask, return_attention_scores, training)

    def _call(self, query, value, key, mask, return_attention_scores, training, **options):
        """`call` with all masks as one; `options` are those of a mechanism's `attend`."""
        self._check_shapes(query.shape, value.shape, None if key is None else key.shape)
        output, weights = self.attend(
            query,
            self.project_memory(value, key),
            mask=mask,
            training=training,
            return_attention_scores=return_attention_scores,
            **options,
        )
        carry_mask(output, mask.queries)
        return (output, weights) if return_attention_scores else output

    def _check_shapes(self, query_shape, value_shape, key_shape=None):
        check_ranks(self, query=query_shape, value=value_shape, key=key_shape)
        check_batches(self, query=query_shape, value=value_shape, key=key_shape)
        if key_shape is not None:
            check_lengths(self, value=value_shape, key=key_shape)

    def _check_masks(
        self,
        query_shape,
        value_shape,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
    ):
        check_ranks(self, query=query_shape, value=value_shape)
        (batch, length, _), key_length = query_shape, value_shape[1]
        check_mask(self, "query_mask", query_mask, batch=batch, query_length=length)
        check_mask(self, "value_mask", value_mask, batch=batch, key_length=key_length)
        check_mask(self, "key_mask", key_mask, batch=batch, key_length=key_length)
        axes = {"batch": batch, "query_length": length, "key_length": key_length}
        if len(getattr(attention_mask, "shape", ())) == 4:  # Of any number where there are none.
            axes = {"batch": axes.pop("batch"), "heads": self.num_heads, **axes}
        check_mask(self, "attention_mask", attention_mask, broadcasts=True, **axes)

    def _make_mask(self, query_shape, value_shape, use_causal_mask=False, offset=0, **masks):
        """All masks of a call as one, once they are seen to fit."""
        self._check_masks(query_shape, value_shape, **masks)
        return AttentionMask(**masks, use_causal_mask=use_causal_mask, offset=offset)

    def sample_dropout(self, shape: Any, training: bool | None = None) -> Any:
        """A dropout mask for weights of `shape`, or `None` where there is nothing to drop."""
        if not (training and self.dropout):
            return None
        return self.weights_dropout(ops.ones(shape, dtype=self.compute_dtype), training=True)

    def _drop(self, weights, training, dropout_mask):
        if dropout_mask is not None:
            return weights * dropout_mask
        return self.weights_dropout(weights, training=training)

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> tuple:
        return (*query_shape[:2], self._output_dim(query_shape, value_shape))

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        self._check_shapes(query.shape, value.shape, None if key is None else key.shape)
        masks = (query_mask, value_mask, key_mask, attention_mask)
        self._check_masks(query.shape, value.shape, *masks)
        output_shape = self.compute_output_shape(query.shape, value.shape)
        output = keras.KerasTensor(output_shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        heads = () if self.num_heads is None else (self.num_heads,)
        weights_shape = (query.shape[0], *heads, query.shape[1], value.shape[1])
        return output, keras.KerasTensor(weights_shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "dropout": self.dropout, "seed": self.seed}
