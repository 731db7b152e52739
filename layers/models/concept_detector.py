"""Concept detection, which teaches a new network what each cell of an image holds."""

from typing import Any

import keras
from keras import ops

from .. import replicas
from ..types import Tensor
from .image_encoder import as_cells


class ConceptDetector(keras.Model):
    """Which tokens the captions of an image hold, as single cells tell it.

    Multiple-instance learning (Fang et al., 2015): it teaches the network what each cell holds
    before attention has to find out where to look.

    Args:
        network: From pixels to a map `(B, h, w, C)`.
        concepts: A dense layer from C to the vocabulary.

    Call arguments:
        inputs: a dict of `picture` `(B, size, size, 3)`, pixels 0 to 255.

    Returns:
        A score `(B, V)` of each token, for `concept_loss`.
    """

    def __init__(self, network: keras.Model, concepts: Tensor) -> None:
        super().__init__()
        self.network = network
        self.concepts = concepts

    def call(self, inputs: Tensor, training: bool | None = None) -> Any:
        cells = as_cells(self.network(inputs["picture"], training=training))
        return strongest(self.concepts(cells))


def strongest(scores: Tensor) -> Any:
    """The highest score of any cell, `(B, S, V)` to `(B, V)`; all cells near it learn from it."""
    return ops.logsumexp(2 * ops.cast(scores, "float32"), axis=1) / 2


def concept_loss(tokens: Tensor, scores: Tensor) -> Any:
    """Binary cross-entropy of which tokens the captions of an image hold, for each that they do.

    Args:
        tokens: `(B, K, T)`, integers: K captions of each image.
        scores: `(B, V)`, a score of each token.

    Returns:
        A scalar, float32.
    """
    present = ops.one_hot(ops.reshape(tokens, (ops.shape(tokens)[0], -1)), scores.shape[-1])
    present = ops.max(present, axis=1)
    losses = ops.softplus(scores) - present * scores
    return replicas.mean(ops.sum(losses), ops.sum(present))
