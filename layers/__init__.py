"""Attention, as Keras layers: true Bahdanau and Luong, multi-head, and what is built on them.

Runs on TensorFlow, JAX and PyTorch. Importing the package registers every layer, so that a saved
model loads without `custom_objects`.
"""

from . import backends as backends  # First: without a backend Keras itself does not import.
from . import registry
from .aligned.coverage_attention import CoverageAttention
from .aligned.location_sensitive_attention import LocationSensitiveAttention
from .aligned.monotonic_attention import MonotonicAttention
from .attention.additive_attention import AdditiveAttention
from .attention.attention_layer import AttentionLayer
from .attention.attention_pooling import AttentionPooling
from .attention.block_sparse_attention import BlockSparseAttention
from .attention.grouped_query_attention import GroupedQueryAttention
from .attention.local_attention import LocalAttention
from .attention.luong_attention import LuongAttention
from .attention.multi_head_attention import MultiHeadAttention
from .blocks.conformer_block import ConformerBlock
from .blocks.layer_scale import LayerScale
from .blocks.stochastic_depth import StochasticDepth
from .blocks.transformer_decoder_block import TransformerDecoderBlock
from .blocks.transformer_encoder_block import TransformerEncoderBlock
from .embeddings.class_token import ClassToken
from .embeddings.convolutional_subsampling import ConvolutionalSubsampling
from .embeddings.grid_position_embedding import GridPositionEmbedding, resize_positions
from .embeddings.image_tokenizers import (
    convolutional_stem,
    convolutional_tokenizer,
    patch_tokenizer,
)
from .embeddings.patch_embedding import PatchEmbedding
from .embeddings.position_embedding import PositionEmbedding, sinusoids
from .functional.masking import AttentionMask, causal_mask, combine_masks, masked_softmax
from .leaks import sees_the_future
from .linear.linear_attention import LinearAttention
from .models.attention_rnn import AttentionRNN
from .models.concept_detector import concept_loss
from .models.conditional_random_field import ConditionalRandomField
from .models.encoder_decoder import encoder_decoder
from .models.image_captioner import ImageCaptioner
from .models.image_encoder import ImageEncoder
from .models.pointer_generator import PointerGenerator
from .models.recurrent_decoder import RecurrentDecoder
from .models.recurrent_encoder import RecurrentEncoder
from .models.sequence_to_sequence import SequenceToSequence, coverage_loss
from .models.speech_encoder import SpeechEncoder
from .models.speech_to_text import SpeechToText
from .models.transformer_decoder import TransformerDecoder
from .models.transformer_encoder import TransformerEncoder
from .models.vision_transformer import VisionTransformer
from .models.whisper import Whisper
from .registry import get, mechanisms
from .sharding import ModelParallel, layout_map, sharded_axes

__version__ = "0.2.0.dev0"

__all__ = [
    "AdditiveAttention",
    "AttentionLayer",
    "AttentionMask",
    "AttentionPooling",
    "AttentionRNN",
    "BlockSparseAttention",
    "ClassToken",
    "ConditionalRandomField",
    "ConformerBlock",
    "ConvolutionalSubsampling",
    "CoverageAttention",
    "GridPositionEmbedding",
    "GroupedQueryAttention",
    "ImageCaptioner",
    "ImageEncoder",
    "LayerScale",
    "LinearAttention",
    "LocalAttention",
    "LocationSensitiveAttention",
    "LuongAttention",
    "ModelParallel",
    "MonotonicAttention",
    "MultiHeadAttention",
    "PatchEmbedding",
    "PointerGenerator",
    "PositionEmbedding",
    "RecurrentDecoder",
    "RecurrentEncoder",
    "SequenceToSequence",
    "SpeechEncoder",
    "SpeechToText",
    "StochasticDepth",
    "TransformerDecoder",
    "TransformerDecoderBlock",
    "TransformerEncoder",
    "TransformerEncoderBlock",
    "VisionTransformer",
    "Whisper",
    "causal_mask",
    "combine_masks",
    "concept_loss",
    "convolutional_stem",
    "convolutional_tokenizer",
    "coverage_loss",
    "encoder_decoder",
    "get",
    "layout_map",
    "masked_softmax",
    "mechanisms",
    "patch_tokenizer",
    "resize_positions",
    "sees_the_future",
    "sharded_axes",
    "sinusoids",
]

# A mechanism is public by its line in the registry, and its saved models load.
_mechanisms = {known.layer.__name__: known.layer for known in registry.MECHANISMS.values()}
globals().update(_mechanisms)
__all__ += [name for name in _mechanisms if name not in __all__]
