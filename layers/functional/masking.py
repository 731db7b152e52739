"""The one mask function and the one softmax of this package.

Masks are boolean and True means *attend*. They are selected with, never added: a large negative
constant overflows float16, and leaves a row without keys with uniform weights.
"""

import copy
from typing import Any

import keras
from keras import ops

# Private: Keras has no public name for the mask that a tensor carries.
# `tests/layers/test_private_keras.py` says what to do when it moves.
from keras.src.backend import get_keras_mask, set_keras_mask

from ..types import Tensor
from .sizes import known


def boolean_mask(mask: Tensor | None, name: str = "mask") -> Any:
    """The mask as booleans, or `None`.

    Args:
        mask: Boolean, or of zeros and ones; True, or 1, means attend.
        name: What the error calls it.

    Raises:
        ValueError: see `refuse_additive`.
    """
    if mask is None:
        return None
    mask = ops.convert_to_tensor(mask)
    refuse_additive(mask, name)
    return ops.cast(mask, "bool")


def refuse_additive(mask: Tensor, name: str = "mask") -> None:
    """Raises a `ValueError` if `mask` may be one that is added to scores, 0 where to attend.

    As booleans it would say the opposite. Values are looked at where they are known. Where they are
    not, in a graph, integers are taken for zeros and ones, and floats are refused.
    """
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if dtype == "bool":
        return
    values = _known(mask)
    if values is None:
        fine, found = "int" in dtype, "values that are not known yet"
    else:
        fine = bool(((values == 0) | (values == 1)).all())
        found = f"values from {values.min()} to {values.max()}" if values.size else "no values"
    if not fine:
        raise ValueError(
            f"`{name}` must be boolean, or of zeros and ones: True (1) = attend. Received: {name} "
            f"of dtype {dtype}, with {found}. For an additive mask (0 = attend) pass `mask == 0`, "
            "for zeros and ones in floats `mask == 1`."
        )


def _known(tensor):
    """The values of a tensor, or `None` where it stands for those of a graph."""
    symbolic = ops.is_tensor(tensor) and not hasattr(tensor, "numpy")
    if isinstance(tensor, keras.KerasTensor) or (
        keras.backend.backend() == "tensorflow" and symbolic
    ):
        return None
    try:
        return ops.convert_to_numpy(tensor)
    except Exception:  # Each backend has its own.
        return None


def causal_mask(query_length: Any, key_length: Any, offset: Any = 0) -> Any:
    """Boolean `(T, S)`: query `i`, which stands at `offset + i`, sees keys `j <= offset + i`."""
    queries = ops.arange(query_length, dtype="int32")[:, None] + offset
    keys = ops.arange(key_length, dtype="int32")[None, :]
    return keys <= queries


