"""Attention, as Keras layers: true Bahdanau and Luong, multi-head, and what is built on them.

Runs on TensorFlow, JAX and PyTorch. Importing the package registers every layer, so that a saved
model loads without `custom_objects`.
"""

from .additive_attention import AdditiveAttention
from .attention_layer import AttentionLayer
from .attention_pooling import AttentionPooling
from .attention_rnn import AttentionRNN
from .block_sparse_attention import BlockSparseAttention
from .class_token import ClassToken
from .conditional_random_field import ConditionalRandomField
from .conformer_block import ConformerBlock
from .convolutional_subsampling import ConvolutionalSubsampling
from .coverage_attention import CoverageAttention
from .encoder_decoder import encoder_decoder
from .grid_position_embedding import GridPositionEmbedding, resize_positions
from .layer_scale import LayerScale
from .leaks import sees_the_future
from .linear_attention import LinearAttention
from .local_attention import LocalAttention
from .location_sensitive_attention import LocationSensitiveAttention
from .luong_attention import LuongAttention
from .masking import AttentionMask, causal_mask, combine_masks, masked_softmax
from .monotonic_attention import MonotonicAttention
from .multi_head_attention import MultiHeadAttention
from .patch_embedding import PatchEmbedding
from .pointer_generator import PointerGenerator
from .position_embedding import PositionEmbedding, sinusoids
from .recurrent_decoder import RecurrentDecoder
from .recurrent_encoder import RecurrentEncoder
from .registry import get, mechanisms
from .sequence_to_sequence import SequenceToSequence, coverage_loss
from .speech_encoder import SpeechEncoder
from .speech_to_text import SpeechToText
from .stochastic_depth import StochasticDepth
from .transformer_decoder import TransformerDecoder
from .transformer_decoder_block import TransformerDecoderBlock
from .transformer_encoder import TransformerEncoder
from .transformer_encoder_block import TransformerEncoderBlock
from .whisper import Whisper

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
    "LayerScale",
    "LinearAttention",
    "LocalAttention",
    "LocationSensitiveAttention",
    "LuongAttention",
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
    "Whisper",
    "causal_mask",
    "combine_masks",
    "coverage_loss",
    "encoder_decoder",
    "get",
    "masked_softmax",
    "mechanisms",
    "resize_positions",
    "sees_the_future",
    "sinusoids",
]
