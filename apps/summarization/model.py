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
    set_coverage(summarizer, 0.0)
    return summarizer


def set_coverage(summarizer, weight):
    """Turns the coverage loss on or off, and with it what the attention knows of coverage.

    As in the paper both begin when attention has found its way. Until then the projection of the
    coverage is zero and stays so: the attention is plain additive. To be called before `compile`.
    """
    summarizer.coverage_weight = weight
    decoder = summarizer.decoder.decoder if summarizer.copies else summarizer.decoder
    attention = getattr(getattr(decoder, "rnn", None), "attention", None)
    if isinstance(attention, layers.CoverageAttention):
        attention.coverage_projection.trainable = weight > 0
        if not weight:
            kernel = attention.coverage_projection.kernel
            kernel.assign(0 * kernel)
