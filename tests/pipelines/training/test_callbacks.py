import csv
import io
import os
import re

import keras
import numpy as np
import pytest
from keras import ops
from rich.console import Console

from pipelines.commands.errors import UserError
from pipelines.text.tokenizer import PAD
from pipelines.training import callbacks
from pipelines.training.callbacks import (
    BestEpoch,
    EpochLine,
    Progress,
    make_callbacks,
    save_atomically,
)
from pipelines.training.optimizer import make_optimizer, whole_executions
from pipelines.training.token_loss import TokenCrossentropy


def rate(optimizer, step):
    return float(optimizer._learning_rate(step))


class TestSchedule:
    def test_warms_up_linearly_and_decays_as_a_cosine_to_zero(self):
        optimizer = make_optimizer(0.02, total_steps=1000, warmup_steps=100)
        expected = {0: 0.0, 1: 0.0002, 50: 0.01, 100: 0.02, 550: 0.01, 1000: 0.0, 1200: 0.0}
        for step, value in expected.items():
            assert rate(optimizer, step) == pytest.approx(value, abs=1e-8), step
        # A quarter of the way down: cos(pi / 4).
        assert rate(optimizer, 325) == pytest.approx(0.01 * (1 + 0.5**0.5), rel=1e-4)

    def test_without_warm_up_it_starts_at_the_peak(self):
        optimizer = make_optimizer(0.02, total_steps=100, warmup_steps=0)
        values = [rate(optimizer, step) for step in (0, 50, 100)]
        np.testing.assert_allclose(values, [0.02, 0.01, 0.0], atol=1e-7)

    def test_warm_up_takes_a_third_of_a_short_run_at_most(self):
        optimizer = make_optimizer(0.02, total_steps=30, warmup_steps=200)
        values = [rate(optimizer, step) for step in (0, 5, 10, 20, 30)]
        np.testing.assert_allclose(values, [0.0, 0.01, 0.02, 0.01, 0.0], atol=1e-7)

    def test_one_step(self):
        assert rate(make_optimizer(0.02, total_steps=1, warmup_steps=200), 0) == pytest.approx(0.02)


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

    def test_the_average_is_optional(self):
        assert not make_optimizer(0.1, 10, 0).use_ema
        optimizer = make_optimizer(0.1, 10, 0, ema_momentum=0.9)
        assert optimizer.use_ema and optimizer.ema_momentum == 0.9


def formula(targets, logits, smoothing):
    """The loss, token by token, from its definition."""
    losses = []
    for target, z in zip(targets.ravel(), logits.reshape(-1, logits.shape[-1]), strict=True):
        if target != PAD:
            log_p = z - np.log(np.exp(z).sum())
            q = np.full(len(z), smoothing / len(z))
            q[target] += 1 - smoothing
            losses.append(-(q * log_p).sum())
    return np.mean(losses)


class TestTokenCrossentropy:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 7)) * 2  # Any number of axes.
    targets = np.array([[[3, 4, 2, 0], [5, 2, 0, 0], [6, 6, 6, 2]]] * 2)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
    def test_equals_its_formula(self, smoothing):
        loss = TokenCrossentropy(smoothing)
        found = float(loss(self.targets, self.logits))
        assert found == pytest.approx(formula(self.targets, self.logits, smoothing), rel=1e-5)

    def test_equals_that_of_keras_without_smoothing(self):
        targets, logits = self.targets[..., :2].clip(1), self.logits[..., :2, :]
        expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(targets, logits)
        assert float(TokenCrossentropy()(targets, logits)) == pytest.approx(float(expected), 1e-5)

    def test_padding_has_no_influence(self):
        loss = TokenCrossentropy(0.1)
        targets, logits = self.targets[0, :1], self.logits[0, :1]
        alone = float(loss(targets[:, :3], logits[:, :3]))
        longer = np.pad(targets, ((0, 7), (0, 5)))
        noise = self.rng.normal(size=(8, 9, 7)) * 50
        noise[:1, :3] = logits[:, :3]
        assert float(loss(longer, noise)) == pytest.approx(alone, rel=1e-6)

    def test_only_padding_is_no_loss(self):
        assert float(TokenCrossentropy(0.1)(np.zeros((2, 3)), np.ones((2, 3, 5)))) == 0.0

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_is_raised_before_the_softmax(self, dtype):
        logits = np.round(self.logits) * 4 + 20000 * (dtype == "float16")
        found = TokenCrossentropy(0.1)(self.targets, ops.cast(logits, dtype))
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        exact = ops.convert_to_numpy(ops.cast(ops.cast(logits, dtype), "float32"))
        exact = exact.astype("float64")
        expected = formula(self.targets, exact - exact.max(-1, keepdims=True), 0.1)
        assert float(found) == pytest.approx(expected, abs=5e-3)

    def test_its_configuration_comes_back(self):
        loss = TokenCrossentropy(0.15, name="tokens")
        config = keras.saving.serialize_keras_object(loss)
        rebuilt = keras.saving.deserialize_keras_object(config)
        assert isinstance(rebuilt, TokenCrossentropy)
        assert (rebuilt.label_smoothing, rebuilt.name) == (0.15, "tokens")
        assert rebuilt.get_config() == loss.get_config()


