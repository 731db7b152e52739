"""Mechanisms by name, for a flag on a command line."""

import difflib

from .attention.additive_attention import AdditiveAttention
from .attention.block_sparse_attention import BlockSparseAttention
from .attention.local_attention import LocalAttention
from .attention.luong_attention import LuongAttention
from .attention.multi_head_attention import MultiHeadAttention
from .linear.linear_attention import LinearAttention


def _heads(layer, **defaults):
    def build(dim, num_heads, **options):
        return layer(num_heads, **{"key_dim": max(dim // num_heads, 1), **defaults, **options})

    return build


def _multi_head(kv_heads):
    def build(dim, num_heads, **options):
        options.setdefault("num_kv_heads", kv_heads(num_heads))
        return _heads(MultiHeadAttention)(dim, num_heads, **options)

    return build


def _luong(score):
    return lambda dim, num_heads, **options: LuongAttention(score, **options)


_MECHANISMS = {
    "additive": lambda dim, num_heads, **options: AdditiveAttention(**{"units": dim, **options}),
    "luong_dot": _luong("dot"),
    "luong_general": _luong("general"),
    "luong_concat": _luong("concat"),
    "multi_head": _heads(MultiHeadAttention),
    "grouped_query": _multi_head(lambda heads: heads // 2 if heads % 2 == 0 else 1),
    "multi_query": _multi_head(lambda heads: 1),
    "local": _heads(LocalAttention, window=64),
    "block_sparse": _heads(BlockSparseAttention, block_size=32),
    "linear": _heads(LinearAttention),
    "performer": _heads(LinearAttention, feature_map="favor"),
}


def mechanisms():
    """Names that `get` accepts."""
    return list(_MECHANISMS)


def get(name, /, dim=256, num_heads=8, **options):
    """Makes an attention layer by the name of its mechanism.

    Args:
        name: One of `mechanisms()`; positional, since the layer itself may be given a `name`.
        dim: D, the model size: hidden units of an additive score, all heads together of the others.
        num_heads: N, for the mechanisms with heads.
        **options: Of the layer's constructor.

    Returns:
        A new layer.

    Raises:
        ValueError: if the name is unknown, with the known ones and the nearest.
    """
    if name not in _MECHANISMS:
        nearest = difflib.get_close_matches(str(name), _MECHANISMS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"Unknown attention mechanism {name!r}; did you mean {nearest!r}? "
            f"Known: {', '.join(_MECHANISMS)}."
        )
    return _MECHANISMS[name](dim, num_heads, **options)
