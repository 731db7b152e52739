"""AdamW as every application trains with it, and how many steps it takes at once."""

import keras
from keras import ops

from pipelines.training.distributed import replicas
from pipelines.training.learning_rate import warmup_cosine


@keras.saving.register_keras_serializable("attention_suite.training")
class AccumulatingAdamW(keras.optimizers.AdamW):
    """AdamW on the mean gradient of `gradient_accumulation_steps` batches, as on one batch of all.

    Keras accumulates the gradients, but its schedule of the learning rate and its average of the
    weights go on with every batch. Here both count updates.
    """

    def _get_current_learning_rate(self):
        return self._learning_rate(self.iterations)

    def _update_model_variables_moving_average(self, trainable_variables):
        ends = ops.equal((self._iterations + 1) % self.gradient_accumulation_steps, 0)
        momentum = ops.where(ends, self.ema_momentum, 1.0)
        # Up to the first update, and with it, the average is what there is.
        momentum = ops.where(ops.equal(self.iterations, 0), 0.0, momentum)
        pairs = zip(trainable_variables, self._model_variables_moving_average, strict=True)
        for variable, average in pairs:
            average.assign(momentum * average + (1.0 - momentum) * variable)


def make_optimizer(
    learning_rate,
    total_steps,
    warmup_steps,
    weight_decay=0.01,
    clip_norm=1.0,
    ema_momentum=None,
    accumulate=1,
):
    """Returns AdamW with the schedule of `warmup_cosine` and gradient clipping by global norm.

    Weight decay leaves out biases, the gains of normalization, class tokens, and the tables of
    embeddings and positions.

    Args:
        learning_rate: Peak learning rate.
        total_steps: Length of the whole schedule, in updates.
        warmup_steps: Updates of linear warm-up; at most a third of `total_steps`.
        weight_decay: Decoupled weight decay (Loshchilov and Hutter, 2019).
        clip_norm: Largest global norm of the gradients.
        ema_momentum: Momentum of an exponential moving average (EMA) of the weights; `None` for no
            average.
        accumulate: Batches whose mean gradient is that of one update.
    """
    accumulating = {"gradient_accumulation_steps": accumulate} if accumulate > 1 else {}
    kind = AccumulatingAdamW if accumulating else keras.optimizers.AdamW
    if replicas.count() > 1:
        kind = replicas.ReplicatedAdamW
    optimizer = kind(
        warmup_cosine(learning_rate, total_steps, warmup_steps),
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
        use_ema=ema_momentum is not None,
        ema_momentum=ema_momentum or 0.99,
        epsilon=1e-8,
        **accumulating,
    )
    names = ["bias", "gamma", "beta", "scale", "embeddings", "positions", "token"]
    optimizer.exclude_from_weight_decay(var_names=names)
    return optimizer


def updates(steps, accumulate):
    """Returns how many updates of the weights there are in so many steps, of a batch each."""
    return max(steps // accumulate, 1)


def whole_executions(steps, steps_per_execution):
    """Returns the steps of an epoch, rounded to whole compiled calls, and the steps per call.

    Only TensorFlow gains from more than one step per call, and PyTorch refuses it. Less than one
    step in a hundred is lost to rounding: an epoch too short for that runs step by step.

    Args:
        steps: Training steps per epoch.
        steps_per_execution: Training steps per compiled call, as wished.
    """
    fits = steps >= 100 * steps_per_execution and keras.backend.backend() == "tensorflow"
    at_once = steps_per_execution if fits else 1
    return steps - steps % at_once, at_once
