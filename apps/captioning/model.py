"""The captioner that a configuration describes: an image encoder, and a decoder that attends."""

import layers


def build(config, inputs_shape, vocabulary_size, network=None):
    """Makes the captioner that a configuration describes.

    Args:
        config: A `Config`.
        inputs_shape: `(S, C)` of precomputed features, or `(size, size, 3)` of pixels.
        vocabulary_size: V.
        network: For pixels, the network to a feature map; a new small one if `None`.
    """
    pretrained = network is not None
    if len(inputs_shape) == 3 and not pretrained:
        network = layers.convolutional_stem(inputs_shape)
    encoder = layers.ImageEncoder(
        config.dim,
        network=network,
        pretrained=pretrained,
        num_layers=config.encoder_layers,
        num_heads=config.num_heads,
        dropout=config.dropout,
    )
    if config.decoder == "rnn":
        decoder = layers.RecurrentDecoder(
            vocabulary_size,
            config.dim,
            attention=config.mechanism,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
        )
    else:
        decoder = layers.TransformerDecoder(
            vocabulary_size,
            config.dim,
            num_layers=config.decoder_layers,
            num_heads=config.num_heads,
            cross_attention=config.mechanism,
            max_length=config.max_tokens,
            dropout=config.dropout,
            word_dropout=config.word_dropout,
        )
    captioner = layers.ImageCaptioner(encoder, decoder, config.concept_weight)
    captioner.build({"picture": (None, *inputs_shape), "tokens": (None, None, None)})
    return captioner
