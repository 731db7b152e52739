"""The summarizer: an encoder-decoder that can copy, out of the shared layers."""

import layers


def build(config, vocabulary_size):
    """Makes the summarizer that a configuration describes.

    Args:
        config: A `Config`.
        vocabulary_size: V.
    """
    summarizer = layers.encoder_decoder(
        vocabulary_size,
        config.dim,
        model=config.model,
        attention=config.mechanism,
        encoder_attention=config.encoder_attention,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        num_heads=config.num_heads,
        mlp_dim=config.mlp_dim,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
        max_source=config.max_source,
        max_target=config.max_target,
        copies=config.copy,
        covers=config.covers and config.mechanism == "additive",
    )
    summarizer.set_coverage(0.0)  # It comes in a stage of its own, once attention has learnt.
    return summarizer
