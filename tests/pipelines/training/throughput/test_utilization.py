"""Model FLOPs utilization of a model whose operations are counted by hand."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.training.throughput import peaks, utilization


def batches(*sizes):
    """Batches of pairs (B, 5) and (B, 3), of these sizes in turn."""
    endless = [(np.ones((size, 5), "float32"), np.ones((size, 3), "float32")) for size in sizes]
    opened = tf.data.Dataset.from_generator(
        lambda: endless,
        output_signature=tuple(tf.TensorSpec((None, each), "float32") for each in (5, 3)),
    )
    return SimpleNamespace(open=lambda: opened.repeat())


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])


def test_it_is_the_mean_of_batches_of_several_shapes_over_the_peak_of_all_devices(
    model, monkeypatch
):
    monkeypatch.setattr(peaks, "device_name", lambda: "NVIDIA L4")
    of_an_example = 3 * 2 * 5 * 3
    found = utilization.per_step(model, batches(2, 6), "float32")
    assert found == pytest.approx(4 * of_an_example / 60e12)
    monkeypatch.setattr(peaks, "device_count", lambda: 4)
    found = utilization.per_step(model, batches(7), "bfloat16")
    assert found == pytest.approx(7 * of_an_example / (4 * 121e12))


def test_on_a_cpu_and_on_a_gpu_of_no_known_peak_nothing_is_counted(model, monkeypatch):
    assert utilization.per_step(model, None, "float32") is None
    monkeypatch.setattr(peaks, "device_name", lambda: "NVIDIA H20")
    assert utilization.per_step(model, None, "float32") is None


def test_it_stands_beside_the_examples_a_second():
    assert utilization.describe(2.5, 64) == "160 examples/s"
    assert utilization.describe(2.5, 64, 0.1234) == "160 examples/s  30.9% MFU"
