"""Copies of a model, each with a part of the batch, learn what one learns from all of it."""

import json

import pytest

from tests.pipelines.commands.running import run_python

SCRIPT = """
import json

import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
from keras import ops

import layers
from layers.replicas import OwnLosses
from pipelines.training import optimizer
from pipelines.training.distributed import distribution
from pipelines.training.pointer_loss import PointerCrossentropy
from pipelines.training.token_loss import TokenCrossentropy

random = np.random.default_rng(0)
# Of the two rows of either part, other numbers are real.
tokens = np.array([[3, 4, 0, 0, 0], [5, 0, 0, 0, 0], [6, 7, 8, 9, 3], [4, 5, 6, 0, 0]])


@keras.saving.register_keras_serializable("tests")
class Covering(OwnLosses, keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = keras.layers.Embedding(11, 6)
        self.out = keras.layers.Dense(11)
        self.unused = keras.layers.Dense(1)

    def call(self, inputs, training=None):
        states = self.embedding(inputs)
        if training:
            weights = ops.softmax(states @ ops.swapaxes(states, 1, 2))
            self.add_loss(0.7 * layers.coverage_loss(weights, inputs != 0))
        return self.out(states)


def learn(loss, labels, steps=4):
    keras.utils.set_random_seed(1)
    model = Covering()
    model.build((None, 5))
    model.unused.build((None, 3))
    chosen = optimizer.make_optimizer(0.1, steps, 1, clip_norm=0.03)
    model.compile(chosen, loss=loss, jit_compile=False)
    data = tf.data.Dataset.from_tensors((tokens, labels)).repeat(steps)
    history = model.fit(data, verbose=0).history
    return history["loss"] + [float(np.abs(w).sum()) for w in model.get_weights()]


class Pointing(PointerCrossentropy):
    def call(self, y_true, y_pred):
        return super().call(y_true, ops.log_softmax(y_pred))


cases = {
    "tokens": (TokenCrossentropy(0.1), tokens),
    "pointer": (Pointing(6, 0.1), np.concatenate([tokens, tokens], axis=1)),
}
found = {}
for devices in (1, 2):
    if devices == 2:
        tf.distribute.experimental_set_strategy(distribution._mirrored(2))
    assert distribution.copies() == devices
    found[devices] = {name: learn(*case) for name, case in cases.items()}
print(json.dumps(found))
"""


@pytest.mark.slow
def test_losses_clipping_and_added_losses_are_those_of_the_whole_batch():
    done = run_python(SCRIPT, KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, one in found["1"].items():
        two = found["2"][name]
        assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-5, name
