"""The input pipeline must never be what training waits for."""

import time
from dataclasses import replace

import numpy as np
import pytest

from apps.vision import data, model
from apps.vision.config import PRESETS
from pipelines.training import optimizer

ALL = {"crop": 4, "flip": True, "rand_augment": 2, "erasing": 0.25, "mixup": 0.8, "cutmix": 1.0}
BATCHES = 40


def rate(take, batch_size):
    """Images in a second of the processor's cores, after the first batches."""
    for _ in range(5):
        take()
    start = time.perf_counter()
    for _ in range(BATCHES):
        take()
    return BATCHES * batch_size / (time.perf_counter() - start)


@pytest.mark.slow
def test_images_come_at_three_times_the_rate_of_training():
    import keras

    config = replace(PRESETS["cifar10"], **ALL).resolved
    config = replace(config, patch_size=4)
    count = 2_000
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), "uint8")
    names = [str(i) for i in range(10)]
    rows = [{"label": names[i % 10]} for i in range(count)]
    split = data.Split(rows, np.arange(count), pixels)

    batches = data.training_batches(split, names, config).open()
    iterator = iter(batches)
    delivered = rate(lambda: next(iterator), config.batch_size)

    classifier = model.build(config, 3, len(names))
    classifier.compile(
        optimizer.make_optimizer(config.learning_rate, 1000, 10),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    batch = [value.numpy() for value in next(iterator)]
    consumed = rate(lambda: classifier.train_on_batch(*batch), config.batch_size)
    print(f"{delivered:.0f} images/s delivered, {consumed:.0f} trained on")
    assert delivered > 3 * consumed
