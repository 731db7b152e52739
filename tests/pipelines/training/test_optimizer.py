"""What the optimizer decays, clips and averages, and how many steps an epoch has."""

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.data.buckets import Batches
from pipelines.training import fitting
from pipelines.training.learning_rate import warmup_cosine
from pipelines.training.optimizer import make_optimizer, whole_executions


class TestOptimizer:
    def test_kernels_decay_and_biases_gains_and_tables_do_not(self):
        decay = ["kernel", "recurrent_kernel"]
        keep = ["bias", "gamma", "beta", "score_scale", "embeddings", "positions"]
        variables = {n: keras.Variable([2.0, -4.0], name=n) for n in decay + keep}
        optimizer = make_optimizer(0.1, total_steps=10, warmup_steps=0, weight_decay=0.2)
        optimizer.apply([ops.zeros(2)] * len(variables), list(variables.values()))
        for name, variable in variables.items():
            factor = 1 - 0.1 * 0.2 if name in decay else 1
            np.testing.assert_allclose(
                ops.convert_to_numpy(variable), np.array([2.0, -4.0]) * factor, rtol=1e-6
            )

    def test_layers_of_keras_are_told_apart_by_their_names(self):
        model = keras.Sequential(
            [
                keras.layers.Embedding(5, 4),
                keras.layers.LSTM(3, return_sequences=True),
                keras.layers.LayerNormalization(),
                keras.layers.Dense(2),
            ]
        )
        model.build((None, 3))
        optimizer = make_optimizer(0.1, total_steps=10, warmup_steps=0, weight_decay=0.2)
        optimizer.build(model.trainable_variables)
        decaying = [v.path for v in model.trainable_variables if optimizer._use_weight_decay(v)]
        assert [path.split("/")[-1] for path in decaying] == [
            "kernel",
            "recurrent_kernel",
            "kernel",
        ]

    def test_gradients_are_clipped_together(self):
        # Adam forgets the size of a gradient, but not the sizes within one.
        optimizer = make_optimizer(0.1, 10, 0, clip_norm=1.0)
        assert optimizer.global_clipnorm == 1.0
        clipped = optimizer._clip_gradients([ops.ones(1) * 30.0, ops.ones(1) * 40.0])
        np.testing.assert_allclose([float(x[0]) for x in clipped], [0.6, 0.8], rtol=1e-5)

    def test_the_learning_rate_follows_the_schedule(self):
        optimizer = make_optimizer(0.02, total_steps=1000, warmup_steps=100)
        schedule = warmup_cosine(0.02, total_steps=1000, warmup_steps=100)
        assert optimizer._learning_rate.get_config() == schedule.get_config()

    def test_the_average_is_optional(self):
        assert not make_optimizer(0.1, 10, 0).use_ema
        optimizer = make_optimizer(0.1, 10, 0, ema_momentum=0.9)
        assert optimizer.use_ema and optimizer.ema_momentum == 0.9


class TestExecutions:
    def test_a_model_is_compiled_for_all_epochs_of_whole_executions(self, monkeypatch):
        class Config:
            learning_rate, warmup_steps, weight_decay, clip_norm = 0.02, 10, 0.3, 5.0
            epochs, ema, steps_per_execution = 2, 0.9, 8
            accumulate, xla = 1, "auto"

        monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        batches = Batches(counts=[1606], sizes=[2], seed=0, read=None)
        fitting.compile_model(model, Config, batches, loss="mse")
        assert (model.steps_per_execution, model.loss) == (8, "mse")
        optimizer = model.optimizer
        assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.3, 5.0)
        assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
        expected = warmup_cosine(0.02, total_steps=1600, warmup_steps=10)
        assert optimizer._learning_rate.get_config() == expected.get_config()
        assert optimizer.built

    def test_an_epoch_is_whole_executions_where_few_steps_are_lost(self, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
        assert whole_executions(4203, 8) == (4200, 8)
        assert whole_executions(803, 8) == (800, 8)
        assert whole_executions(800, 8) == (800, 8)
        assert whole_executions(799, 8) == (799, 1)
        assert whole_executions(3, 1) == (3, 1)

    @pytest.mark.parametrize("backend", ["jax", "torch"])
    def test_other_backends_run_step_by_step(self, backend, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: backend)
        assert whole_executions(4203, 8) == (4203, 1)
