"""Mechanisms by name, and what an application must know of one before it is made.

The table imports no layer, so that command lines can list the names without Keras: this file needs
the standard library alone, and can be loaded by its path.
"""

import difflib
import importlib
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attention.attention_layer import AttentionLayer


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
        sees_earlier_weights: Whether its weights depend on those of the queries before, so that
            queries are taken one after the other.
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
    sees_earlier_weights: bool = False
    unscaled: bool = False

    @property
    def layer(self) -> type:
        """The class of its layer, imported now."""
        folder, _, name = self.path.rpartition(".")
        file = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(importlib.import_module(f".{folder}.{file}", __package__), name)

    def arguments(self, dim: int, num_heads: int) -> dict[str, Any]:
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
_SEQUENTIAL = {"single_head": True, "sees_earlier_weights": True}
_UNITS = {"units": _model_size}

# A mechanism is one line. Every list of them is derived from this table, and has its order.
_TABLE = [
    Mechanism("additive", "attention.AdditiveAttention", _UNITS, single_head=True),
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
    Mechanism("location_sensitive", "aligned.LocationSensitiveAttention", _UNITS, **_SEQUENTIAL),
    Mechanism("coverage", "aligned.CoverageAttention", _UNITS, **_SEQUENTIAL),
    Mechanism("monotonic", "aligned.MonotonicAttention", _UNITS, **_SEQUENTIAL),
]
MECHANISMS = {mechanism.name: mechanism for mechanism in _TABLE}

# What the field calls them too. `get` and the flags take one name alone, and say it: that is what
# configurations, runs and results are compared by.
ALIASES = {
    "bahdanau": "additive",
    "tanh": "additive",
    "dot": "luong_dot",
    "general": "luong_general",
    "luong": "luong_general",
    "multiplicative": "luong_general",
    "concat": "luong_concat",
    "mha": "multi_head",
    "dot_product": "multi_head",
    "scaled_dot": "multi_head",
    "scaled_dot_product": "multi_head",
    "sdpa": "multi_head",
    "self": "multi_head",
    "softmax": "multi_head",
    "transformer": "multi_head",
    "vaswani": "multi_head",
    "gqa": "grouped_query",
    "group_query": "grouped_query",
    "mqa": "multi_query",
    "longformer": "local",
    "sliding_window": "local",
    "window": "local",
    "bigbird": "block_sparse",
    "sparse": "block_sparse",
    "linear_transformer": "linear",
    "favor": "performer",
    "chorowski": "location_sensitive",
    "location": "location_sensitive",
    "raffel": "monotonic",
}


def mechanisms() -> list[str]:
    """Names that `get` accepts."""
    return list(MECHANISMS)


def meant(name: str, names: Container[str] | None = None) -> str | None:
    """The one of `names`, by default all, of which `name` is an alias or another spelling.

    As "bahdanau" is of "additive", and "multi-head" or "MultiHeadAttention" of "multi_head"; `None`
    if there is no such name.
    """
    known = {_plain(alias): found for alias, found in ALIASES.items()}
    known |= {_plain(found): found for found in MECHANISMS}
    found = known.get(_plain(str(name)))
    return found if found in (MECHANISMS if names is None else names) else None


def _plain(name):
    letters = re.sub("[^a-z]", "", name.lower())
    return letters.removesuffix("attention") or letters


def get(name: str, /, dim: int = 256, num_heads: int = 8, **options: Any) -> "AttentionLayer":
    """Makes an attention layer by the name of its mechanism.

    Args:
        name: One of `mechanisms()`; positional, since the layer itself may be given a `name`.
        dim: D, the model size: hidden units of an additive score, all heads together of the others.
        num_heads: N, for the mechanisms with heads.
        **options: Of the layer's constructor.

    Returns:
        A new layer.

    Raises:
        ValueError: if the name is unknown, with the known ones and the nearest. Other names of the
            field, such as "bahdanau", are unknown too: the error says what it is called here.
    """
    if name not in MECHANISMS:
        called = meant(name)
        nearest = difflib.get_close_matches(str(name), MECHANISMS, n=1)
        hint = "".join(f"; did you mean {near!r}?" for near in nearest) or "."
        hint = f"; it is called {called!r} here." if called else hint
        raise ValueError(
            f"Unknown attention mechanism {name!r}{hint} Known: {', '.join(MECHANISMS)}."
        )
    mechanism = MECHANISMS[name]
    return mechanism.layer(**{**mechanism.arguments(dim, num_heads), **options})
