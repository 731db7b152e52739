"""Averaged weights: in the model while it is scored and saved, and out of it while it learns."""

import keras
from keras import ops


class AveragedWeights(keras.callbacks.Callback):
    """Exchanges the weights for their moving averages at the end of each epoch, and back.

    What `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)` does, but exactly, and so that a later
    `fit` goes on with the weights: Keras overwrites them with the averages when a `fit` ends. After
    the last one, the model holds the averages.

    The optimizer has `use_ema=True`.
    """

    def __init__(self):
        super().__init__()
        self.swapped = False

    def state(self):
        """What a checkpoint has to keep."""
        return {"swapped": self.swapped}

    def restore(self, state):
        self.swapped = state["swapped"]

    def on_epoch_begin(self, epoch, logs=None):
        if self.swapped:
            self._swap()
        self._optimizer.use_ema = True

    def on_epoch_end(self, epoch, logs=None):
        self._swap()
        self._optimizer.use_ema = False  # Until `fit` has ended, should this be its last epoch.

    def on_test_begin(self, logs=None):
        self._swap()  # Validation comes before the end of its epoch.

    def on_test_end(self, logs=None):
        self._swap()

    def on_train_end(self, logs=None):
        self._optimizer.use_ema = True

    @property
    def _optimizer(self):
        optimizer = self.model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)  # Of one that scales losses.

    def _swap(self):
        self.swapped = not self.swapped
        optimizer = self._optimizer
        averages = optimizer._model_variables_moving_average
        for weight, average in zip(self.model.trainable_variables, averages, strict=True):
            old = ops.copy(weight.value)
            weight.assign(average.value)
            average.assign(old)
