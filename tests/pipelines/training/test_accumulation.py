"""Several small batches train as one large one: weights, learning rate and averages."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from pipelines.data.buckets import Batches
from pipelines.training import fitting, optimizer
from pipelines.training.learning_rate import warmup_cosine

N, SIZE, UPDATES = 3, 2, 7
RATE, DECAY, CLIP, MOMENTUM = 0.05, 0.1, 0.7, 0.6


def draw():
    random = np.random.default_rng(0)
    x = random.normal(size=(UPDATES * N * SIZE, 5)).astype("float32")
    return x, (x @ np.arange(1.0, 6.0)[:, None]).astype("float32")


def train(accumulate, batches=UPDATES * N, at_once=1, dtype=None):
    """Trains a line through points; returns the model and its rates after every batch."""
    kernel = keras.initializers.Constant(0.3)
    dense = keras.layers.Dense(1, kernel_initializer=kernel, dtype=dtype)
    model = keras.Sequential([keras.Input((5,)), dense])
    chosen = optimizer.make_optimizer(
        RATE, UPDATES, 2, DECAY, CLIP, ema_momentum=MOMENTUM, accumulate=accumulate
    )
    model.compile(chosen, "mse", steps_per_execution=at_once)
    rates = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: rates.append(float(chosen.learning_rate))
    )
    size = SIZE * (N if accumulate == 1 else 1)
    x, y = (array[: batches * size] for array in draw())
    model.optimizer.finalize_variable_values = lambda _: None  # Keep weights and averages apart.
    model.fit(x, y, size, shuffle=False, verbose=0, callbacks=[note])
    return model, rates


def values(model):
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    averages = optimizer._model_variables_moving_average
    both = [*model.trainable_variables, *averages]
    return [keras.ops.convert_to_numpy(variable.value) for variable in both]


def by_hand():
    """Kernel, bias and their averages by AdamW on the large batches, in NumPy."""
    x, y = draw()
    kernel, bias = np.full((5, 1), 0.3), np.zeros(1)
    moments = [[np.zeros((5, 1)), np.zeros((5, 1))], [np.zeros(1), np.zeros(1)]]
    averages, schedule = None, warmup_cosine(RATE, UPDATES, 2)
    for i in range(UPDATES):
        batch = slice(i * N * SIZE, (i + 1) * N * SIZE)
        error = 2 * (x[batch] @ kernel + bias - y[batch]) / (N * SIZE)
        slopes = [x[batch].T @ error, error.sum(axis=0)]
        norm = np.sqrt(sum((slope**2).sum() for slope in slopes))
        slopes = [slope * min(1, CLIP / norm) for slope in slopes]
        rate = float(schedule(i))
        kernel = kernel * (1 - rate * DECAY)  # A bias does not decay.
        for pair, slope in zip(moments, slopes, strict=True):
            pair[0] = 0.9 * pair[0] + 0.1 * slope
            pair[1] = 0.999 * pair[1] + 0.001 * slope**2
        steps = [
            rate * (m / (1 - 0.9 ** (i + 1))) / (np.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8)
            for m, v in moments
        ]
        kernel, bias = kernel - steps[0], bias - steps[1]
        averages = averages or [kernel, bias]
        pairs = zip(averages, (kernel, bias), strict=True)
        averages = [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in pairs]
    return [kernel, bias, *averages]


def test_weights_rates_and_averages_are_those_of_one_large_batch_and_of_numpy():
    (large, rates), (small, many) = train(1, UPDATES), train(N)
    assert (int(large.optimizer.iterations), int(small.optimizer.iterations)) == (7, 7)
    np.testing.assert_allclose(many[N - 1 :: N], rates, rtol=1e-6)
    for one, other, numpy in zip(values(large), values(small), by_hand(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)
        np.testing.assert_allclose(other, numpy, rtol=1e-4)


@pytest.mark.slow
def test_an_update_does_not_wait_for_the_end_of_a_compiled_call():
    for one, other in zip(values(train(N)[0]), values(train(N, at_once=7)[0]), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)


@pytest.mark.slow
def test_in_float16_too():
    (large, _), (small, _) = (train(*each, dtype="mixed_float16") for each in ((1, UPDATES), (N,)))
    for one, other in zip(values(large), values(small), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-2)


def test_before_the_first_update_the_average_is_what_there_is():
    kernel, _, *averages = values(train(N, batches=2)[0])
    np.testing.assert_array_equal(averages[0], kernel)
    np.testing.assert_array_equal(kernel, np.full((5, 1), 0.3, "float32"))


def test_it_is_compiled_for_as_many_updates_as_there_will_be():
    config = SimpleNamespace(
        **{"learning_rate": 0.02, "warmup_steps": None, "weight_decay": 0.3, "clip_norm": 5.0},
        **{"epochs": 3, "ema": 0.9, "steps_per_execution": 1, "accumulate": 4, "xla": "off"},
    )
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    batches = Batches(counts=[1610], sizes=[2], seed=0, read=None)
    fitting.compile_model(model, config, batches, loss="mse")
    schedule = warmup_cosine(0.02, 3 * 805 // 4)
    assert model.optimizer._learning_rate.get_config() == schedule.get_config()
    assert model.optimizer.gradient_accumulation_steps == 4
    assert model.jit_compile is False
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model.optimizer)
    )
    assert again.get_config() == model.optimizer.get_config()


@pytest.mark.parametrize(("steps", "accumulate", "updates"), [(7, 1, 7), (7, 2, 3), (3, 5, 1)])
def test_what_is_left_of_the_last_update_is_not_one(steps, accumulate, updates):
    assert optimizer.updates(steps, accumulate) == updates
