"""The optimizer of every application, and the steps of its schedule."""

import keras


def make_optimizer(
    learning_rate,
    total_steps,
    warmup_steps,
    weight_decay=0.01,
    clip_norm=1.0,
    ema_momentum=None,
):
    """AdamW with linear warm-up, cosine decay to zero and clipping by the global norm.

    Biases, gains, class tokens and the tables of embeddings and positions do not decay.

    Args:
        learning_rate: The peak, reached after `warmup_steps`.
        total_steps: Length of the whole schedule.
        warmup_steps: Steps of linear warm-up; at most a third of `total_steps`.
        weight_decay: Decoupled (Loshchilov and Hutter, 2019).
        clip_norm: Largest global norm of the gradients.
        ema_momentum: Of an exponential moving average of the weights; `None` for none.
    """
    warmup_steps = min(warmup_steps, total_steps // 3)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        decay_steps=max(total_steps - warmup_steps, 1),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
        use_ema=ema_momentum is not None,
        ema_momentum=ema_momentum or 0.99,
        epsilon=1e-8,
    )
    names = ["bias", "gamma", "beta", "scale", "embeddings", "positions", "token"]
    optimizer.exclude_from_weight_decay(var_names=names)
    return optimizer


def compile_model(model, config, epochs, steps, **options):
    """Compiles a model with the optimizer that a configuration describes.

    Args:
        model: A built model.
        config: With the arguments of `make_optimizer`, `ema` and `steps_per_execution`.
        epochs: Passes of the whole schedule.
        steps: Batches of an epoch.
        options: For `compile`: `loss` and so on.

    Returns:
        Steps of an epoch, for `fit`.
    """
    steps, at_once = whole_executions(steps, config.steps_per_execution)
    optimizer = make_optimizer(
        config.learning_rate,
        epochs * steps,
        config.warmup_steps,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        ema_momentum=config.ema or None,
    )
    model.compile(optimizer, steps_per_execution=at_once, **options)
    # Else it is built inside the first step, which TensorFlow then traces twice.
    optimizer.build(model.trainable_variables)
    return steps


def whole_executions(steps, steps_per_execution):
    """Steps of an epoch, as whole executions, and the steps of one, for `compile`.

    Only TensorFlow gains from more than one, and PyTorch refuses it. Less than one step in a
    hundred is lost to rounding: an epoch that is too short for that is left as it is.
    """
    fits = steps >= 100 * steps_per_execution and keras.backend.backend() == "tensorflow"
    at_once = steps_per_execution if fits else 1
    return steps - steps % at_once, at_once
