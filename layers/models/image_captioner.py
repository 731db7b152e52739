from typing import Any

import keras
from keras import ops

from .. import replicas
from ..checks import check_keys
from ..serialization import register
from ..types import Config, Tensor
from .concept_detector import ConceptDetector, concept_loss, strongest


@register(package="attention_suite.captioning", name="Captioner")
class ImageCaptioner(replicas.OwnLosses, keras.Model):
    """Images and the words so far to the next words: Show, Attend and Tell, Xu et al. (2015).

    Args:
        encoder: An `ImageEncoder`.
        decoder: Tokens and memory to logits, a `RecurrentDecoder` or a `TransformerDecoder`.
        concept_weight: Weight of `concept_loss`, which is added to the loss in training, so that
            each cell of the image learns what it holds.
        **kwargs: Of `keras.Model`.

    Call arguments:
        inputs: a dict of `picture`, `(B, S, C)` features or `(B, size, size, 3)` pixels 0 to 255,
            and `tokens` `(B, K, T)`, K captions of each image. All cells are seen: there is no
            mask over them.

    Returns:
        Logits `(B, K, T, V)`.

    `start` and `step` decode token by token, several candidates for each image.

    Example:
    >>> encoder = ImageEncoder(dim=8)
    >>> model = ImageCaptioner(encoder, RecurrentDecoder(vocabulary_size=11, dim=8))
    >>> model.build({"picture": (None, 9, 5), "tokens": (None, None, None)})
    >>> features, tokens = np.ones((2, 9, 5)), np.ones((2, 3, 4), "int32")
    >>> tuple(model({"picture": features, "tokens": tokens}).shape)
    (2, 3, 4, 11)

    References:
        - [Xu et al., 2015](https://arxiv.org/abs/1502.03044)
        - Concepts: [Fang et al., 2015](https://arxiv.org/abs/1411.4952)
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        concept_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.concept_weight = concept_weight

    def build(self, inputs_shape: Any) -> None:
        check_keys(self, inputs_shape, "picture", "tokens")
        # Restored from their configurations, both come back built.
        if not self.encoder.built:
            self.encoder.build(inputs_shape["picture"])
        if not self.decoder.built:
            memory_shape = self.encoder.compute_output_shape(inputs_shape["picture"])
            self.decoder.build((None, None), memory_shape)
        if self.concept_weight:
            # Few tokens are in the captions of any one image.
            rare = keras.initializers.Constant(-6.0)
            self.concepts = keras.layers.Dense(
                self.decoder.vocabulary_size, bias_initializer=rare, name="concepts"
            )
            self.concepts.build((None, self.encoder.cells_dim))
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Any:
        check_keys(self, inputs, "picture", "tokens")
        memory, cells = self.encoder(inputs["picture"], return_cells=True, training=training)
        tokens = inputs["tokens"]
        if training and self.concept_weight:
            scores = strongest(self.concepts(cells))
            self.add_loss(self.concept_weight * concept_loss(tokens, scores))
        _, captions, length = ops.shape(tokens)
        logits = self.decoder(ops.reshape(tokens, (-1, length)), memory, training=training)
        return ops.reshape(logits, (-1, captions, length, logits.shape[-1]))

    def concept_detector(self) -> Any:
        """The part of the model that learns from concepts, as a model of its own."""
        return ConceptDetector(self.encoder.network, self.concepts)

    def start(self, picture: Any, candidates: int, max_length: int) -> Any:
        memory = self.encoder(picture)
        projected, state = self.decoder.start(memory, candidates, max_length)
        return projected, state, memory.shape[1]

    def step(self, tokens: Any, index: Any, memory: Any, state: Any) -> Any:
        return self.decoder.step(tokens, index, memory, state)

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "concept_weight": self.concept_weight,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})

    def get_build_config(self) -> Config:
        return {"inputs_shape": self._inputs_shape()}

    def build_from_config(self, config: Config) -> None:
        self.build({name: tuple(shape) for name, shape in config["inputs_shape"].items()})

    def _inputs_shape(self):
        return {"picture": self.encoder.picture_shape, "tokens": (None, None, None)}
