from typing import Any

import keras
from keras import initializers, ops

from ..checks import check_batches
from ..devices import on_gpu
from ..functional.chunked_attention import BlockSeed, chunked_attention
from ..functional.dot_product import attention_weights, weighted_sum
from ..functional.fused_attention import fused_attention, has_gradient
from ..functional.masking import AttentionMask, carry_mask, implicit_mask
from ..functional.relative_position import BUCKETS, alibi_bias, distances, relative_buckets
from ..functional.rotary import rotate
from ..functional.sizes import either, known, product, static_shape
from ..serialization import register
from ..types import Config, Tensor
from .projected_attention import ProjectedAttention

POSITIONS = (None, "rotary", "alibi", "relative")
IMPLEMENTATIONS = ("auto", "dense", "chunked", "flash")

# Up to here the weights fit in memory many times over, and computing them once is faster.
DENSE_SCORES = 2**25
LARGE_BATCH = 128  # Of an unknown number of examples, that many are to fit.


@register
class MultiHeadAttention(ProjectedAttention):
    """Scaled dot-product attention in several heads, Vaswani et al. (2017).

    1. Project query, key and value to N heads of size H.
    2. Weights `softmax(q k^T / sqrt(H))` (equation 1), in each head.
    3. Project the weighted sums of the values, all heads side by side, to the output.

    `num_kv_heads` gives grouped-query attention (Ainslie et al., 2023) and, with 1, multi-query
    attention (Shazeer, 2019). A drop-in for `keras.layers.MultiHeadAttention`, with its weights;
    other than there, the output does not depend on whether weights are asked for, `query_mask`
    counts, and a query that sees no key gets a zero context, so that its output is the bias of the
    output projection.

    Args:
        num_heads, key_dim, value_dim, num_kv_heads, output_dim, use_bias, dropout, seed and those
            of the projections: see `ProjectedAttention`.
        position: What tells a head where a key stands, in self-attention: "rotary" turns queries
            and keys by their position (Su et al., 2021; `key_dim` must be even), "alibi" subtracts
            from a score in proportion to the distance (Press et al., 2022), "relative" adds a
            learned bias for each head and bucket of distances (Raffel et al., 2020, after Shaw et
            al., 2018). `None` for no such thing.
        implementation: The numbers are the same, time and memory are not. "dense" holds the T x S
            weights of every head. "chunked" never does: its memory is linear in the length, forward
            and backward. "flash" is the fused kernel of JAX and PyTorch on a GPU, without masks
            other than the causal one, ALiBi or relative biases, or dropout in training. "auto"
            takes what is fastest where it fits.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments: see `AttentionLayer`, and
        cache: what `init_cache` or the call before returned. `query` and `value` are then the next
            one or more positions of a sequence. Attention is causal, and masks over keys, and the
            weights, span the `max_length` of the cache.
        cache_index: how many positions the cache already holds, an integer scalar.

    Returns:
        The output `(B, T, D)`; the weights `(B, N, T, S)` if asked for; the new cache if one was
        given.

    Example:
    >>> x = np.ones((2, 5, 16))
    >>> layer = MultiHeadAttention(num_heads=4, key_dim=8, num_kv_heads=2, position="rotary")
    >>> output, weights = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    >>> tuple(output.shape), tuple(weights.shape)
    ((2, 5, 16), (2, 4, 5, 5))

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Shazeer, 2019](https://arxiv.org/abs/1911.02150)
        - [Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)
        - Rotary: [Su et al., 2021](https://arxiv.org/abs/2104.09864)
        - ALiBi: [Press, Smith and Lewis, 2022](https://arxiv.org/abs/2108.12409)
        - Relative: [Shaw et al., 2018](https://arxiv.org/abs/1803.02155), and
          [Raffel et al., 2020](https://arxiv.org/abs/1910.10683)
        - Chunked: [Rabe and Staats, 2021](https://arxiv.org/abs/2112.05682), and
          [Dao et al., 2022](https://arxiv.org/abs/2205.14135)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        num_kv_heads: int | None = None,
        output_dim: int | None = None,
        use_bias: bool = True,
        position: str | None = None,
        implementation: str = "auto",
        **kwargs: Any,
    ) -> None:
        if position not in POSITIONS:
            raise ValueError(f"`position` must be one of {POSITIONS}. Received: {position!r}")
        if position == "rotary" and key_dim % 2:
            raise ValueError(f"Rotary positions need an even `key_dim`. Received: {key_dim}")
        if implementation not in IMPLEMENTATIONS:
            raise ValueError(
                f"`implementation` must be one of {IMPLEMENTATIONS}. Received: {implementation!r}"
            )
        super().__init__(
            num_heads,
            key_dim,
            value_dim=value_dim,
            num_kv_heads=num_kv_heads,
            output_dim=output_dim,
            use_bias=use_bias,
            **kwargs,
        )
        if implementation == "flash" and not _has_fused_kernels():
            raise ValueError(
                "implementation='flash' needs the JAX or the PyTorch backend and a GPU; this is "
                f"{keras.backend.backend()}. 'chunked' saves the same memory anywhere."
            )
        if implementation == "flash" and position in ("alibi", "relative"):
            raise ValueError(
                f"implementation='flash' has no place for the biases of position={position!r}; "
                "'chunked' has."
            )
        self.position = position
        self.implementation = implementation

    def _build_projections(self, query_shape, value_shape, key_shape):
        super()._build_projections(query_shape, value_shape, key_shape)
        if self.position == "relative":
            self.relative_bias = self.add_weight(
                shape=(BUCKETS, self.num_heads),
                initializer=initializers.RandomNormal(stddev=0.02, seed=self.seed),
                name="relative_bias",
            )

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
        cache: Any = None,
        cache_index: Any = None,
    ) -> Any:
        if cache is None:
            return super().call(
                query,
                value,
                key,
                query_mask=query_mask,
                value_mask=value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                use_causal_mask=use_causal_mask,
                return_attention_scores=return_attention_scores,
                training=training,
            )
        if cache_index is None:
            raise ValueError("`cache` needs `cache_index`, the number of positions it holds.")
        self._check_shapes(query.shape, value.shape, None if key is None else key.shape)
        # What Keras fills in is over the new positions, not over those of the cache.
        if value_mask is implicit_mask(value):
            value_mask = None
        if key is not None and key_mask is implicit_mask(key):
            key_mask = None
        if len(cache) != 2 or len(cache[0].shape) != 4:
            raise ValueError("`cache` must be what `init_cache` or the call before returned.")
        check_batches(self, query=query.shape, cache=cache[0].shape)
        max_length = cache[0].shape[2]
        if known(cache_index, value.shape[1]) and cache_index + value.shape[1] > max_length:
            raise ValueError(
                f"The cache has {max_length} positions. Received {value.shape[1]} more, "
                f"with cache_index={cache_index}"
            )
        for name, mask in (("value_mask", value_mask), ("key_mask", key_mask)):
            if mask is not None and mask.shape[1] != max_length:
                raise ValueError(
                    f"With a cache, `{name}` must span its {max_length} positions. "
                    f"Received a mask of shape {tuple(mask.shape)}"
                )
        keys, values = self.project_memory(value, key, start=cache_index)
        start = (0, 0, cache_index, 0)
        cache = tuple(
            ops.slice_update(old, start, ops.cast(new, old.dtype))
            for old, new in zip(cache, (keys, values), strict=True)
        )
        mask = self._make_mask(
            query.shape,
            (*value.shape[:1], max_length, None),
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            use_causal_mask=True,
            offset=cache_index,
        )
        output, weights = self.attend(
            query,
            cache,
            mask=mask,
            training=training,
            return_attention_scores=return_attention_scores,
        )
        carry_mask(output, query_mask)
        return (output, weights, cache) if return_attention_scores else (output, cache)

    def project_memory(self, value: Tensor, key: Tensor | None = None, start: Any = 0) -> Any:
        """Keys and values `(B, N_kv, S, H)`, the first at position `start`."""
        keys, values = super().project_memory(value, key)
        return (rotate(keys, start) if self.position == "rotary" else keys), values

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
        mask = AttentionMask.of(mask)
        query = ops.swapaxes(self.query_projection(query) * self.key_dim**-0.5, 1, 2)
        if self.position == "rotary":
            query = rotate(query, mask.offset)
        length, key_length = ops.shape(query)[2], ops.shape(keys)[2]
        bias = self._bias(distances(length, key_length, mask.offset))
        dropping = dropout_mask is not None or bool(training and self.dropout)
        implementation = self._implementation(query, keys, dropping, training)

        def weigh():
            weights = attention_weights(
                query, ops.swapaxes(keys, 2, 3), mask.rows(0, length, key_length), bias
            )
            return ops.cast(weights, self.compute_dtype)

        def draw():
            return self.weights_dropout.seed_generator.next() if dropping else None

        def dense(seed=None):
            weights = weigh()
            if seed is None or dropout_mask is not None:
                dropped = self._drop(weights, training, dropout_mask)
            else:
                dropped = keras.random.dropout(weights, self.dropout, seed=BlockSeed(seed, 0))
            return weighted_sum(dropped, values), weights

        def chunked(seed):
            dropout = self.dropout if dropping else 0.0
            return chunked_attention(query, keys, values, mask, bias, dropout, seed)

        weights = None
        if implementation == "dense":
            context, weights = dense()
        elif implementation == "fused":
            context = fused_attention(query, keys, values, mask, self.implementation == "flash")
        elif implementation == "chunked":
            context = chunked(draw())
        else:  # The lengths are known when it runs.
            # A state that changes in one of two branches cannot be read after them in a `remat`.
            seed = draw()
            few = product(ops.shape(query)[0], self.num_heads, length, key_length) <= DENSE_SCORES
            if return_attention_scores:
                context, weights = either(
                    few, lambda: dense(seed), lambda: (chunked(seed), weigh())
                )
            else:
                context = either(few, lambda: dense(seed)[0], lambda: chunked(seed))
        if return_attention_scores and weights is None:
            weights = weigh()
        return self.output_projection(ops.swapaxes(context, 1, 2)), weights

    def _bias(self, distance):
        if self.position == "alibi":
            return alibi_bias(distance, self.num_heads)
        if self.position == "relative":
            table = ops.convert_to_tensor(self.relative_bias)
            bias = ops.take(table, relative_buckets(distance), axis=0)
            return ops.cast(ops.transpose(bias), "float32")
        return None

    def _implementation(self, query, keys, dropping, training=False):
        """What computes this call; `None` if that depends on lengths not known yet.

        It does not depend on whether weights are asked for, nor does the output.
        """
        plain = not dropping and self.position in (None, "rotary")
        if self.implementation == "flash":
            if not plain:
                raise ValueError("implementation='flash' has no dropout; 'chunked' has.")
            return "fused"
        if self.implementation != "auto":
            return self.implementation
        batch, heads, length, _ = static_shape(query)
        key_length = static_shape(keys)[2]
        trainable = not training or has_gradient(query, length, key_length)
        if plain and trainable and _has_fused_kernels(gpu=keras.backend.backend() == "jax"):
            return "fused"
        # JAX cannot draw a dropout in one of two branches, and `torch.export` follows none.
        later = {"jax": "chunked" if dropping else None, "torch": "dense"}.get(
            keras.backend.backend()
        )
        if None in (length, key_length):
            return later
        scores = heads * length * key_length
        if batch is None and scores <= DENSE_SCORES < scores * LARGE_BATCH:
            return later
        return "dense" if (batch or 1) * scores <= DENSE_SCORES else "chunked"

    def init_cache(self, batch_size: int, max_length: int) -> Any:
        """An empty cache of `max_length` positions: keys and values, `(B, N_kv, max_length, H)`."""
        heads = self.num_kv_heads or self.num_heads
        return tuple(
            ops.zeros((batch_size, heads, max_length, size), dtype=self.compute_dtype)
            for size in (self.key_dim, self.value_dim or self.key_dim)
        )

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
        training: bool | None = None,
        cache: Any = None,
        cache_index: Any = None,
    ) -> Any:
        masks = {
            "query_mask": query_mask,
            "value_mask": value_mask,
            "key_mask": key_mask,
            "attention_mask": attention_mask,
        }
        spec = super().compute_output_spec(
            query,
            value,
            key,
            **(masks if cache is None else {}),  # With a cache they are over its positions.
            return_attention_scores=return_attention_scores,
        )
        if cache is None:
            return spec
        results = list(spec) if return_attention_scores else [spec]
        if return_attention_scores:
            weights_shape = (*results[1].shape[:3], cache[0].shape[2])
            results[1] = keras.KerasTensor(weights_shape, dtype=self.compute_dtype)
        new_cache = tuple(keras.KerasTensor(old.shape, dtype=old.dtype) for old in cache)
        return (*results, new_cache)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "position": self.position,
            "implementation": self.implementation,
        }


def _has_fused_kernels(gpu=True):
    """Whether the backend has attention as one kernel, on the device that it computes on."""
    if keras.backend.backend() == "tensorflow":
        return False
    return not gpu or on_gpu()
