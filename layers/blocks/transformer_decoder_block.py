from typing import Any

import keras
from keras import ops

from ..aligned.aligned_attention import AlignedAttention
from ..checks import SeparateTensors, check_batches, check_mask, check_ranks, check_shares
from ..functional.masking import AttentionMask, implicit_mask
from ..functional.rematerialize import rematerialized
from ..serialization import register
from ..types import Activation, Config, Shape, Tensor
from .transformer_block import TransformerBlock, serialize_attention


@register
class TransformerDecoderBlock(SeparateTensors, TransformerBlock):
    """Causal self-attention, attention to a memory, and a perceptron, each on a residual path.

    Args:
        num_heads: N, for mechanisms with heads.
        mlp_dim: Size of the perceptron's hidden layer.
        attention: Of the causal self-attention: a name of `layers.mechanisms()`, or a layer.
            Decoding with a cache needs one that has `init_cache`, such as `multi_head`.
        cross_attention: Of the attention to the memory: a name or a layer.
        norm_first: Whether normalization stands before each branch or after each sum.
        activation: Of the perceptron's hidden layer.
        dropout: On the branches, the hidden layer and, of mechanisms given by name, the weights.
        layer_scale: What the learned factors of `LayerScale` on the branches start with; `None`
            for no such factors.
        stochastic_depth: Rate at which `StochasticDepth` leaves out branches in training.
        norm_epsilon: Of the layer normalizations.
        seed: Seed of the dropout.
        remat: Whether training computes the activations inside again in the backward pass, which
            saves the memory to keep them.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: Of the
            feed-forward layers and of the projections of mechanisms given by name.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        x: `(B, T, D)`.
        memory: `(B, S, M)`, what to attend to; `None` for a decoder without memory. Also what
            `project_memory` made of it: keys and values are then not projected again, and the batch
            of `x` may be a multiple of the memory's, the sequences that share one side by side.
        mask: boolean `(B, T)` over the positions of `x`, or `(B, T, T)`; with a cache `(B,
            max_length)`. What a fully masked row gets from an attention, `AttentionLayer` says; the
            residual path remains.
        memory_mask: boolean `(B, S)`.
        cache: what `init_cache` or the call before returned; `x` is then the next positions.
        cache_index: how many positions the cache already holds, an integer scalar.
        return_attention_scores: whether to return the weights over the memory.

    Returns:
        `(B, T, D)`; the weights over the memory if asked for; the new cache if one was given.

    Example:
    >>> words, image = np.ones((2, 5, 16)), np.ones((2, 9, 32))
    >>> block = TransformerDecoderBlock(num_heads=4, mlp_dim=64)
    >>> output, weights = block(words, image, return_attention_scores=True)
    >>> tuple(output.shape), tuple(weights.shape)
    ((2, 5, 16), (2, 4, 5, 9))
    >>> cache = block.init_cache(batch_size=2, max_length=5)
    >>> word, cache = block(words[:, :1], image, cache=cache, cache_index=0)
    >>> tuple(word.shape)
    (2, 1, 16)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745)
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        attention: str | keras.layers.Layer = "multi_head",
        cross_attention: str | keras.layers.Layer = "multi_head",
        norm_first: bool = True,
        activation: Activation = "gelu",
        dropout: float = 0.0,
        layer_scale: float | None = None,
        stochastic_depth: float = 0.0,
        norm_epsilon: float = 1e-6,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_heads,
            mlp_dim,
            attention=attention,
            norm_first=norm_first,
            activation=activation,
            dropout=dropout,
            layer_scale=layer_scale,
            stochastic_depth=stochastic_depth,
            norm_epsilon=norm_epsilon,
            seed=seed,
            remat=remat,
            **kwargs,
        )
        self.cross_attention_mechanism = cross_attention

    def build(self, x_shape: Shape, memory_shape: Shape | None = None) -> None:
        check_ranks(self, x=x_shape, memory=memory_shape)
        x_shape = tuple(x_shape)
        self.self_attention_norm = self._make_norm(x_shape, "self_attention_norm")
        self.self_attention = self._make_attention(
            self.attention, x_shape, x_shape, "self_attention"
        )
        self.self_attention_scale = self._make_scale(x_shape, "self_attention_scale")
        self.cross_attention = None
        if memory_shape is not None:
            self.cross_attention_norm = self._make_norm(x_shape, "cross_attention_norm")
            self.cross_attention = self._make_attention(
                self.cross_attention_mechanism, x_shape, tuple(memory_shape), "cross_attention"
            )
            if getattr(self.cross_attention, "self_attention_only", False):
                raise ValueError(
                    f"`cross_attention` cannot be {type(self.cross_attention).__name__}, which is "
                    "self-attention: target and memory are two sequences."
                )
            if isinstance(self.cross_attention, AlignedAttention):
                raise ValueError(
                    f"`cross_attention` cannot be {type(self.cross_attention).__name__}: it sees "
                    "the weights of earlier steps, which this block does not hand on. AttentionRNN "
                    "and RecurrentDecoder do."
                )
            if getattr(self.cross_attention, "position", None):
                raise ValueError(
                    "`cross_attention` has no positions: those of the target and those of the "
                    f"memory are not on one axis. Received: {self.cross_attention.position!r}"
                )
            self.cross_attention_scale = self._make_scale(x_shape, "cross_attention_scale")
        self._build_mlp(x_shape)
        self.built = True

    @rematerialized
    def call(
        self,
        x: Tensor,
        memory: Any = None,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: Any = None,
        cache_index: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        projected = isinstance(memory, (tuple, list))
        memory_shape = None if memory is None or projected else memory.shape
        check_ranks(self, x=x.shape, memory=memory_shape)
        if (memory is None) != (self.cross_attention is None):
            raise ValueError(
                "This TransformerDecoderBlock was built "
                + ("without a memory." if self.cross_attention is None else "with a memory.")
            )
        if memory is None and return_attention_scores:
            raise ValueError("The weights are those over the memory, and there is none.")
        if mask is None and cache is None:
            mask = implicit_mask(x)  # Keras fills in `mask` only where `x` is the one tensor.
        # Of a pair Keras fills in a pair of implicit masks; a projected memory has none.
        memory_mask = None if isinstance(memory_mask, (tuple, list)) else memory_mask
        self._check_shapes(x, memory, mask, memory_mask, cache)
        h = self.self_attention_norm(x) if self.norm_first else x
        masks = {}
        if mask is not None and len(mask.shape) == 2:
            masks = (
                {"value_mask": mask}
                if cache is not None
                else dict.fromkeys(("query_mask", "value_mask"), mask)
            )
        elif mask is not None:
            masks = {"attention_mask": mask}
        if cache is None:
            attended = self.self_attention(h, h, use_causal_mask=True, training=training, **masks)
        else:
            attended, cache = self.self_attention(
                h, h, cache=cache, cache_index=cache_index, training=training, **masks
            )
        x = self._add(x, attended, self.self_attention_scale, self.self_attention_norm, training)
        weights = None
        if memory is not None:
            h = self.cross_attention_norm(x) if self.norm_first else x
            if projected:
                query_mask = masks.get("query_mask")
                attended, weights = self._attend_projected(
                    h, memory, query_mask, memory_mask, return_attention_scores, training
                )
            else:
                attended = self.cross_attention(
                    h,
                    memory,
                    query_mask=masks.get("query_mask"),
                    value_mask=memory_mask,
                    return_attention_scores=return_attention_scores,
                    training=training,
                )
                if return_attention_scores:
                    attended, weights = attended
            x = self._add(
                x, attended, self.cross_attention_scale, self.cross_attention_norm, training
            )
        results = [self._mlp(x, training)]
        if return_attention_scores:
            results.append(weights)
        if cache is not None:
            results.append(cache)
        return tuple(results) if len(results) > 1 else results[0]

    def _check_shapes(self, x, memory, mask, memory_mask, cache):
        max_length = None
        if cache is not None:
            check_batches(self, x=x.shape, cache=cache[0].shape)
            max_length = cache[0].shape[2]
        self._check_mask(x.shape, mask, max_length)
        if memory is None:
            return
        if isinstance(memory, (tuple, list)):
            (examples, *_, length, _) = memory[0].shape
            check_shares(self, memory[0].shape, x=x.shape)
        else:
            examples, length = memory.shape[:2]
            check_batches(self, x=x.shape, memory=memory.shape)
        check_mask(self, "memory_mask", memory_mask, batch=examples, memory_length=length)

    def _attend_projected(
        self, query, memory, query_mask, memory_mask, return_attention_scores, training
    ):
        """Attends to a projected memory; the candidates of an example stand as its queries."""
        keys = memory[0]
        rows, length, dim = ops.shape(query)
        examples = ops.shape(keys)[0]
        if query_mask is not None:
            query_mask = ops.reshape(query_mask, (examples, -1))
        mask = AttentionMask(query_mask=query_mask, value_mask=memory_mask)
        attended, weights = self.cross_attention.attend(
            ops.reshape(query, (examples, -1, dim)),
            memory,
            mask,
            training=training,
            return_attention_scores=return_attention_scores,
        )
        attended = ops.reshape(attended, (rows, length, attended.shape[-1]))
        if not return_attention_scores:
            return attended, None
        if len(weights.shape) == 4:
            heads, key_length = weights.shape[1], ops.shape(weights)[3]
            weights = ops.reshape(weights, (examples, heads, -1, length, key_length))
            weights = ops.reshape(ops.swapaxes(weights, 1, 2), (rows, heads, length, key_length))
        else:
            weights = ops.reshape(weights, (rows, length, ops.shape(weights)[2]))
        return attended, weights

    def project_memory(self, memory: Any) -> Any:
        """Keys and values of the memory, to be passed as `memory` at every step of a decoding."""
        return self.cross_attention.project_memory(memory)

    def init_cache(self, batch_size: int, max_length: int) -> Any:
        """An empty cache of the self-attention for `max_length` positions."""
        if not hasattr(self.self_attention, "init_cache"):
            raise ValueError(
                f"{type(self.self_attention).__name__} has no cache; decode with a self-attention "
                "that has one, such as 'multi_head'."
            )
        return self.self_attention.init_cache(batch_size, max_length)

    def compute_output_spec(
        self,
        x: Tensor,
        memory: Any = None,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: Any = None,
        cache_index: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_shapes(x, memory, mask, memory_mask, cache)
        results = [keras.KerasTensor(x.shape, dtype=self.compute_dtype)]
        if return_attention_scores:
            _, weights = self.cross_attention.compute_output_spec(
                x, memory, return_attention_scores=True
            )
            results.append(weights)
        if cache is not None:
            results.append(tuple(keras.KerasTensor(old.shape, dtype=old.dtype) for old in cache))
        return tuple(results) if len(results) > 1 else results[0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "cross_attention": serialize_attention(self.cross_attention_mechanism),
        }
