"""The network of a run: an encoder, and over it that of the task."""

from apps.understanding import tasks
from apps.understanding.encoders import PretrainedEncoder, TextEncoder
from pipelines.text import word_vectors
from pipelines.text.lower_words import SHAPES


def build(config, subwords, classes):
    """The network that a configuration describes, built.

    Args:
        config: A `Config`.
        subwords: Of `pipelines.text.subwords`.
        classes: Names of the labels, or of the tags in BIO, "O" first; none of answers.

    Returns:
        An `Understanding`, with the pretrained vectors of its words if the configuration has some.
    """
    network = tasks.of(config).network(
        _encoder(config, subwords),
        classes,
        special=(subwords.pad, subwords.start, subwords.end),
        dropout=config.dropout,
    )
    network.build()
    if config.vectors is not None:
        word_vectors.assign(config.vectors, subwords, network.encoder.embedding)
    return network


def _encoder(config, subwords):
    if config.backbone is not None:
        from pipelines.text.language_backbones import open_backbone

        return PretrainedEncoder(
            open_backbone(config.backbone, config.max_length), frozen=config.freeze
        )
    return TextEncoder(
        subwords.vocabulary_size,
        config.dim,
        reader=config.model,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        mlp_dim=config.mlp_dim,
        attention=config.attention,
        max_length=config.max_length,
        embedding_dim=config.embedding_dim,
        dropout=config.dropout,
        shapes=len(SHAPES) if subwords.has_shapes else 0,
    )
