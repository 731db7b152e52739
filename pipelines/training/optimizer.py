"""AdamW as every application trains with it, and how many steps it takes at once."""

import keras

from pipelines.training.learning_rate import warmup_cosine


def make_optimizer(
    learning_rate,
    total_steps,
    warmup_steps,
    weight_decay=0.01,
    clip_norm=1.0,
    ema_momentum=None,
):
    """Returns AdamW with the schedule of `warmup_cosine` and gradient clipping by global norm.

    Weight decay leaves out biases, the gains of normalization, class tokens, and the tables of
    embeddings and positions.

    Args:
        learning_rate: Peak learning rate.
        total_steps: Length of the whole schedule.
        warmup_steps: Steps of linear warm-up; at most a third of `total_steps`.
        weight_decay: Decoupled weight decay (Loshchilov and Hutter, 2019).
        clip_norm: Largest global norm of the gradients.
        ema_momentum: Momentum of an exponential moving average (EMA) of the weights; `None` for no
            average.
    """
    optimizer = keras.optimizers.AdamW(
        warmup_cosine(learning_rate, total_steps, warmup_steps),
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
        use_ema=ema_momentum is not None,
        ema_momentum=ema_momentum or 0.99,
        epsilon=1e-8,
    )
    names = ["bias", "gamma", "beta", "scale", "embeddings", "positions", "token"]
    optimizer.exclude_from_weight_decay(var_names=names)
    return optimizer


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
