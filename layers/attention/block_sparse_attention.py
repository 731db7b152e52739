from typing import Any

from keras import ops

from ..serialization import register
from ..types import Config
from .sparse_attention import SparseAttention

PRIME = 46_337  # The largest whose square fits in 32 bits.


@register
class BlockSparseAttention(SparseAttention):
    """BigBird, Zaheer et al. (2020): windows, global and random keys, by blocks of positions.

    Positions are cut into blocks of `block_size`. A block of queries sees `window_blocks` blocks
    around itself, the first `global_blocks`, and `random_blocks` others; the global blocks see all.
    Among these keys, weights are those of `MultiHeadAttention`, whose weights it takes. Time and
    memory are linear in the length, but for the draw of the random blocks: a number for each pair
    of blocks.

    The random blocks follow from `seed` by arithmetic: they are the same after saving and on every
    backend. They are drawn from the blocks before the window, other than in the paper, where they
    lie on both sides: so neither padding at the end nor a causal mask changes what a query sees.

    Args:
        num_heads: N.
        key_dim: H.
        block_size: Positions of a block.
        window_blocks: Blocks of a window, an odd number.
        global_blocks: How many blocks at the start see all and are seen by all.
        random_blocks: Further blocks that each block sees, where there are as many.
        seed: Seed of the dropout and of the random blocks.
        **kwargs: Of `ProjectedAttention`: `value_dim`, `dropout`, initializers and so on.

    Call arguments: see `AttentionLayer`; `query` and `value` must be as long as each other; any
    length will do. Weights `(B, N, T, T)`, if asked for, are zero outside the pattern. A query that
    may see no key has zero weights and a zero context: its output is the bias of the output
    projection.

    Example:
    >>> x = np.ones((2, 10, 16))
    >>> layer = BlockSparseAttention(2, 8, block_size=2, window_blocks=1, random_blocks=1)
    >>> tuple(layer(x, x).shape)
    (2, 10, 16)
    >>> ops.convert_to_numpy(layer.attention_pattern(10)).sum(axis=1).tolist()
    [10, 10, 4, 4, 6, 6, 6, 6, 6, 6]

    Reference:
        [Zaheer et al., 2020](https://arxiv.org/abs/2007.14062)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        block_size: int,
        window_blocks: int = 3,
        global_blocks: int = 1,
        random_blocks: int = 2,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        sizes = {"block_size": (block_size, 1), "window_blocks": (window_blocks, 1)}
        sizes.update(global_blocks=(global_blocks, 0), random_blocks=(random_blocks, 0))
        for name, (size, least) in sizes.items():
            if not isinstance(size, int) or size < least:
                raise ValueError(
                    f"`{name}` must be an integer from {least} on. Received: {name}={size}"
                )
        if window_blocks % 2 == 0:
            raise ValueError(f"`window_blocks` must be odd. Received: {window_blocks}")
        super().__init__(num_heads, key_dim, seed=seed, **kwargs)
        self.block_size = self.block = block_size
        self.window_blocks = window_blocks
        self.global_blocks = global_blocks
        self.random_blocks = random_blocks
        self.seeing_all = global_blocks * block_size

    def attention_pattern(self, length: int) -> Any:
        """Boolean `(length, length)`: which keys each query may see, before any mask."""
        blocks = (length + self.block - 1) // self.block
        index, seen = self._key_blocks(blocks)
        block = ops.arange(blocks, dtype="int32")
        pattern = ops.any(ops.logical_and(index[:, :, None] == block, seen[:, :, None]), axis=1)
        pattern = ops.logical_or(pattern, (block < self.global_blocks)[:, None])
        position = ops.arange(length, dtype="int32") // self.block
        return ops.take(ops.take(pattern, position, axis=0), position, axis=1)

    def windows(self, length: int, causal: bool) -> Any:
        blocks = (length + self.block - 1) // self.block
        index, seen = self._key_blocks(blocks)
        width = index.shape[1]

        def gather(x):
            axis = len(x.shape) - 3
            shape = ops.shape(x)
            picked = ops.take(x, ops.reshape(index, (-1,)), axis=axis)
            return ops.reshape(picked, (*shape[:axis], blocks, width * self.block, shape[-1]))

        positions = index[:, :, None] * self.block + ops.arange(self.block, dtype="int32")
        allowed = ops.repeat(seen, self.block, axis=1)
        return gather, ops.reshape(positions, (blocks, width * self.block)), allowed[:, None]

    def _key_blocks(self, blocks):
        """The key blocks of each block of queries `(blocks, K)`, and which of them count."""
        row = ops.arange(blocks, dtype="int32")[:, None]
        half = self.window_blocks // 2
        window = row + ops.arange(-half, half + 1, dtype="int32")[None]
        first = ops.broadcast_to(
            ops.arange(self.global_blocks, dtype="int32")[None], (blocks, self.global_blocks)
        )
        inside = ops.logical_and(window >= self.global_blocks, window < blocks)
        index = ops.concatenate([window, first], axis=1)
        seen = ops.concatenate([inside, first < blocks], axis=1)
        if self.random_blocks:
            column = ops.arange(blocks, dtype="int32")[None]
            free = ops.logical_and(column < row - half, column >= self.global_blocks)
            # Distinct for each column, so that no backend has to choose among equals.
            drawn = self._hash(row, column) * blocks + column
            drawn = ops.where(free, drawn, column - blocks)
            # One after the other: TensorFlow does not read the top k of a model exported from JAX.
            for _ in range(self.random_blocks):
                chosen = ops.cast(ops.argmax(drawn, axis=1, keepdims=True), "int32")
                best = ops.max(drawn, axis=1, keepdims=True)
                index = ops.concatenate([index, chosen], axis=1)
                seen = ops.concatenate([seen, best >= 0], axis=1)
                drawn = ops.where(column == chosen, -1, drawn)
        return ops.clip(index, 0, blocks - 1), seen

    def _hash(self, row, column):
        mixed = (row * 7919 + (self.seed or 0) % PRIME) % PRIME
        for _ in range(3):
            mixed = (mixed * mixed + column * 31 + row * 17 + 1) % PRIME
        return mixed

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "block_size": self.block_size,
            "window_blocks": self.window_blocks,
            "global_blocks": self.global_blocks,
            "random_blocks": self.random_blocks,
        }
