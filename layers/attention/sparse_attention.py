"""Heads whose queries see a fixed pattern of keys, computed in blocks."""

from typing import Any

import keras
from keras import ops

from ..functional.dot_product import attention_weights, weighted_sum
from ..functional.masking import AttentionMask, masked_softmax
from ..functional.sizes import is_expression, known
from ..types import Shape, Tensor
from .projected_attention import ProjectedAttention


class SparseAttention(ProjectedAttention):
    """Softmax over the keys of a pattern. Queries come in blocks; a block shares a window of keys.

    A subclass says what the pattern is, in `attention_pattern`, and which window of keys each
    block of queries needs, in `windows`. The first `seeing_all` queries see every key.

    The output never needs the T x T weights; asked for, they are computed beside it.
    """

    self_attention_only = True  # Its pattern lies along one sequence.
    block = None  # Queries of a block.
    seeing_all = 0

    def attention_pattern(self, length: int) -> Any:
        """Boolean `(length, length)`: which keys each query may see, before any mask."""
        raise NotImplementedError

    def windows(self, length: int, causal: bool) -> Any:
        """Which keys the blocks need.

        Returns:
            `gather`, which takes `(..., blocks, block, X)` to the windows `(..., blocks, K, X)`;
            the positions of their keys, `(blocks, K)`; and which of them each query of a block may
            see, boolean, broadcastable to `(blocks, block, K)`.
        """
        raise NotImplementedError

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        self._check_lengths(query_shape, value_shape)
        super().build(query_shape, value_shape, key_shape)

    def _check_lengths(self, query_shape, value_shape):
        if len(query_shape) != 3 or len(value_shape) != 3:
            return  # Said by `check_ranks`.
        if known(query_shape[1], value_shape[1]) and query_shape[1] != value_shape[1]:
            raise ValueError(
                f"{type(self).__name__} is self-attention: queries and keys must be of one number. "
                f"Received {query_shape[1]} queries and {value_shape[1]} keys."
            )

    def compute_output_spec(
        self, query: Tensor, value: Tensor, key: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        self._check_lengths(query.shape, value.shape)
        return super().compute_output_spec(query, value, key, *args, **kwargs)

    def attend(
        self,
        query: Tensor,
        memory: Any,
        mask: Any = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        return_attention_scores: bool = True,
    ) -> Any:
        keys, values = (self._one_for_each_head(x) for x in memory)
        self._check_lengths(query.shape, (None, keys.shape[2], None))
        mask = AttentionMask.of(mask)
        query = ops.swapaxes(self.query_projection(query) * self.key_dim**-0.5, 1, 2)
        length = ops.shape(query)[2]
        # Of a length that `torch.export` does not know the blocks cannot be counted.
        whole = is_expression(length) and keras.backend.backend() == "torch"
        if whole or (known(length) and length <= self.block):
            weights = self._weights(query, keys, mask)
            context = weighted_sum(self._drop(weights, training, dropout_mask), values)
        else:
            weights = self._weights(query, keys, mask) if return_attention_scores else None
            context = self._attend_in_blocks(query, keys, values, mask, training)
        return self.output_projection(ops.swapaxes(context, 1, 2)), weights

    def _one_for_each_head(self, x):
        return ops.repeat(x, self.num_heads // x.shape[1], axis=1)

    def _weights(self, query, keys, mask):
        length = ops.shape(query)[2]
        pattern = self.attention_pattern(length)[None]
        merged = mask.rows(0, length, length)
        if merged is not None:
            pattern = ops.logical_and(pattern if len(merged.shape) == 3 else pattern[None], merged)
        return ops.cast(
            attention_weights(query, ops.swapaxes(keys, 2, 3), pattern), self.compute_dtype
        )

    def _attend_in_blocks(self, query, keys, values, mask, training):
        batch, heads, length, _ = ops.shape(query)
        blocks = (length + self.block - 1) // self.block
        extra = blocks * self.block - length

        def in_blocks(x, axis=2):
            shape = [*ops.shape(x)]
            shape[axis] = extra
            x = ops.concatenate([x, ops.zeros(shape, dtype=x.dtype)], axis=axis)
            whole = ops.shape(x)
            return ops.reshape(x, (*whole[:axis], blocks, self.block, *whole[axis + 1 :]))

        gather, positions, allowed = self.windows(length, mask.causal)
        window = ops.shape(positions)[1]
        allowed = ops.logical_and(allowed, (positions < length)[:, None])[None, None]
        if mask.causal:
            rows = ops.reshape(
                ops.arange(blocks * self.block, dtype="int32"), (blocks, self.block, 1)
            )
            allowed = ops.logical_and(allowed, positions[:, None] <= rows)
        if mask.queries is not None:
            allowed = ops.logical_and(allowed, in_blocks(mask.queries, 1)[:, None, :, :, None])
        if mask.keys is not None:
            seen = gather(in_blocks(mask.keys, 1)[..., None])
            allowed = ops.logical_and(allowed, ops.swapaxes(seen, 2, 3)[:, None])
        if mask.pairs is not None:
            pairs = mask.pairs if len(mask.pairs.shape) == 4 else mask.pairs[:, None]
            pairs = ops.broadcast_to(pairs, (*ops.shape(pairs)[:2], length, length))
            columns = ops.clip(positions, 0, length - 1)[None, None, :, None]
            shape = (*ops.shape(pairs)[:2], blocks, self.block, window)
            columns = ops.broadcast_to(columns, shape)
            allowed = ops.logical_and(
                allowed, ops.take_along_axis(in_blocks(pairs), columns, axis=-1)
            )
        scores = ops.matmul(in_blocks(query), ops.swapaxes(gather(in_blocks(keys)), 3, 4))
        weights = ops.cast(masked_softmax(scores, allowed), self.compute_dtype)
        weights = self.weights_dropout(weights, training=training)
        context = ops.matmul(weights, gather(in_blocks(values)))
        context = ops.reshape(context, (batch, heads, blocks * self.block, values.shape[3]))
        context = context[:, :, :length]
        if not self.seeing_all:
            return context
        first = query[:, :, : self.seeing_all]
        merged = mask.rows(0, ops.shape(first)[2], length)
        weights = ops.cast(
            attention_weights(first, ops.swapaxes(keys, 2, 3), merged), self.compute_dtype
        )
        above = weighted_sum(self.weights_dropout(weights, training=training), values)
        return ops.concatenate([above, context[:, :, self.seeing_all :]], axis=2)
