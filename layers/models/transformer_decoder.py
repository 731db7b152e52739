from typing import Any

import keras
from keras import ops

from ..blocks.transformer_decoder_block import TransformerDecoderBlock
from ..blocks.word_dropout import word_dropout
from ..checks import SeparateTensors, check_memory, refuse_call_arguments
from ..embeddings.position_embedding import PositionEmbedding
from ..functional.tables import embeddings_of
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor


@register
class TransformerDecoder(SeparateTensors, QuantizedParts, keras.layers.Layer):
    """Tokens to logits by Transformer blocks that attend to a memory, Vaswani et al. (2017).

    Embedding and logits share their table (Press and Wolf, 2017).

    Args:
        vocabulary_size: V.
        dim: D.
        num_layers: Number of blocks.
        num_heads: N.
        mlp_dim: Size of the perceptrons' hidden layers; `4 * dim` if `None`.
        cross_attention: A name of `layers.mechanisms()`: how the memory is attended to.
        max_length: Longest sequence, in tokens.
        dropout: On the embedding, the branches and the attention weights.
        word_dropout: Share of the tokens that training hides from later ones, so that the model
            looks at the memory rather than guess from what was said.
        seed: Seed of the dropout.
        remat: Whether training computes the activations of blocks again in the backward pass,
            which saves the memory to keep them.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        tokens: `(B, T)`, integers.
        memory: `(B, S, M)`, or `(B / K, S, M)` if each K sequences, side by side, share one.
        memory_mask: boolean, `(B, S)` or `(B / K, S)`. A fully masked memory has zero weights and
            tells nothing; the logits then follow from the tokens alone.
        return_attention_scores: whether to return the weights `(B, T, S)` as well: the mean over
            blocks and heads, since which of them looks a word up differs from one training to
            another.

    Returns:
        Logits `(B, T, V)`, and the weights if asked for.

    Example:
    >>> tokens, image = np.ones((2, 5), "int32"), np.ones((2, 9, 32))
    >>> decoder = TransformerDecoder(vocabulary_size=100, dim=16, num_heads=4)
    >>> logits, weights = decoder(tokens, image, return_attention_scores=True)
    >>> tuple(logits.shape), tuple(weights.shape)
    ((2, 5, 100), (2, 5, 9))

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Press and Wolf, 2017](https://arxiv.org/abs/1608.05859)
        - Word dropout: [Bowman et al., 2016](https://arxiv.org/abs/1511.06349)
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        num_layers: int = 2,
        num_heads: int = 8,
        mlp_dim: int | None = None,
        cross_attention: str = "multi_head",
        max_length: int = 128,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.cross_attention = cross_attention
        self.max_length = max_length
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.seed = seed
        self.remat = remat

    def build(self, tokens_shape: Shape, memory_shape: Shape) -> None:
        x_shape = (*tokens_shape, self.dim)
        self.embedding = keras.layers.Embedding(
            self.vocabulary_size,
            self.dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=self.dim**-0.5),
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.embedding.build(tokens_shape)
        self.positions = PositionEmbedding(
            self.max_length, kind="sinusoidal", dtype=self.dtype_policy, name="positions"
        )
        self.positions.build(x_shape)
        self.blocks = []
        for i in range(self.num_layers):
            block = TransformerDecoderBlock(
                self.num_heads,
                self.mlp_dim or 4 * self.dim,
                cross_attention=self.cross_attention,
                dropout=self.dropout,
                seed=self.seed,
                remat=self.remat,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            block.build(x_shape, tuple(memory_shape))
            self.blocks.append(block)
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build(x_shape)
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.word_dropout_layer = word_dropout(
            self.word_dropout, seed=self.seed, dtype=self.dtype_policy
        )
        self.built = True

    def attention_layers(self) -> list:
        """The layers that look at the memory, once built: one of each block."""
        return [block.cross_attention for block in self.blocks]

    def call(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        x, weights = self.features(
            tokens, memory, memory_mask, return_attention_scores, training=training
        )
        logits = self.project(x)
        return (logits, weights) if return_attention_scores else logits

    def embed(self, tokens: Tensor) -> Any:
        """Tokens `(B, S)` to vectors `(B, S, D)` without positions, for an encoder to share."""
        return self.embedding(tokens) * self.dim**0.5

    def features(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = True,
        training: bool | None = None,
    ) -> Any:
        """What logits are made of, `(B, T, D)`, and the weights `(B, T, S)`, or `None`."""
        check_memory(self, tokens, memory, memory_mask)
        x = self.dropout_layer(self._place(tokens, 0, training), training=training)
        weights = []
        for block in self.blocks:
            # Projected first, since several sequences may share a memory.
            projected = block.project_memory(memory)
            x = block(
                x,
                projected,
                memory_mask=memory_mask,
                return_attention_scores=return_attention_scores,
                training=training,
            )
            x, block_weights = x if return_attention_scores else (x, None)
            weights.append(block_weights)
        return self.norm(x), _mean(weights) if return_attention_scores else None

    def features_dim(self, memory_dim: int) -> int:
        """Size of the features."""
        return self.dim

    def project(self, features: Tensor, training: bool | None = None) -> Any:
        """Features to logits."""
        return ops.matmul(features, ops.transpose(embeddings_of(self.embedding)))

    def _place(self, tokens, index, training=False):
        x = self.word_dropout_layer(self.embed(tokens), training=training)
        return self.positions(x, start_index=index)

    def start(
        self, memory: Tensor, candidates: int, max_length: int, memory_mask: Tensor | None = None
    ) -> Any:
        """Where decoding begins: the projected memory, and empty caches of all candidates."""
        rows = ops.shape(memory)[0] * candidates
        projected = [block.project_memory(memory) for block in self.blocks]
        return (projected, memory_mask), [
            block.init_cache(rows, max_length) for block in self.blocks
        ]

    def step(self, tokens: Tensor, index: Any, memory: Any, state: Any) -> Any:
        """One token `(B * K,)` of each candidate: logits `(B * K, V)`, weights, new caches."""
        features, weights, state = self.step_features(tokens, index, memory, state)
        return self.project(features), weights, state

    def step_features(self, tokens: Tensor, index: Any, memory: Any, state: Any) -> Any:
        """As `step`, with what the logits are made of, `(B * K, D)`, in their place."""
        projected, memory_mask = memory
        x = self._place(tokens[:, None], index)
        weights, caches = [], []
        for block, block_memory, cache in zip(self.blocks, projected, state, strict=True):
            x, block_weights, cache = block(
                x,
                block_memory,
                memory_mask=memory_mask,
                cache=cache,
                cache_index=index,
                return_attention_scores=True,
            )
            weights.append(block_weights)
            caches.append(cache)
        return self.norm(x)[:, 0], _mean(weights)[:, 0], caches

    def compute_output_spec(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_memory(self, tokens, memory, memory_mask)
        shape = (*tokens.shape, self.vocabulary_size)
        logits = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return logits
        shape = (*tokens.shape, memory.shape[1])
        return logits, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "cross_attention": self.cross_attention,
            "max_length": self.max_length,
            "dropout": self.dropout,
            "word_dropout": self.word_dropout,
            "seed": self.seed,
            "remat": self.remat,
        }


def _mean(weights):
    """Weights `(B, T, S)` of all blocks, whether or not the mechanism has heads."""
    weights = [ops.mean(w, axis=1) if len(w.shape) == 4 else w for w in weights]
    return sum(weights[1:], start=weights[0]) / len(weights)
