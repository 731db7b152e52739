"""The captioner that a configuration describes: an image encoder, and a decoder that attends."""

import layers
from pipelines.images import backbones


def build(config, inputs_shape, vocabulary_size):
    """Makes the captioner that a configuration describes.

    Args:
        config: A `Config`.
        inputs_shape: `(S, C)` of precomputed features, or `(size, size, 3)` of pixels.
        vocabulary_size: V.

    Raises:
        UserError: The backbone to fine-tune cannot be opened.
    """
    network, pretrained = None, len(inputs_shape) == 3 and config.backbone is not None
    if pretrained:
        network = backbones.open_backbone(config.backbone, config.image_size, trainable=True).model
    elif len(inputs_shape) == 3:
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
