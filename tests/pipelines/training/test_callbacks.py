"""Early stopping, the logs of a run, and what it shows on a terminal."""

import csv
import io
import os
import re

import keras
import numpy as np
import pytest
from rich.console import Console

from pipelines.commands import terminal
from pipelines.commands.errors import UserError
from pipelines.training import callbacks
from pipelines.training.averages import AveragedWeights
from pipelines.training.callbacks import (
    BestEpoch,
    EpochLine,
    Progress,
    fixed,
    make_callbacks,
    save_atomically,
)
from pipelines.training.history import History
from pipelines.training.optimizer import make_optimizer, whole_executions


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
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("No better cider for 2 epochs: stopping; epoch 4 was the best")

    @pytest.mark.parametrize(
        ("steps", "warmup_steps", "stops"),
        [
            (100, 0, 4),  # After epochs 2, 3 and 4 without a better one.
            (250, 0, 4),
            (50, 0, 7),  # Half an epoch each.
            (9, 0, 35),  # 34 * 9 >= 3 * 100.
            (100, 300, 6),  # Epochs 2 and 3 began within the warm-up.
            (100, 301, 7),
        ],
    )
    def test_patience_counts_after_warm_up_and_by_steps(
        self, steps, warmup_steps, stops, tmp_path, capsys
    ):
        scores = iter([0.5, *[0.4] * 99])
        path = tmp_path / "model.keras"
        evaluate = lambda: {"cider": next(scores)}  # noqa: E731
        selection = BestEpoch(evaluate, "cider", path, 3, steps=steps, warmup_steps=warmup_steps)
        selection.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        selection.model.stop_training = False  # As `fit` does.
        for epoch in range(100):
            selection.on_epoch_end(epoch, {"loss": 1 / (1 + epoch)})
            if selection.model.stop_training:
                break
        assert epoch + 1 == stops
        assert capsys.readouterr().out.replace("\n", " ") == (
            f"No better cider for {stops - 1} epochs: stopping; epoch 1 was the best{self.FELL}20. "
        )

    def test_a_better_epoch_begins_the_count_anew(self, tmp_path):
        scores = Scores(0.1, 0.05, 0.2, 0.2, 0.15, 0.3)
        path = tmp_path / "model.keras"
        selection = BestEpoch(scores, "cider", path, patience=2, steps=60)
        fit([selection], epochs=6, prepare=scores.watch)
        assert len(scores.kernels) == 6 and selection.steps_without == 0

    FELL = "; the training loss was still falling: try --patience "

    @pytest.mark.parametrize(
        ("losses", "options", "ending"),
        [
            ((3.0, 2.0, 1.9), {}, FELL + "20."),
            ((3.0, 2.0, 1.9), {"monitor_flag": True}, FELL + "20 or another --monitor."),
            ((3.0, 2.0, 2.1, 2.05, 1.99), {"patience": 4}, FELL + "20."),
            ((3.0, *np.linspace(2, 1, 30)), {"patience": 30}, FELL + "60."),
            ((3.0, 2.0, 2.1), {"monitor_flag": True}, "."),
            ((3.0, 2.0, 2.0), {}, "."),
            ((1.0, 2.0, 1.5), {}, "."),
        ],
    )
    def test_says_whether_the_loss_was_still_falling(
        self, losses, options, ending, tmp_path, capsys
    ):
        scores = iter([0.5, *[0.4] * (len(losses) - 1)])
        options = {"patience": 2, **options}
        selection = BestEpoch(
            lambda: {"cider": next(scores)}, "cider", tmp_path / "model.keras", **options
        )
        selection.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        for epoch, loss in enumerate(losses):
            selection.on_epoch_end(epoch, {"loss": loss})
        patience = options["patience"]
        assert capsys.readouterr().out == (
            f"No better cider for {patience} epochs: stopping; epoch 1 was the best{ending}\n"
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

        selection = BestEpoch(scores, "cider", tmp_path / "model.keras", patience=9)
        with pytest.raises(UserError, match=r"epoch 1 is inf; the model of the stage before is in"):
            selection.on_epoch_end(0, {"loss": np.inf})

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


def make(folder, scores, epochs=3, averaged=True, patience=5):
    chosen = make_callbacks(
        folder,
        epochs=epochs,
        steps=4,
        batch_size=2,
        evaluate=scores,
        monitor="cider",
        patience=patience,
        averaged=averaged,
    )
    return list(chosen.values())


class TestCallbacks:
    @pytest.mark.parametrize("averaged", [False, True])
    def test_their_order(self, tmp_path, averaged):
        kinds = [type(c) for c in make(tmp_path, Scores(), averaged=averaged)]
        assert kinds == [
            Progress,
            *([AveragedWeights] if averaged else []),
            BestEpoch,  # After the averages are in.
            History,  # After the decoded metrics are in.
            EpochLine,
        ]

    def test_averages_are_decoded_and_saved_and_training_goes_on_with_the_raw_weights(
        self, tmp_path
    ):
        plain, raw = Record(), Record()
        fit([plain], epochs=3)
        scores = Scores(0.1, 0.3, 0.2)
        fit([*make(tmp_path, scores), raw], epochs=3, ema=0.8, prepare=scores.watch)
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
        fit([*make(tmp_path, scores, 2, averaged=False), raw], epochs=2, prepare=scores.watch)
        np.testing.assert_array_equal(scores.kernels, raw.steps[3::4])

    def test_history_and_logs_hold_the_decoded_metrics(self, tmp_path):
        scores = Scores(0.1, 0.3, 0.2, 0.4)
        fit(make(tmp_path, scores, 3), epochs=3, ema=0.8, prepare=scores.watch)
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
        more = {"attribute_accuracy": 0.5, "bleu_1": 61.5, "bleu_2": 4, "bleu_3": 2.94e-07}
        decode = lambda: {**scores(), **more}  # noqa: E731
        fit(make(tmp_path, decode, 2), epochs=2, ema=0.8, prepare=scores.watch)
        captured = capsys.readouterr()
        lines = captured.out.splitlines()
        assert len(lines) == 2 and captured.err == ""
        assert re.fullmatch(
            r"epoch 2/2  loss \d\.\d{3,4}  cider 0\.3000  bleu_4 3\.000  "
            r"attribute_accuracy 0\.5000  bleu_1 61\.50  bleu_2 4\.000  bleu_3 0\.0000  "
            r"\d+ examples/s  \d+ s",
            lines[1],
        )
        with open(tmp_path / "history.csv", newline="") as file:
            *_, row = csv.DictReader(file)
        assert float(row["val_bleu_3"]) == 2.94e-07  # The file has all digits.


class TestProgress:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (2.94e-07, "0.0000"),
            (0.98766, "0.9877"),
            (-0.5, "-0.5000"),
            (0, "0.0000"),
            (2.34567, "2.346"),
            (39.876, "39.88"),
            (123.46, "123.5"),
            (8.4e6, "8400000.0"),
        ],
    )
    def test_numbers_have_fixed_decimals(self, value, text):
        assert fixed(value) == fixed(np.float32(value)) == text

    @pytest.mark.slow
    def test_several_steps_at_once_train_and_count_alike(self):
        _, at_once = whole_executions(300, 3)
        runs = []
        for steps_of_one in (1, at_once):
            progress = Progress(2, 6, 2)
            model = fit([progress], epochs=2, steps=6, ema=0.8, at_once=steps_of_one)
            runs.append(model.layers[-1].get_weights()[0])
            assert (progress.done, progress.epoch_done) == (12, 6)
        np.testing.assert_allclose(runs[1], runs[0], rtol=1e-6)

    def test_without_a_terminal_a_line_tells_of_a_long_epoch(self, monkeypatch, capsys):
        monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 0)
        fit([Progress(2, 12, 2)], epochs=2, steps=12)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 26  # The start of an epoch as well.
        assert re.fullmatch(
            r"epoch 2 of 2, step 11/12  loss \d+\.\d{3}  \d+ examples/s  "
            r"elapsed \d:\d\d, \d:\d\d left",
            lines[24],
        )

    def test_a_line_moves_on_a_terminal_and_one_an_epoch_stays(self, tmp_path, monkeypatch):
        screen = io.StringIO()
        monkeypatch.setattr(
            callbacks,
            "console",
            Console(file=screen, force_terminal=True, width=120, highlight=False),
        )
        scores = Scores(0.1, 0.3)
        fit(make(tmp_path, scores, 2), epochs=2, ema=0.8, prepare=scores.watch)
        shown = screen.getvalue()
        assert "epoch 1/2  loss" in shown and "epoch 2/2  loss" in shown
        assert "\x1b[?25l" in shown and shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
        assert "examples/s  elapsed 0:0" in shown and ", 0:00 left" in shown and "100%" in shown

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
