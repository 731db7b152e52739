"""The learning-rate schedule: linear warm-up, then cosine decay to zero."""

import keras


def warmup_cosine(
    learning_rate: float, total_steps: int, warmup_steps: int | None = None
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns a schedule that rises linearly to its peak and falls as a half cosine to zero.

    Args:
        learning_rate: The peak, reached after `warmup_steps`.
        total_steps: Length of the whole schedule; after it the rate stays zero.
        warmup_steps: Steps of linear warm-up, see `warmup`.

    References:
        - [Loshchilov and Hutter, 2017](https://arxiv.org/abs/1608.03983)
    """
    warmup_steps = warmup(total_steps, warmup_steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        decay_steps=max(total_steps - warmup_steps, 1),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def warmup(total_steps: int, warmup_steps: int | None = None) -> int:
    """Returns the steps of linear warm-up of a schedule, a third of it at most.

    Args:
        total_steps: Length of the whole schedule.
        warmup_steps: As wished; by default a twentieth of the schedule, but 400 at least.
    """
    if warmup_steps is None:
        warmup_steps = max(400, total_steps // 20)
    return min(warmup_steps, total_steps // 3)
