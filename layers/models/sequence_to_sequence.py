from typing import Any

import keras
from keras import ops

from .. import replicas
from ..aligned.coverage_attention import CoverageAttention
from ..checks import check_keys
from ..serialization import register
from ..types import Config, Tensor
from .pointer_generator import PointerGenerator


@register
class SequenceToSequence(replicas.OwnLosses, keras.Model):
    """An encoder, a decoder and one table of embeddings: source and target so far to next tokens.

    Id 0 is padding. What pads a source is masked everywhere; of one that is fully masked the
    decoder learns nothing.

    Args:
        encoder: Vectors `(B, S, D)` to a memory, as `TransformerEncoder` or `RecurrentEncoder`.
        decoder: Tokens and memory to logits, as `TransformerDecoder`, `RecurrentDecoder` or a
            `PointerGenerator` of one of these. It embeds the source too.
        coverage_weight: Weight of the coverage loss of See et al. (2017), equation 12: attention
            that returns to where earlier steps looked costs, in training.
        **kwargs: Of `keras.Model`.

    Call arguments:
        inputs: a dict of `source` `(B, S)` and `tokens` `(B, T)`, which begin with the start token.
        return_attention_scores: whether to return the weights `(B, T, S)` as well.

    Returns:
        What the decoder returns: logits `(B, T, V)`, or log-probabilities `(B, T, V + S)`.

    `start` and `step` decode token by token, `K` candidates for each source. Of a
    `PointerGenerator` the weights have one more column, the probability of copying.

    Example:
    >>> model = SequenceToSequence(
    ...     TransformerEncoder(num_layers=1, num_heads=2),
    ...     TransformerDecoder(vocabulary_size=11, dim=8, num_layers=1, num_heads=2),
    ... )
    >>> source, tokens = np.ones((2, 7), "int32"), np.ones((2, 5), "int32")
    >>> tuple(model({"source": source, "tokens": tokens}).shape)
    (2, 5, 11)

    Reference:
        [Sutskever, Vinyals and Le, 2014](https://arxiv.org/abs/1409.3215)
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        coverage_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.coverage_weight = coverage_weight

    def set_coverage(self, weight: float) -> None:
        """Turns the coverage loss on or off, and with it what a `CoverageAttention` knows.

        As in the paper both begin when attention has found its way. Until then the attention is
        plain additive. To be called once the model is built, and before `compile`.

        Args:
            weight: The new `coverage_weight`; 0 for none.
        """
        self.coverage_weight = weight
        for attention in self.decoder.attention_layers():
            if isinstance(attention, CoverageAttention):
                attention.use_coverage(weight > 0)

    @property
    def copies(self) -> bool:
        """Whether the decoder copies words of the source."""
        return isinstance(self.decoder, PointerGenerator)

    @property
    def embedding(self) -> Any:
        """The embedding of source and target."""
        return (self.decoder.decoder if self.copies else self.decoder).embedding

    def build(self, inputs_shape: Any = None) -> None:
        # Restored from their configurations, both come back built.
        vectors_shape = (None, None, self._dim)
        if not self.encoder.built:
            self.encoder.build(vectors_shape)
        if not self.decoder.built:
            memory_shape = self.encoder.compute_output_shape(vectors_shape)
            self.decoder.build((None, None), memory_shape)
        self.built = True

    @property
    def _dim(self):
        return (self.decoder.decoder if self.copies else self.decoder).dim

    def encode(self, source: Tensor, training: bool | None = None) -> Any:
        """The memory `(B, S, M)` of sources `(B, S)`, and its mask."""
        mask = self.source_mask(source)
        return self.encoder(self.decoder.embed(source), mask=mask, training=training), mask

    def call(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_keys(self, inputs, "source", "tokens")
        tokens = inputs["tokens"]
        memory, mask = self.encode(inputs["source"], training)
        covers = training and self.coverage_weight
        if not (return_attention_scores or covers):
            return self.decoder(tokens, memory, memory_mask=mask, training=training)
        outputs, weights = self.decoder(
            tokens, memory, memory_mask=mask, return_attention_scores=True, training=training
        )
        if covers:
            self.add_loss(self.coverage_weight * coverage_loss(weights, tokens != 0))
        return (outputs, weights) if return_attention_scores else outputs

    def compute_output_spec(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_keys(self, inputs, "source", "tokens")
        vectors_shape = (*inputs["source"].shape, self._dim)
        memory_shape = self.encoder.compute_output_shape(vectors_shape)
        return self.decoder.compute_output_spec(
            inputs["tokens"],
            keras.KerasTensor(memory_shape, dtype=self.compute_dtype),
            return_attention_scores=return_attention_scores,
        )

    def source_mask(self, source: Tensor) -> Any:
        """Which positions of a source there are, `(B, S)`."""
        return source != 0

    def start(self, source: Tensor, candidates: int, max_length: int) -> Any:
        memory, mask = self.encode(source)
        memory, state = self.decoder.start(memory, candidates, max_length, memory_mask=mask)
        return (memory, source), state, ops.shape(source)[1] + int(self.copies)

    def step(self, tokens: Any, index: Any, memory: Any, state: Any) -> Any:
        memory, source = memory
        outputs, weights, state = self.decoder.step(tokens, index, memory, state)
        if not self.copies:
            return outputs, weights, state
        copied = ops.exp(ops.logsumexp(outputs[:, self.decoder.vocabulary_size :], axis=-1))
        weights = ops.concatenate([ops.cast(weights, "float32"), copied[:, None]], axis=-1)
        return self.decoder.merge(outputs, source), weights, state

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "coverage_weight": self.coverage_weight,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        for part in ("encoder", "decoder"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)

    def get_build_config(self) -> Config:
        return {"inputs_shape": None}

    def build_from_config(self, config: Config) -> None:
        self.build(**config)


def coverage_loss(weights: Tensor, mask: Tensor) -> Any:
    """`sum_j min(a_tj, c_tj)`, the mean over the steps that count.

    Args:
        weights: `(B, T, S)`.
        mask: boolean `(B, T)`, the steps that count.
    """
    weights = ops.cast(weights, "float32")
    mask = ops.cast(mask, "float32")
    weights = weights * mask[..., None]
    coverage = ops.cumsum(weights, axis=1) - weights
    losses = ops.sum(ops.minimum(weights, coverage), axis=-1)
    return replicas.mean(ops.sum(losses * mask), ops.sum(mask))
