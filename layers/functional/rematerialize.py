"""Activations that are computed again in the backward pass rather than kept."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from keras.src.backend import AutocastScope

from .masking import carry_mask, implicit_mask


def rematerialized(call: Callable) -> Callable:
    """Makes the `call` of a layer keep nothing but its inputs for the backward pass.

    Where `layer.remat` is true, training computes what is inside once more. Outputs, losses and
    gradients are those of the plain call, dropout included: the states of seed generators stand
    still inside, so that the second pass draws what the first drew, and are assigned outside,
    where nothing of JAX's tracing leaks into them.

    Args:
        call: The method, whose inputs may be nested in tuples, lists and dicts.

    Reference:
        [Chen et al., 2016](https://arxiv.org/abs/1604.06174)
    """

    @functools.wraps(call)
    def wrapped(self, *args: Any, **kwargs: Any) -> Any:
        if not (self.remat and kwargs.get("training")):
            return call(self, *args, **kwargs)
        weights = [weight for weight in self.weights if _is_float(weight)]
        with AutocastScope(None):
            values = [ops.cast(weight, weight.dtype) for weight in weights]
        others = [v for v in self.variables if all(v is not weight for weight in weights)]
        states = [(v, ops.copy(v.value)) for v in others]
        leaves = keras.tree.flatten((args, kwargs))
        # All arguments have gradients, on TensorFlow: what has none, as masks, stays outside.
        places = [i for i, leaf in enumerate(leaves) if ops.is_tensor(leaf) and _is_float(leaf)]
        found = {}

        def pure(*tensors):
            given, moving = tensors[: len(weights)], tensors[len(weights) :]
            inside = list(leaves)
            for place, tensor in zip(places, moving, strict=True):
                carry_mask(tensor, implicit_mask(leaves[place]))
                inside[place] = tensor
            args_inside, kwargs_inside = keras.tree.pack_sequence_as((args, kwargs), inside)
            mapping = [*zip(weights, given, strict=True), *states]
            with AutocastScope(None):  # Each layer inside casts weights to its own precision.
                scope = keras.StatelessScope(mapping, collect_losses=True)
            with scope:
                outputs = call(self, *args_inside, **kwargs_inside)
            found["structure"] = keras.tree.map_structure(lambda _: None, outputs)
            flat = keras.tree.flatten(outputs)
            found["outputs"], found["losses"] = len(flat), len(scope.losses)
            return *flat, *scope.losses, *(scope.get_current_value(v) for v, _ in states)

        results = list(keras.remat(pure)(*values, *(leaves[place] for place in places)))
        outputs = [results.pop(0) for _ in range(found["outputs"])]
        for _ in range(found["losses"]):
            self.add_loss(results.pop(0))
        for (state, _), value in zip(states, results, strict=True):
            state.assign(value)
        return keras.tree.pack_sequence_as(found["structure"], outputs)

    wrapped.rematerialized = True
    return wrapped


def _is_float(tensor):
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))