class AttentionMask:
    """All masks of one call, True = attend, merged with AND for the rows that are asked for.

    A merged mask has T x S elements. Kept apart, its parts stay linear in both lengths, so that
    attention that never forms all rows at once need not form their mask either.

    Args:
        query_mask: `(B, T)`.
        value_mask: `(B, S)`.
        key_mask: `(B, S)`.
        attention_mask: broadcastable to `(B, T, S)` or, per head, to `(B, N, T, S)`.
        use_causal_mask: whether a query sees no key after its own position.
        offset: position of the first query among the keys, for decoding with a cache.
    """

    def __init__(
        self,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        offset: Any = 0,
    ) -> None:
        self.queries = boolean_mask(query_mask, "query_mask")
        keys = boolean_mask(value_mask, "value_mask"), boolean_mask(key_mask, "key_mask")
        self.keys = _both(*keys)
        self.pairs = boolean_mask(attention_mask, "attention_mask")
        while self.pairs is not None and len(self.pairs.shape) < 3:
            self.pairs = self.pairs[None]
        self.causal = use_causal_mask
        self.offset = offset

    @classmethod
    def of(cls, mask: Any) -> "AttentionMask":
        """The mask itself, or one made of `None` or of a boolean tensor over the weights."""
        return mask if isinstance(mask, cls) else cls(attention_mask=mask)

    def tensors(self) -> dict[str, Tensor]:
        """By name, what it is made of: for a function with a gradient of its own to be given.

        Such a function is not to close over tensors, which JAX cannot differentiate around.
        """
        parts = ("queries", "keys", "pairs", "offset")
        return {x: getattr(self, x) for x in parts if ops.is_tensor(getattr(self, x))}

    def with_tensors(self, tensors: dict[str, Tensor]) -> "AttentionMask":
        """The same mask, made of others."""
        mask = copy.copy(self)
        vars(mask).update(tensors)
        return mask

    def rows(self, start: Any, length: Any, key_length: Any) -> Any:
        """The mask of `length` queries from `start` on: `(B, length, S)`, broadcastable, or `None`.

        Of rank 4 if the `attention_mask` has rank 4.
        """
        merged = None
        if self.queries is not None:
            merged = _slice(self.queries, 1, start, length)[:, :, None]
        if self.keys is not None:
            merged = _both(merged, self.keys[:, None, :])
        if self.causal:
            merged = _both(merged, causal_mask(length, key_length, start + self.offset)[None])
        if self.pairs is None:
            return merged
        pairs = self.pairs
        if pairs.shape[-2] != 1:
            pairs = _slice(pairs, len(pairs.shape) - 2, start, length)
        if merged is not None and len(pairs.shape) == 4:
            merged = merged[:, None]
        return _both(merged, pairs)

    def only_causal(self) -> bool:
        """Whether this is the causal mask of a whole sequence, and nothing else."""
        parts = (self.queries, self.keys, self.pairs)
        whole = known(self.offset) and self.offset == 0
        return self.causal and whole and all(part is None for part in parts)

    def pad_rows(self, extra: Any) -> "AttentionMask":
        """The same mask with `extra` more queries, for the rows that fill up a last block."""

        def pad(mask, axis):
            if mask is None or mask.shape[axis] == 1:
                return mask
            shape = [*ops.shape(mask)]
            shape[axis] = extra
            return ops.concatenate([mask, ops.zeros(shape, dtype="bool")], axis=axis)

        padded = AttentionMask(use_causal_mask=self.causal, offset=self.offset)
        padded.keys = self.keys
        padded.queries = pad(self.queries, 1)
        padded.pairs = pad(self.pairs, -2)
        return padded


def _both(one, other):
    if one is None or other is None:
        return other if one is None else one
    return ops.logical_and(one, other)


def _slice(x, axis, start, length):
    if known(start) and start == 0 and x.shape[axis] == length:
        return x
    shape = [*ops.shape(x)]
    shape[axis] = length
    return ops.slice(x, [start if i == axis else 0 for i in range(len(shape))], shape)


def combine_masks(query_length: Any, key_length: Any, **masks: Any) -> Any:
    """Merges all masks with AND.

    Args:
        query_length: T.
        key_length: S.
        **masks: of `AttentionMask`.

    Returns:
        `None` if nothing is masked, else a boolean tensor that broadcasts to `(B, T, S)`, of rank 4
        if `attention_mask` has rank 4.
    """
    return AttentionMask(**masks).rows(0, query_length, key_length)


def implicit_mask(tensor: Any) -> Any:
    """The mask that `tensor` carries from the layer that made it, or `None`."""
    return get_keras_mask(tensor)


def carry_mask(output: Any, query_mask: Tensor | None) -> None:
    """Makes `output` carry the query's mask on to the next layer, an explicit one too."""
    if query_mask is not None:
        set_keras_mask(output, boolean_mask(query_mask, "query_mask"))


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Any:
    """Softmax over the last axis, in float32, over the positions where `mask` is True.

    Masked positions get exactly zero; a row in which everything is masked is all zeros, and its
    gradient is zero.

    Args:
        scores: `(..., T, S)`, any float dtype.
        mask: boolean, broadcastable to `scores`, or `None`.

    Returns:
        float32 weights of the shape of `scores`.
    """
    scores, mask = ops.cast(scores, "float32"), boolean_mask(mask)
    if mask is None:
        return ops.softmax(scores, axis=-1)
    # Finite, so that an empty row stays finite on its way through the softmax and its gradient.
    weights = ops.softmax(ops.where(mask, scores, -1e30), axis=-1)
    return ops.where(mask, weights, 0.0)
