"""The translator: an encoder-decoder out of the shared layers."""

import layers


def build(config, vocabulary_size):
    """Makes the translator that a configuration describes.

    Args:
        config: A `Config`.
        vocabulary_size: V.
    """
    return layers.encoder_decoder(vocabulary_size, **config.architecture)
