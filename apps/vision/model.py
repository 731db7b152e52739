"""The Vision Transformer, or its compact kin, that a configuration describes."""

import keras

import layers
from pipelines.images import backbones


def build(config, channels, classes, trained=None):
    """Makes the classifier that a configuration describes.

    Args:
        config: A `Config`, with `image_size` and, for patches, `patch_size`.
        channels: 1 or 3, of the images.
        classes: How many there are.
        trained: A classifier of the same configuration, but for `image_size`, to start from: its
            weights are carried over and its positions resized. Its head only if it has as many
            classes.
    """
    config = config.resolved
    shape = (config.image_size, config.image_size, channels)
    if config.backbone:
        tokenizer = backbone_tokenizer(config, shape)
    elif config.model == "compact":
        tokenizer = layers.convolutional_tokenizer(
            shape, config.dim, config.convolutions, config.kernel_size
        )
    else:
        tokenizer = layers.patch_tokenizer(shape, config.patch_size, config.dim)
    classifier = layers.VisionTransformer(
        tokenizer,
        classes,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_dim=int(config.mlp_ratio * config.dim),
        attention=config.attention,
        positions=config.positions,
        pool=config.pool,
        layer_scale=config.layer_scale or None,
        stochastic_depth=config.stochastic_depth,
        dropout=config.dropout,
    )
    classifier.build((None, *shape))
    if trained is not None:
        classifier.initialize_from(trained)
    return classifier


def backbone_tokenizer(config, shape):
    """The features of a pretrained network, which is fine-tuned, projected."""
    network = backbones.open_backbone(
        config.backbone, config.image_size, trainable=not config.freeze
    ).model
    pixels = keras.Input(shape)
    colour = pixels if shape[-1] == 3 else keras.layers.Concatenate()([pixels] * 3)
    cells = keras.layers.Dense(config.dim, name="projection")(network(colour, training=False))
    return keras.Model(pixels, cells, name="backbone_tokenizer")


def behind_backbone(classifier):
    """The part of a classifier that takes the features of its frozen backbone, with its weights.

    Args:
        classifier: A model of `build` whose backbone is frozen.
    """
    projection = classifier.tokenizer.get_layer("projection")
    features = keras.Input(projection.input.shape[1:])
    cells = keras.layers.Dense(projection.units, name="projection")(features)
    tokenizer = keras.Model(features, cells, name="features_tokenizer")
    config = {**classifier.get_config(), "tokenizer": tokenizer, "name": "behind_backbone"}
    part = layers.VisionTransformer(**config)
    part.build((None, *features.shape[1:]))
    return copy_trained(classifier, part)


def copy_trained(source, target):
    """Gives a model what another one, with the same weights to train, has learned; returns it."""
    for old, new in zip(source.trainable_weights, target.trainable_weights, strict=True):
        new.assign(old)
    return target
