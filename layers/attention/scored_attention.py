"""Attention with one score per query and key: the form of Bahdanau and of Luong."""

from typing import Any

from keras import ops

from ..functional.masking import AttentionMask, masked_softmax
from ..types import Tensor
from .attention_layer import AttentionLayer


class ScoredAttention(AttentionLayer):
    """Softmax over a score, then the weighted sum of the values. A subclass is its score.

    `project_key` is what the score needs of a key, whatever the query; `score` takes the queries
    and projected keys to scores `(B, T, S)`.
    """

    def project_key(self, key: Tensor) -> Any:
        return key

    def score(self, query: Tensor, key: Tensor) -> Any:
        raise NotImplementedError

    def project_memory(self, value: Tensor, key: Tensor | None = None) -> Any:
        return self.project_key(value if key is None else key), value

    def attend(
        self,
        query: Tensor,
        memory: Any,
        mask: Any = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        return_attention_scores: bool = True,
    ) -> Any:
        keys, values = memory
        mask = self._merge(mask, query, keys)
        weights = ops.cast(masked_softmax(self.score(query, keys), mask), self.compute_dtype)
        context = ops.matmul(self._drop(weights, training, dropout_mask), values)
        return context, weights

    def _merge(self, mask, query, keys):
        """Boolean, broadcastable to `(B, T, S)`, or `None`."""
        merged = AttentionMask.of(mask).rows(0, ops.shape(query)[1], ops.shape(keys)[1])
        if merged is not None and len(merged.shape) > 3:
            raise ValueError(
                f"{type(self).__name__} has no heads: `attention_mask` must broadcast to "
                f"(batch, query length, key length). Received a mask of shape {tuple(merged.shape)}"
            )
        return merged

    def _output_dim(self, query_shape, value_shape):
        return value_shape[-1]


def project(dense: Any, x: Tensor) -> Any:
    """`dense(x)` as one plain matrix product.

    Over more than two axes Keras on TensorFlow contracts with transposes, which are slower, and
    which XLA cannot differentiate inside a loop.
    """
    y = dense(ops.reshape(x, (-1, x.shape[-1])))
    return ops.reshape(y, (*ops.shape(x)[:-1], y.shape[-1]))
