"""The network that a configuration describes, and what it is trained for."""

import keras

from layers import (
    LocationSensitiveAttention,
    RecurrentDecoder,
    SpeechEncoder,
    SpeechToText,
    TransformerDecoder,
)
from pipelines.audio.log_mel import NUMBER_OF_BINS
from pipelines.commands.errors import UserError
from pipelines.training.ctc_loss import CtcLoss
from pipelines.training.token_loss import TokenCrossentropy


def build(config, vocabulary_size):
    """A `layers.SpeechToText`, built."""
    encoder = SpeechEncoder(
        config.dim,
        config.encoder_layers,
        block=config.encoder,
        num_heads=config.num_heads,
        mlp_dim=config.mlp_dim,
        kernel_size=config.kernel_size,
        attention=config.encoder_attention,
        position=config.position,
        filters=config.filters,
        dropout=config.dropout,
    )
    model = SpeechToText(
        encoder,
        _decoder(config, vocabulary_size),
        vocabulary_size if config.ctc_weight > 0 else None,
    )
    model.build({"features": (None, None, NUMBER_OF_BINS)})
    return model


def _decoder(config, vocabulary_size):
    if config.decoder == "none":
        return None
    if config.decoder == "rnn":
        attention = config.mechanism
        if attention == "location_sensitive":
            attention = LocationSensitiveAttention(config.dim // 2)
        return RecurrentDecoder(
            vocabulary_size,
            config.dim,
            attention=attention,
            num_layers=config.decoder_layers,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
        )
    return TransformerDecoder(
        vocabulary_size,
        config.dim,
        num_layers=config.decoder_layers,
        num_heads=config.num_heads,
        mlp_dim=config.mlp_dim,
        cross_attention=config.mechanism,
        max_length=config.max_target,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
    )


def objective(config):
    """The arguments of `compile` for the outputs that there are; a Whisper has but one.

    Raises:
        UserError: XLA is to compile what it cannot.
    """
    attention = TokenCrossentropy(config.label_smoothing)
    if config.whisper is not None:
        return {"loss": attention}
    losses = {
        "ctc": (CtcLoss(), config.ctc_weight),
        "attention": (attention, 1 - config.ctc_weight),
    }
    found = {
        "loss": {name: losses[name][0] for name in config.heads},
        "loss_weights": {name: losses[name][1] for name in config.heads},
    }
    if "ctc" in config.heads and keras.backend.backend() == "tensorflow":
        if config.xla == "on":
            raise UserError(
                "--xla on: XLA cannot compile TensorFlow's CTC loss; leave it at auto, or train "
                "with --ctc-weight 0 or KERAS_BACKEND=jax"
            )
        found["jit_compile"] = False
    return found
