from ..aligned.coverage_attention import CoverageAttention
from ..attention.additive_attention import AdditiveAttention
from ..attention.luong_attention import LuongAttention
from .pointer_generator import PointerGenerator
from .recurrent_decoder import RecurrentDecoder
from .recurrent_encoder import RecurrentEncoder
from .sequence_to_sequence import SequenceToSequence
from .transformer_decoder import TransformerDecoder
from .transformer_encoder import TransformerEncoder


def encoder_decoder(
    vocabulary_size: int,
    dim: int,
    model: str = "transformer",
    attention: str | None = None,
    encoder_attention: str = "multi_head",
    encoder_layers: int = 2,
    decoder_layers: int = 2,
    num_heads: int = 4,
    mlp_dim: int | None = None,
    dropout: float = 0.0,
    word_dropout: float = 0.0,
    max_source: int = 512,
    max_target: int = 128,
    copies: bool = False,
    covers: bool = False,
    remat: bool = False,
) -> SequenceToSequence:
    """Builds a `SequenceToSequence` out of the layers of this package.

    Args:
        vocabulary_size: V.
        dim: D.
        model: "transformer", or "rnn": a bidirectional encoder and a decoder with input feeding.
        attention: How the decoder looks at the source: a name of `layers.mechanisms()`; by default
            "multi_head", or "additive" in the recurrent model.
        encoder_attention: How a Transformer encoder reads.
        encoder_layers: Blocks, or pairs of LSTMs.
        decoder_layers: Blocks, or LSTMs.
        num_heads: N.
        mlp_dim: Hidden size of the perceptrons in Transformer blocks; `4 * dim` if `None`.
        dropout: Of encoder and decoder.
        word_dropout: Share of the target tokens that training hides.
        max_source: Longest source.
        max_target: Longest target.
        copies: Whether the decoder is a `PointerGenerator`.
        covers: Whether the attention of a recurrent model knows what it has covered already; it is
            a `CoverageAttention` then.
        remat: Whether training computes the activations of Transformer blocks again in the
            backward pass.

    Raises:
        ValueError: There is no such model.

    Example:
    >>> model = encoder_decoder(vocabulary_size=11, dim=8, model="rnn", attention="luong_general")
    >>> source, tokens = np.ones((2, 7), "int32"), np.ones((2, 5), "int32")
    >>> tuple(model({"source": source, "tokens": tokens}).shape)
    (2, 5, 11)
    """
    if model not in ("transformer", "rnn"):
        raise ValueError(f"`model` must be 'transformer' or 'rnn'. Received: model={model!r}")
    if model == "rnn":
        encoder = RecurrentEncoder(dim, encoder_layers, dropout=dropout)
        decoder = RecurrentDecoder(
            vocabulary_size,
            dim,
            attention=CoverageAttention(dim // 2) if covers else _of_states(attention, dim),
            num_layers=decoder_layers,
            dropout=dropout,
            word_dropout=word_dropout,
        )
    else:
        encoder = TransformerEncoder(
            encoder_layers,
            num_heads,
            mlp_dim=mlp_dim,
            attention=encoder_attention,
            max_length=max_source,
            dropout=dropout,
            remat=remat,
        )
        decoder = TransformerDecoder(
            vocabulary_size,
            dim,
            num_layers=decoder_layers,
            num_heads=num_heads,
            mlp_dim=mlp_dim,
            cross_attention=attention or "multi_head",
            max_length=max_target,
            dropout=dropout,
            word_dropout=word_dropout,
            remat=remat,
        )
    if copies:
        decoder = PointerGenerator(decoder, copy_dim=dim if model == "transformer" else None)
    network = SequenceToSequence(encoder, decoder)
    network.build()
    return network


def _of_states(attention, dim):
    """The attention of a recurrent decoder, its scores scaled.

    Else the first steps of Adam, which all move what is common to all sources, put all attention
    on the end of each, and the softmax, once saturated, learns no more.
    """
    if attention in (None, "additive"):
        units = max(dim // 2, 1)
        return AdditiveAttention(units, scale=units**-0.5)
    if attention == "luong_concat":
        return LuongAttention("concat", scale=dim**-0.5)
    return attention  # `RecurrentDecoder` scales products by itself.