class Record(keras.callbacks.Callback):
    """The kernel after every step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.layers[-1].get_weights()[0])


def fit(callbacks, epochs=1, steps=4, ema=None, prepare=None, at_once=1):
    """Trains one kernel for some epochs, always in the same way."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[-1].set_weights([np.array([[1.0], [2.0], [3.0]])])
    optimizer = make_optimizer(0.1, 100, 0, ema_momentum=ema)
    model.compile(optimizer, "mse", steps_per_execution=at_once)
    x = np.random.default_rng(0).normal(size=(2 * steps, 3)).astype("float32")
    if prepare:
        prepare(model)
    model.fit(
        x, x[:, :1], batch_size=2, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    )
    return model


class Scores:
    """Stands for decoding: one score after another, and the kernel it was asked for."""

    def __init__(self, *scores):
        self.scores, self.kernels, self.model = list(scores), [], None

    def watch(self, model):
        self.model = model

    def __call__(self):
        self.kernels.append(self.model.layers[-1].get_weights()[0])
        score = self.scores[len(self.kernels) - 1]
        return {"cider": score, "bleu_4": 10 * score}


def saved_kernel(folder):
    loaded = keras.models.load_model(folder / "model.keras", compile=False)
    return loaded.layers[-1].get_weights()[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestExecutions:
    def test_an_epoch_is_whole_executions_where_few_steps_are_lost(self, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
        assert whole_executions(4203, 8) == (4200, 8)
        assert whole_executions(800, 8) == (800, 8)
        assert whole_executions(799, 8) == (799, 1)
        assert whole_executions(3, 1) == (3, 1)

    @pytest.mark.parametrize("backend", ["jax", "torch"])
    def test_other_backends_run_step_by_step(self, backend, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: backend)
        assert whole_executions(4203, 8) == (4203, 1)

    def test_several_steps_at_once_train_and_count_alike(self):
        _, at_once = whole_executions(300, 3)
        runs = []
        for steps_of_one in (1, at_once):
            progress = Progress(2, 6, 2)
            model = fit([progress], epochs=2, steps=6, ema=0.8, at_once=steps_of_one)
            runs.append(model.layers[-1].get_weights()[0])
            assert (progress.done, progress.epoch_done) == (12, 6)
        np.testing.assert_allclose(runs[1], runs[0], rtol=1e-6)


class TestBestEpoch:
    def test_keeps_the_best_and_stops_after_its_patience(self, tmp_path, capsys):
        scores = Scores(0.1, 0.5, 0.4, 0.5, 0.9)
        selection = BestEpoch(scores, "cider", tmp_path / "model.keras", patience=2)
        fit([selection], epochs=10, prepare=scores.watch)
        assert len(scores.kernels) == 4  # The equal one of epoch 4 is no better one, but is kept.
        assert (selection.best, selection.best_epoch) == (0.5, 3)
        np.testing.assert_array_equal(saved_kernel(tmp_path), scores.kernels[3])
        assert np.abs(scores.kernels[1] - scores.kernels[3]).max() > 1e-3
        assert names(tmp_path) == ["model.keras"]
        assert capsys.readouterr().out.split("\n")[0] == (
            "No better cider for 2 epochs: stopping; epoch 4 was the best."
        )

    def test_goes_on_while_it_gets_better(self, tmp_path):
        scores = Scores(0.1, 0.05, 0.2, 0.15, 0.3)
        selection = BestEpoch(scores, "cider", tmp_path / "model.keras", patience=2)
        fit([selection], epochs=5, prepare=scores.watch)
        assert len(scores.kernels) == 5 and selection.best_epoch == 4
        np.testing.assert_array_equal(saved_kernel(tmp_path), scores.kernels[4])

    def test_the_model_is_there_after_the_first_epoch_whatever_it_scores(self, tmp_path):
        scores = Scores(0.0)
        fit(
            [BestEpoch(scores, "cider", tmp_path / "model.keras", 1)],
            prepare=scores.watch,
        )
        np.testing.assert_array_equal(saved_kernel(tmp_path), scores.kernels[0])

    def test_a_diverged_run_ends_in_one_line_and_keeps_the_best_epoch(self, tmp_path):
        class Diverge(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    self.model.layers[-1].set_weights([np.full((3, 1), np.nan)])

        scores = Scores(0.5, 0.1)
        selection = BestEpoch(scores, "cider", tmp_path / "model.keras", patience=9)
        with pytest.raises(UserError) as error:
            fit([Diverge(), selection], epochs=4, prepare=scores.watch)
        assert str(error.value) == (
            "training diverged: the loss of epoch 3 is nan; epoch 1, the best, is in "
            f"{tmp_path}/model.keras. Try a smaller --learning-rate"
        )
        np.testing.assert_array_equal(saved_kernel(tmp_path), scores.kernels[0])

        selection = BestEpoch(scores, "cider", tmp_path / "none.keras", patience=9)
        with pytest.raises(UserError, match="epoch 1 is inf; no epoch was saved"):
            selection.on_epoch_end(0, {"loss": np.inf})
        assert names(tmp_path) == ["model.keras"]

    def test_a_failed_save_leaves_the_model_before_and_nothing_else(self, tmp_path, monkeypatch):
        path = tmp_path / "model.keras"
        save_atomically(fit([]), path)
        before = path.read_bytes()

        class Failing:
            def save(self, path):
                assert path.suffix == ".keras" and path.parent == tmp_path
                path.write_bytes(b"half")
                raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            save_atomically(Failing(), path)
        assert path.read_bytes() == before and names(tmp_path) == ["model.keras"]

    def test_what_is_renamed_is_whole(self, tmp_path, monkeypatch):
        replaced = []

        def replace(source, target):
            replaced.append((keras.models.load_model(source, compile=False), target))

        monkeypatch.setattr(os, "replace", replace)
        save_atomically(fit([]), tmp_path / "model.keras")
        [(model, target)] = replaced
        assert model.count_params() == 3 and target == tmp_path / "model.keras"
        assert names(tmp_path) == []


class TestCallbacks:
    def make(self, folder, scores, epochs=3, averaged=True, patience=5):
        return make_callbacks(
            folder,
            epochs=epochs,
            steps=4,
            batch_size=2,
            evaluate=scores,
            monitor="cider",
            patience=patience,
            averaged=averaged,
        )

    @pytest.mark.parametrize("averaged", [False, True])
    def test_their_order(self, tmp_path, averaged):
        kinds = [type(c) for c in self.make(tmp_path, Scores(), averaged=averaged)]
        assert kinds == [
            Progress,
            *([keras.callbacks.SwapEMAWeights] if averaged else []),
            BestEpoch,  # After the averages are in.
            keras.callbacks.CSVLogger,  # After the decoded metrics are in.
            keras.callbacks.TensorBoard,
            EpochLine,
        ]

    def test_averages_are_decoded_and_saved_and_training_goes_on_with_the_raw_weights(
        self, tmp_path
    ):
        plain, raw = Record(), Record()
        fit([plain], epochs=3)
        scores = Scores(0.1, 0.3, 0.2)
        fit([*self.make(tmp_path, scores), raw], epochs=3, ema=0.8, prepare=scores.watch)
        np.testing.assert_allclose(raw.steps, plain.steps, rtol=1e-5, atol=1e-6)
        averages, average = [], None
        for kernel in plain.steps:
            average = kernel if average is None else 0.8 * average + 0.2 * kernel
            averages.append(average)
        np.testing.assert_allclose(scores.kernels, averages[3::4], rtol=1e-5, atol=1e-6)
        assert np.abs(averages[7] - plain.steps[7]).max() > 0.01
        np.testing.assert_allclose(saved_kernel(tmp_path), averages[7], rtol=1e-5, atol=1e-6)

    def test_without_averages_the_raw_weights_are_decoded(self, tmp_path):
        raw, scores = Record(), Scores(0.1, 0.3)
        fit([*self.make(tmp_path, scores, 2, averaged=False), raw], epochs=2, prepare=scores.watch)
        np.testing.assert_array_equal(scores.kernels, raw.steps[3::4])

    def test_history_and_logs_hold_the_decoded_metrics(self, tmp_path):
        scores = Scores(0.1, 0.3, 0.2, 0.4)
        fit(self.make(tmp_path, scores, 4, patience=1), epochs=4, ema=0.8, prepare=scores.watch)
        with open(tmp_path / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["epoch"] for row in rows] == ["0", "1", "2"]
        assert [float(row["val_cider"]) for row in rows] == [0.1, 0.3, 0.2]
        assert [float(row["val_bleu_4"]) for row in rows] == [1.0, 3.0, 2.0]
        assert all(float(row["loss"]) > 0 for row in rows)
        assert names(tmp_path) == ["history.csv", "model.keras", "tensorboard"]
        assert any((tmp_path / "tensorboard").rglob("events.*"))

    def test_one_line_an_epoch_without_a_terminal(self, tmp_path, capsys):
        scores = Scores(0.1, 0.3)
        more = {"attribute_accuracy": 0.5, "pointing_accuracy": 0.25, "bleu_1": 61.5, "bleu_2": 4}
        decode = lambda: {**scores(), **more}  # noqa: E731
        fit(self.make(tmp_path, decode, 2), epochs=2, ema=0.8, prepare=scores.watch)
        captured = capsys.readouterr()
        lines = captured.out.splitlines()
        assert len(lines) == 2 and captured.err == ""
        assert re.fullmatch(
            r"epoch 2/2  loss [\d.e+-]+  cider 0\.3  bleu_4 3  attribute_accuracy 0\.5  "
            r"pointing_accuracy 0\.25  bleu_1 61\.5  bleu_2 4  \d+ examples/s  \d+ s",
            lines[1],
        )

    def test_a_line_moves_on_a_terminal_and_one_an_epoch_stays(self, tmp_path, monkeypatch):
        screen = io.StringIO()
        monkeypatch.setattr(
            callbacks,
            "console",
            Console(file=screen, force_terminal=True, width=120, highlight=False),
        )
        scores = Scores(0.1, 0.3)
        fit(self.make(tmp_path, scores, 2), epochs=2, ema=0.8, prepare=scores.watch)
        shown = screen.getvalue()
        assert "epoch 1/2  loss" in shown and "epoch 2/2  loss" in shown
        assert "\x1b[?25l" in shown and shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
        assert "examples/s  left" in shown and "100%" in shown

    def test_an_interrupted_run_gives_the_cursor_back_when_it_exits(self, monkeypatch):
        screen, at_exit = io.StringIO(), []
        monkeypatch.setattr(callbacks, "console", Console(file=screen, force_terminal=True))
        monkeypatch.setattr(callbacks.atexit, "register", at_exit.append)

        class Interrupt(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fit([Progress(1, 4, 2), Interrupt()])
        assert "\x1b[?25l" in screen.getvalue() and "\x1b[?25h" not in screen.getvalue()
        for function in at_exit:
            function()
        assert "\x1b[?25h" in screen.getvalue()
