from typing import Any

from keras import ops

from ..serialization import register
from ..types import Config
from .sparse_attention import SparseAttention

MIN_BLOCK = 32  # Products of fewer rows are slow.


@register
class LocalAttention(SparseAttention):
    """Self-attention in which a query sees the keys around it, Beltagy et al. (2020).

    Query `i` sees the keys `j` with `|i - j| <= window`, and the first `global_tokens` positions
    see all and are seen by all; among these, weights are those of `MultiHeadAttention`, whose
    weights it takes. Time and memory are O(T window), forward and backward: blocks of `window`
    queries share the keys of their own and of both neighbouring blocks.

    Args:
        num_heads: N.
        key_dim: H.
        window: How far a query sees to either side.
        global_tokens: How many positions at the start see all and are seen by all.
        **kwargs: Of `ProjectedAttention`: `value_dim`, `dropout`, initializers and so on.

    Call arguments: see `AttentionLayer`; `query` and `value` must be as long as each other. Weights
    `(B, N, T, T)`, if asked for, are zero outside the pattern. A query that may see no key has zero
    weights and a zero context: its output is the bias of the output projection.

    Example:
    >>> x = np.ones((2, 7, 16))
    >>> layer = LocalAttention(num_heads=2, key_dim=8, window=1)
    >>> output, weights = layer(x, x, return_attention_scores=True)
    >>> tuple(output.shape), ops.convert_to_numpy(weights[0, 0, 3] > 0).astype(int).tolist()
    ((2, 7, 16), [0, 0, 1, 1, 1, 0, 0])

    Reference:
        [Beltagy, Peters and Cohan, 2020](https://arxiv.org/abs/2004.05150)
    """

    def __init__(
        self, num_heads: int, key_dim: int, window: int, global_tokens: int = 0, **kwargs: Any
    ) -> None:
        if not isinstance(window, int) or window < 0:
            raise ValueError(f"`window` must be an integer from 0 on. Received: window={window}")
        if not isinstance(global_tokens, int) or global_tokens < 0:
            raise ValueError(
                "`global_tokens` must be an integer from 0 on. "
                f"Received: global_tokens={global_tokens}"
            )
        super().__init__(num_heads, key_dim, **kwargs)
        self.window = window
        self.global_tokens = self.seeing_all = global_tokens
        self.block = max(window, MIN_BLOCK)

    def attention_pattern(self, length: int) -> Any:
        """Boolean `(length, length)`: which keys each query may see, before any mask."""
        i, j = ops.arange(length, dtype="int32")[:, None], ops.arange(length, dtype="int32")[None]
        near = ops.abs(i - j) <= self.window
        return ops.logical_or(near, ops.minimum(i, j) < self.global_tokens)

    def windows(self, length: int, causal: bool) -> Any:
        side, after = self.window, 0 if causal else self.window
        blocks = (length + self.block - 1) // self.block

        def gather(x):
            axis = len(x.shape) - 3

            def neighbours(part, before):
                """`part` of every block, moved to the next block or to the one before."""
                edge = ops.zeros_like(ops.take(part, ops.arange(1, dtype="int32"), axis=axis))
                most = ops.arange(blocks - 1, dtype="int32") + (0 if before else 1)
                rest = ops.take(part, most, axis=axis)
                return ops.concatenate([edge, rest] if before else [rest, edge], axis=axis)

            parts = [x]  # What is empty is left out: XLA has no gradient of it.
            if side:
                parts.insert(0, neighbours(x[..., self.block - side :, :], before=True))
            if after:
                parts.append(neighbours(x[..., :after, :], before=False))
            if self.global_tokens:
                shape = ops.shape(x)
                tokens = ops.reshape(x, (*shape[:axis], 1, blocks * self.block, shape[-1]))
                tokens = tokens[..., : self.global_tokens, :]
                parts.append(ops.repeat(tokens, blocks, axis=axis))
            return ops.concatenate(parts, axis=axis + 1)

        row = ops.arange(self.block, dtype="int32")[:, None]
        column = ops.arange(-side, self.block + after, dtype="int32")[None]
        positions = ops.arange(blocks, dtype="int32")[:, None] * self.block + column
        near = ops.logical_and(column - row >= -side, column - row <= after)
        allowed = ops.logical_and(near[None], (positions >= self.global_tokens)[:, None])
        if self.global_tokens:
            tokens = ops.arange(blocks * self.block, dtype="int32")[None, : self.global_tokens]
            tokens = ops.repeat(tokens, blocks, axis=0)
            positions = ops.concatenate([positions, tokens], axis=1)
            everyone = ops.ones((blocks, self.block, ops.shape(tokens)[1]), dtype="bool")
            allowed = ops.concatenate([allowed, everyone], axis=2)
        return gather, positions, allowed

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "window": self.window,
            "global_tokens": self.global_tokens,
        }
