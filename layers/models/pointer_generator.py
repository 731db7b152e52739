from typing import Any

import keras
from keras import ops

from ..attention.multi_head_attention import MultiHeadAttention
from ..checks import SeparateTensors, check_memory, refuse_call_arguments
from ..functional.masking import AttentionMask
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor

# What no attention weight that counts comes near, and whose logarithm is finite.
_TINY = 1e-20


@register
class PointerGenerator(SeparateTensors, QuantizedParts, keras.layers.Layer):
    """A decoder that writes words of its vocabulary or copies the source's, See et al. (2017).

    1. `p_gen = sigmoid(w^T features + b)`, from the context, the state and the word before
       (equation 8).
    2. A word `v` is generated with probability `p_gen P_vocab(v)`, and position `j` of the source
       is copied with `(1 - p_gen) a_j`, by the attention weights (equation 9).

    The V + S log-probabilities are returned side by side. Ids from V on are words that the
    vocabulary lacks: `V + j` is the one that first occurs at position `j` of the source. `merge`
    adds up the ways to one word.

    Args:
        decoder: A `RecurrentDecoder` or a `TransformerDecoder`.
        unknown: The id by which words that the vocabulary lacks are read.
        copy_dim: Size of an attention of its own that says what to copy, over the decoder's
            features; `None` takes the decoder's weights, as the paper does. Those of a Transformer
            are the mean of many heads, which point at many words.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        tokens: `(B, T)`, ids below V + S.
        memory: `(B, S, M)`, or `(B / K, S, M)` if each K sequences, side by side, share one.
        memory_mask: boolean, `(B, S)` or `(B / K, S)`. Of a fully masked memory nothing is copied.
        return_attention_scores: whether to return the weights `(B, T, S)` as well, those which say
            what to copy.

    Returns:
        Log-probabilities `(B, T, V + S)`, float32, and the weights if asked for.

    Example:
    >>> layer = PointerGenerator(RecurrentDecoder(vocabulary_size=11, dim=8))
    >>> log_probs, weights = layer(
    ...     np.ones((2, 5), "int32"), np.ones((2, 7, 6)), return_attention_scores=True
    ... )
    >>> tuple(log_probs.shape), tuple(weights.shape)
    ((2, 5, 18), (2, 5, 7))

    Reference:
        [See, Liu and Manning, 2017](https://arxiv.org/abs/1704.04368)
    """

    def __init__(
        self,
        decoder: keras.layers.Layer,
        unknown: int = 3,
        copy_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.decoder = decoder
        self.unknown = unknown
        self.copy_dim = copy_dim

    @property
    def vocabulary_size(self) -> int:
        return self.decoder.vocabulary_size

    def attention_layers(self) -> list:
        """The decoder's layers that look at the memory."""
        return self.decoder.attention_layers()

    def build(self, tokens_shape: Shape, memory_shape: Shape) -> None:
        if not self.decoder.built:
            self.decoder.build(tuple(tokens_shape), tuple(memory_shape))
        features_shape = (*tokens_shape, self.decoder.features_dim(memory_shape[-1]))
        self.copy_attention = None
        if self.copy_dim is not None:
            self.copy_attention = MultiHeadAttention(
                1,
                self.copy_dim,
                implementation="dense",
                dtype=self.dtype_policy,
                name="copy_attention",
            )
            self.copy_attention.build(features_shape, tuple(memory_shape))
            features_shape = (*features_shape[:-1], 2 * features_shape[-1])
        self.gate = keras.layers.Dense(1, dtype=self.dtype_policy, name="gate")
        self.gate.build(features_shape)
        self.built = True

    def call(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        features, weights = self.decoder.features(
            self._read(tokens), memory, memory_mask, self.copy_attention is None, training=training
        )
        looked = features
        if self.copy_attention is not None:
            looked, weights = self._look(
                features, self.copy_attention.project_memory(memory), memory_mask
            )
        logits = self.decoder.project(features, training)
        log_probs = self._mix(logits, self.gate(looked), weights)
        return (log_probs, weights) if return_attention_scores else log_probs

    def embed(self, tokens: Tensor) -> Any:
        """Tokens `(B, S)` to vectors `(B, S, D)`, for an encoder to share."""
        return self.decoder.embed(self._read(tokens))

    def merge(self, log_probs: Tensor, source: Tensor) -> Any:
        """Adds the copies of a word to its generation.

        Args:
            log_probs: `(B * K, V + S)`, of K candidates side by side.
            source: `(B, S)`, ids below V + S.

        Returns:
            Log-probabilities `(B * K, V + S)`, each word in one place alone.
        """
        rows, width = ops.shape(log_probs)
        source = ops.repeat(source, rows // ops.shape(source)[0], axis=0)
        places = ops.arange(rows, dtype="int32")[:, None] * width + ops.cast(source, "int32")
        probs = ops.exp(log_probs)
        copied = ops.segment_sum(
            ops.reshape(probs[:, self.vocabulary_size :], (-1,)),
            ops.reshape(places, (-1,)),
            num_segments=rows * width,
        )
        generated = probs[:, : self.vocabulary_size]
        generated = ops.pad(generated, [[0, 0], [0, ops.shape(source)[1]]])
        return ops.log(generated + ops.reshape(copied, (rows, width)) + _TINY)

    def start(
        self, memory: Tensor, candidates: int, max_length: int, memory_mask: Tensor | None = None
    ) -> Any:
        """Where decoding begins, see the decoder's."""
        projected, state = self.decoder.start(memory, candidates, max_length, memory_mask)
        looked = None
        if self.copy_attention is not None:
            looked = (self.copy_attention.project_memory(memory), memory_mask)
        return (projected, looked), state

    def step(self, tokens: Tensor, index: Any, memory: Any, state: Any) -> Any:
        """One token `(B * K,)` of each candidate: log-probabilities, weights and the new state."""
        projected, looked = memory
        features, weights, state = self.decoder.step_features(
            self._read(tokens), index, projected, state
        )
        seen = features
        if looked is not None:
            seen, weights = self._look(features, *looked)
        logits = self.decoder.project(features)
        return self._mix(logits, self.gate(seen), weights), weights, state

    def _read(self, tokens):
        return ops.where(tokens < self.vocabulary_size, tokens, self.unknown)

    def _look(self, features, projected, memory_mask):
        shape, examples = ops.shape(features), ops.shape(projected[0])[0]
        query = ops.reshape(features, (examples, -1, features.shape[-1]))
        mask = AttentionMask(value_mask=memory_mask)
        context, weights = self.copy_attention.attend(query, projected, mask)
        looked = ops.concatenate([features, ops.reshape(context, shape)], axis=-1)
        return looked, ops.reshape(weights, (*shape[:-1], ops.shape(weights)[-1]))

    def _mix(self, logits, gate, weights):
        logits, gate = ops.cast(logits, "float32"), ops.cast(gate, "float32")
        generated = ops.log_softmax(logits, axis=-1) - ops.softplus(-gate)
        copied = ops.log(ops.cast(weights, "float32") + _TINY) - ops.softplus(gate)
        return ops.concatenate([generated, copied], axis=-1)

    def compute_output_spec(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_memory(self, tokens, memory, memory_mask)
        length = memory.shape[1]
        width = None if length is None else self.vocabulary_size + length
        log_probs = keras.KerasTensor((*tokens.shape, width), dtype="float32")
        if not return_attention_scores:
            return log_probs
        weights = keras.KerasTensor((*tokens.shape, length), dtype=self.compute_dtype)
        return log_probs, weights

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "unknown": self.unknown,
            "copy_dim": self.copy_dim,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        config["decoder"] = keras.saving.deserialize_keras_object(config["decoder"])
        return cls(**config)
