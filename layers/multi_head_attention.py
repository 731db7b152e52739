import keras
from keras import ops

from .masking import carry_mask, combine_masks, masked_softmax
from .projected_attention import ProjectedAttention
from .serialization import register
from .shapes import check_ranks


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

    Args: see `ProjectedAttention`.

    Call arguments: see `AttentionLayer`, and
        cache: what `init_cache` or the call before returned. `query` and `value` are then the next
            one or more positions of a sequence. Attention is causal, and masks over keys, and the
            weights, span the `max_length` of the cache.
        cache_index: how many positions the cache already holds, an integer scalar.

    Returns:
        The output `(B, T, D)`; the weights `(B, N, T, S)` if asked for; the new cache if one was
        given.

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Shazeer, 2019](https://arxiv.org/abs/1911.02150)
        - [Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)
    """

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
        cache=None,
        cache_index=None,
    ):
        key_shape = None if key is None else key.shape
        check_ranks(self, query=query.shape, value=value.shape, key=key_shape)
        memory = self.project_memory(value, key)
        if cache is not None:
            if cache_index is None:
                raise ValueError("`cache` needs `cache_index`, the number of positions it holds.")
            memory = cache = self._update_cache(cache, memory, cache_index)
        key_length = ops.shape(memory[0])[2]
        for name, mask in (("value_mask", value_mask), ("key_mask", key_mask)):
            if cache is not None and mask is not None and mask.shape[1] != key_length:
                raise ValueError(
                    f"With a cache, `{name}` must span its {key_length} positions. "
                    f"Received a mask of shape {tuple(mask.shape)}"
                )
        mask = combine_masks(
            ops.shape(query)[1],
            key_length,
            query_mask=query_mask,
            value_mask=value_mask,
            key_mask=key_mask,
            attention_mask=attention_mask,
            use_causal_mask=use_causal_mask or cache is not None,
            offset=0 if cache is None else cache_index,
        )
        output, weights = self.attend(query, memory, mask=mask, training=training)
        carry_mask(output, query_mask)
        results = [output]
        if return_attention_scores:
            results.append(weights)
        if cache is not None:
            results.append(cache)
        return tuple(results) if len(results) > 1 else output

    def attend(self, query, memory, mask=None, training=None, dropout_mask=None):
        keys, values = memory
        query = self.query_projection(query) * self.key_dim**-0.5
        batch, length = ops.shape(query)[:2]
        kv_heads, value_dim = keys.shape[1], values.shape[3]
        groups = self.num_heads // kv_heads
        key_length = ops.shape(keys)[2]
        # The queries of one group stand one below the other: one product serves them all.
        query = ops.swapaxes(query, 1, 2)
        query = ops.reshape(query, (batch, kv_heads, groups * length, self.key_dim))
        scores = ops.matmul(query, ops.swapaxes(keys, 2, 3))
        scores = ops.reshape(scores, (batch, self.num_heads, length, key_length))
        if mask is not None and len(mask.shape) == 3:
            mask = mask[:, None]
        weights = ops.cast(masked_softmax(scores, mask), self.compute_dtype)
        dropped = self._drop(weights, training, dropout_mask)
        dropped = ops.reshape(dropped, (batch, kv_heads, groups * length, key_length))
        context = ops.matmul(dropped, values)
        context = ops.reshape(context, (batch, self.num_heads, length, value_dim))
        return self.output_projection(ops.swapaxes(context, 1, 2)), weights

    def init_cache(self, batch_size, max_length):
        """An empty cache of `max_length` positions: keys and values, `(B, N_kv, max_length, H)`."""
        heads = self.num_kv_heads or self.num_heads
        return tuple(
            ops.zeros((batch_size, heads, max_length, size), dtype=self.compute_dtype)
            for size in (self.key_dim, self.value_dim or self.key_dim)
        )

    def _update_cache(self, cache, memory, index):
        start = (0, 0, index, 0)
        return tuple(
            ops.slice_update(old, start, ops.cast(new, old.dtype))
            for old, new in zip(cache, memory, strict=True)
        )

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        *args,
        return_attention_scores=False,
        cache=None,
        **kwargs,
    ):
        spec = super().compute_output_spec(
            query, value, key, return_attention_scores=return_attention_scores
        )
        if cache is None:
            return spec
        results = list(spec) if return_attention_scores else [spec]
        if return_attention_scores:
            weights_shape = (*results[1].shape[:3], cache[0].shape[2])
            results[1] = keras.KerasTensor(weights_shape, dtype=self.compute_dtype)
        new_cache = tuple(keras.KerasTensor(old.shape, dtype=old.dtype) for old in cache)
        return (*results, new_cache)
