"""Mechanisms by name, and what an application must know of one before it is made.

The table imports no layer, so that command lines can list the names without Keras: this file needs
the standard library alone, and can be loaded by its path.
"""

import difflib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Mechanism:
    """A line of the table.

    Attributes:
        name: What `get` and the flags of applications call it.
        path: Folder and class, `attention.AdditiveAttention`; the file is named after the class.
        options: Arguments of the constructor beside `num_heads` and `key_dim`, which every
            mechanism with heads gets; a function is called with the model size and the number of
            heads.
        single_head: Whether it has one head and no axis for heads in its weights, so that a
            recurrent decoder can use it.
        self_attention_only: Whether queries and keys must be those of one sequence.
        takes_attention_mask: Whether an `attention_mask`, query by key, has a meaning.
        takes_position: Whether it takes `position`, as all of the multi-head family do.
        has_cache: Whether it has `init_cache`, and can decode token by token.
        unscaled: Whether its scores are products that grow with the model size, unless it is given
            a `scale`.
    """

    name: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    single_head: bool = False
    self_attention_only: bool = False
    takes_attention_mask: bool = True
    takes_position: bool = False
    has_cache: bool = False
    unscaled: bool = False

    @property
    def layer(self):
        """The class of its layer, imported now."""
        folder, _, name = self.path.rpartition(".")
        file = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(importlib.import_module(f".{folder}.{file}", __package__), name)

    def arguments(self, dim, num_heads):
        """Arguments of the constructor for model size `dim` and `num_heads` heads."""
        heads = {"num_heads": num_heads, "key_dim": max(dim // num_heads, 1)}
        return ({} if self.single_head else heads) | {
            name: value(dim, num_heads) if callable(value) else value
            for name, value in self.options.items()
        }


def _model_size(dim, num_heads):
    return dim


def _half_the_heads(dim, num_heads):
    return num_heads // 2 if num_heads % 2 == 0 else 1


_LUONG = "attention.LuongAttention"
_MULTI_HEAD = "attention.MultiHeadAttention"
_BLOCK_SPARSE = "attention.BlockSparseAttention"
_LINEAR = "linear.LinearAttention"
_PRODUCTS = {"single_head": True, "unscaled": True}
_FAMILY = {"takes_position": True, "has_cache": True}

# A mechanism is one line. Every list of them is derived from this table, and has its order.
_TABLE = [
    Mechanism("additive", "attention.AdditiveAttention", {"units": _model_size}, single_head=True),
    Mechanism("luong_dot", _LUONG, {"score": "dot"}, **_PRODUCTS),
    Mechanism("luong_general", _LUONG, {"score": "general"}, **_PRODUCTS),
    Mechanism("luong_concat", _LUONG, {"score": "concat"}, single_head=True),
    Mechanism("multi_head", _MULTI_HEAD, **_FAMILY),
    Mechanism("grouped_query", _MULTI_HEAD, {"num_kv_heads": _half_the_heads}, **_FAMILY),
    Mechanism("multi_query", _MULTI_HEAD, {"num_kv_heads": 1}, **_FAMILY),
    Mechanism("local", "attention.LocalAttention", {"window": 64}, self_attention_only=True),
    Mechanism("block_sparse", _BLOCK_SPARSE, {"block_size": 32}, self_attention_only=True),
    Mechanism("linear", _LINEAR, takes_attention_mask=False),
    Mechanism("performer", _LINEAR, {"feature_map": "favor"}, takes_attention_mask=False),
]
MECHANISMS = {mechanism.name: mechanism for mechanism in _TABLE}

# What the field calls them too; `get` answers with the name that it takes.
ALIASES = {
    "bahdanau": "additive",
    "dot": "luong_dot",
    "general": "luong_general",
    "luong": "luong_general",
    "concat": "luong_concat",
    "mha": "multi_head",
    "gqa": "grouped_query",
    "mqa": "multi_query",
    "longformer": "local",
    "bigbird": "block_sparse",
    "favor": "performer",
}


def mechanisms():
    """Names that `get` accepts."""
    return list(MECHANISMS)


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
    if name not in MECHANISMS:
        names = {**ALIASES, **{known: known for known in MECHANISMS}}
        nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"Unknown attention mechanism {name!r}; did you mean {names[nearest]!r}? "
            f"Known: {', '.join(MECHANISMS)}."
        )
    mechanism = MECHANISMS[name]
    return mechanism.layer(**{**mechanism.arguments(dim, num_heads), **options})
