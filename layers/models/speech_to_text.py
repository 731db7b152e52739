from typing import Any

import keras
from keras import ops

from ..checks import check_keys
from ..serialization import QuantizedParts, register
from ..types import Config, Tensor

IMPOSSIBLE = -1e9


@register
class SpeechToText(QuantizedParts, keras.Model):
    """An encoder of sound with a CTC head, an attention decoder, or both on top.

    Token ids are `0 ... V - 1`, of which 0 is padding; the CTC head has one more output, the
    blank, which is V: padding and blank are never the same. Frames that pad an utterance are blank
    with certainty, so that a CTC loss or a search over all frames is that over the real ones; a
    fully masked utterance, with no frames, is blank throughout.

    Args:
        encoder: Frames and their number to a memory and its mask, as `SpeechEncoder`.
        decoder: Tokens and memory to logits, as `TransformerDecoder` or `RecurrentDecoder`; `None`
            for CTC alone.
        vocabulary_size: V, for the CTC head; `None` for none of it.
        **kwargs: Of `keras.Model`.

    Call arguments:
        inputs: a dict of `features` `(B, F, M)`, `frames` `(B,)`, and `tokens` `(B, T)`, which
            begin with the start token; without a decoder there need be no tokens.
        return_attention_scores: whether to return the weights `(B, T, S)` of the decoder as well.

    Returns:
        A dict of `ctc`, log-probabilities `(B, S, V + 1)` in float32, and `attention`, logits
        `(B, T, V)`: of what there is. Then the weights if asked for.

    `start` and `step` decode token by token, `K` candidates for each utterance.

    Example:
    >>> encoder = SpeechEncoder(dim=8, num_layers=1, num_heads=2)
    >>> decoder = TransformerDecoder(vocabulary_size=11, dim=8, num_layers=1, num_heads=2)
    >>> model = SpeechToText(encoder, decoder, vocabulary_size=11)
    >>> model.build({"features": (None, None, 80), "frames": (None,), "tokens": (None, None)})
    >>> sound = {"features": np.ones((2, 27, 80), "float32"), "frames": np.array([27, 19])}
    >>> outputs = model({**sound, "tokens": np.ones((2, 5), "int32")})
    >>> tuple(outputs["ctc"].shape), tuple(outputs["attention"].shape)
    ((2, 7, 12), (2, 5, 11))

    References:
        - Both together: [Watanabe et al., 2017](https://doi.org/10.1109/JSTSP.2017.2763455)
        - CTC: [Graves et al., 2006](https://doi.org/10.1145/1143844.1143891)
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer | None = None,
        vocabulary_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        if decoder is None and vocabulary_size is None:
            raise ValueError("One of `decoder` and `vocabulary_size`, the CTC head, is needed.")
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.vocabulary_size = vocabulary_size

    def build(self, inputs_shape: Any) -> None:
        check_keys(self, inputs_shape, "features")
        features_shape = tuple(inputs_shape["features"])
        # Restored from their configurations, both come back built.
        if not self.encoder.built:
            self.encoder.build(features_shape)
        memory_shape = (features_shape[0], None, self.encoder.dim)
        if self.decoder is not None and not self.decoder.built:
            self.decoder.build((None, None), memory_shape)
        self.ctc_head = None
        if self.vocabulary_size is not None:
            self.ctc_head = keras.layers.Dense(
                self.vocabulary_size + 1, dtype=self.dtype_policy, name="ctc"
            )
            self.ctc_head.build(memory_shape)
        self.features_shape = (None, None, features_shape[-1])
        self.built = True

    @property
    def _keys(self):
        return ("features", "frames") if self.decoder is None else ("features", "frames", "tokens")

    @property
    def heads(self) -> list[str]:
        """Names of the outputs there are."""
        there = {"ctc": self.vocabulary_size, "attention": self.decoder}
        return [name for name, part in there.items() if part is not None]

    def call(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_keys(self, inputs, *self._keys)
        memory, mask = self.encoder(inputs["features"], inputs["frames"], training=training)
        outputs, weights = {}, None
        if self.ctc_head is not None:
            outputs["ctc"] = self._ctc_log_probs(memory, mask)
        if self.decoder is not None:
            decoded = self.decoder(
                inputs["tokens"],
                memory,
                memory_mask=mask,
                return_attention_scores=return_attention_scores,
                training=training,
            )
            outputs["attention"], weights = decoded if return_attention_scores else (decoded, None)
        return (outputs, weights) if return_attention_scores else outputs

    def listen(self, inputs: dict[str, Tensor]) -> Any:
        """What the CTC head says of the sound alone, `(B, S, V + 1)`."""
        return self._ctc_log_probs(*self.encoder(inputs["features"], inputs["frames"]))

    def _ctc_log_probs(self, memory, mask):
        logits = ops.cast(self.ctc_head(memory), "float32")
        log_probs = ops.log_softmax(logits, axis=-1)
        blank = ops.arange(self.vocabulary_size + 1) == self.vocabulary_size
        padding = ops.where(blank, 0.0, IMPOSSIBLE)
        return ops.where(mask[..., None], log_probs, padding)

    def start(self, inputs: dict[str, Tensor], candidates: int, max_length: int) -> Any:
        memory, mask = self.encoder(inputs["features"], inputs["frames"])
        log_probs = None if self.ctc_head is None else self._ctc_log_probs(memory, mask)
        length = ops.shape(memory)[1]
        memory, state = self.decoder.start(memory, candidates, max_length, memory_mask=mask)
        return (memory, log_probs), state, length

    def ctc_log_probs(self, memory: Tensor) -> Any:
        """What the CTC head says, `(B, S, V + 1)`, out of the memory that `start` returns."""
        return memory[1]

    def step(self, tokens: Any, index: Any, memory: Any, state: Any) -> Any:
        return self.decoder.step(tokens, index, memory[0], state)

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "decoder": None if self.decoder is None else serialize(self.decoder),
            "vocabulary_size": self.vocabulary_size,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        for part in ("encoder", "decoder"):
            if config[part] is not None:
                config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)

    def get_build_config(self) -> Config:
        return {"inputs_shape": {"features": self.features_shape}}

    def build_from_config(self, config: Config) -> None:
        self.build(**config)
