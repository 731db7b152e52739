"""The learning-rate schedule: linear warm-up, then cosine decay to zero."""

import keras


def warmup_cosine(
    learning_rate: float, total_steps: int, warmup_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns a schedule that rises linearly to its peak and falls as a half cosine to zero.

    Args:
        learning_rate: The peak, reached after `warmup_steps`.
        total_steps: Length of the whole schedule; after it the rate stays zero.
        warmup_steps: Steps of linear warm-up; of a short schedule a third at most.

    References:
        - [Loshchilov and Hutter, 2017](https://arxiv.org/abs/1608.03983)
    """
    warmup_steps = min(warmup_steps, total_steps // 3)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        decay_steps=max(total_steps - warmup_steps, 1),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
