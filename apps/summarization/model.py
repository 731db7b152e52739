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
        **config.architecture,
        copies=config.copy,
        covers=config.covers and config.mechanism == "additive",
    )
    summarizer.set_coverage(0.0)  # It comes in a stage of its own, once attention has learnt.
    return summarizer
