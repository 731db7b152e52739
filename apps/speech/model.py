"""The recognizer that a configuration describes."""

from layers import (
    LocationSensitiveAttention,
    RecurrentDecoder,
    SpeechEncoder,
    SpeechToText,
    TransformerDecoder,
)
from pipelines.audio.log_mel import NUMBER_OF_BINS


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
        attention = config.listening
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
        cross_attention=config.listening,
        max_length=config.max_target,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
    )
