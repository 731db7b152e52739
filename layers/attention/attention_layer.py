"""What every mechanism shares: the call contract, the masks, the dropout and the output spec."""

import keras
from keras import ops

from ..checks import check_ranks, refuse_call_arguments
from ..functional.masking import AttentionMask, carry_mask


class AttentionLayer(keras.layers.Layer):
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
    zero weights and a zero context.

    Returns:
        The output `(B, T, D)` and, if asked for, the weights after the softmax and before dropout,
        `(B, T, S)` or, with heads, `(B, N, T, S)`.
    """

    def __init__(self, dropout=0.0, seed=None, **kwargs):
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dropout = dropout
        self.seed = seed

    # To be written by a mechanism.

    def project_memory(self, value, key=None):
        """Returns the pair `(keys, values)` that `attend` takes."""
        raise NotImplementedError

    def attend(
        self,
        query,
        memory,
        mask=None,
        training=None,
        dropout_mask=None,
        return_attention_scores=True,
    ):
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

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        check_ranks(self, query=query_shape, value=value_shape, key=key_shape)
        if None not in (value_shape[1], key_shape[1]) and value_shape[1] != key_shape[1]:
            raise ValueError(
                "`value` and `key` must have the same length. Received: "
                f"value of shape {tuple(value_shape)}, key of shape {tuple(key_shape)}"
            )
        self.weights_dropout = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="weights_dropout"
        )
        self._build_projections(tuple(query_shape), tuple(value_shape), tuple(key_shape))
        self.built = True

    def _build_projections(self, query_shape, value_shape, key_shape):
        """Creates and builds the sublayers."""

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=None,
    ):
        mask = AttentionMask(
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            use_causal_mask=use_causal_mask,
        )
        return self._call(query, value, key, mask, return_attention_scores, training)

    def _call(self, query, value, key, mask, return_attention_scores, training, **options):
        """`call` with all masks as one; `options` are those of a mechanism's `attend`."""
        key_shape = None if key is None else key.shape
        check_ranks(self, query=query.shape, value=value.shape, key=key_shape)
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

    def sample_dropout(self, shape, training=None):
        """A dropout mask for weights of `shape`, or `None` where there is nothing to drop."""
        if not (training and self.dropout):
            return None
        return self.weights_dropout(ops.ones(shape, dtype=self.compute_dtype), training=True)

    def _drop(self, weights, training, dropout_mask):
        if dropout_mask is not None:
            return weights * dropout_mask
        return self.weights_dropout(weights, training=training)

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return (*query_shape[:2], self._output_dim(query_shape, value_shape))

    def compute_output_spec(
        self, query, value, key=None, *args, return_attention_scores=False, **kwargs
    ):
        key_shape = None if key is None else key.shape
        check_ranks(self, query=query.shape, value=value.shape, key=key_shape)
        output_shape = self.compute_output_shape(query.shape, value.shape)
        output = keras.KerasTensor(output_shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        heads = () if self.num_heads is None else (self.num_heads,)
        weights_shape = (query.shape[0], *heads, query.shape[1], value.shape[1])
        return output, keras.KerasTensor(weights_shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "dropout": self.dropout, "seed": self.seed}
