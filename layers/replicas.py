"""The copies of a model that `tf.distribute` trains at the same time."""

import sys
import threading
import weakref
from typing import Any

import keras
from keras import ops

from .types import Tensor

_losses: Any = weakref.WeakKeyDictionary()  # Of each model, by the thread of each copy.


def count() -> int:
    """How many there are, each with its part of the batch; always one but on TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return _tensorflow().distribute.get_strategy().num_replicas_in_sync


def mean(total: Tensor, number: Tensor) -> Any:
    """`total / number`, where `number` is counted over the parts of all copies.

    The means of all copies add up to that of the whole batch.
    """
    if context := _copy():
        number = context.all_reduce(_tensorflow().distribute.ReduceOp.SUM, number)
    return total / ops.maximum(number, 1.0)


class OwnLosses:
    """Has each copy of a model see the losses that it added itself, for a model to inherit from.

    Keras keeps them in one list, in which those of all copies come together.
    """

    def add_loss(self, loss: Tensor) -> None:
        if _copy() is None:
            super().add_loss(loss)  # type: ignore[misc]
            return
        # Of what a model adds, Keras takes the mean over the copies.
        own = count() * ops.cast(loss, "float32")
        _losses.setdefault(self, {})[threading.get_ident()] = own

    @property
    def losses(self) -> list[Tensor]:
        others = super().losses  # type: ignore[misc]
        # It counts once: what is traced next may add none.
        own = _losses.get(self, {}).pop(threading.get_ident(), None)
        return others if own is None else [*others, own]


def _copy():
    """The copy that is computed; `None` if there is but one, or none: a model that is traced."""
    return None if count() == 1 else _tensorflow().distribute.get_replica_context()


def _tensorflow():
    """TensorFlow, which Keras has imported where it is the backend."""
    return sys.modules["tensorflow"]
