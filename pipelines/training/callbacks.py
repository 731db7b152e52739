"""The callbacks of every training run: early stopping on a decoded metric, progress, logs."""

import atexit
import math
import os
import time
from pathlib import Path

import keras
from rich import progress

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import Times, console


class BestEpoch(keras.callbacks.Callback):
    """Scores the validation split after each epoch, saves the best model, and stops early.

    Of epochs with the same score the last is kept. Stands after
    `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)` where there is one, so that it scores and
    saves the averages.

    Args:
        evaluate: A function without arguments that scores the split and returns a dict of metrics.
        monitor: The metric to select by; larger is better, unless it is written "-wer".
        path: Where the best model is saved.
        patience: Epochs without a better one before training stops.
        monitor_flag: Whether the command has a flag `--monitor`, so that the line that tells of
            early stopping may point to it.

    Raises:
        UserError: at the end of an epoch whose loss is not finite; what was saved before stays.
    """

    def __init__(self, evaluate, monitor, path, patience, monitor_flag=False):
        super().__init__()
        self.evaluate = evaluate
        self.sign = -1 if monitor.startswith("-") else 1
        self.monitor = monitor.removeprefix("-")
        self.path = Path(path)
        self.patience = patience
        self.monitor_flag = monitor_flag
        self.best = -math.inf
        self.best_epoch = 0
        self.waited = 0
        self.lowest_loss = math.inf

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise UserError(self._divergence(epoch, logs["loss"]))
        model = self.model  # On JAX, asking for it writes the trained values back.
        metrics = self.evaluate()
        logs.update({f"val_{name}": value for name, value in metrics.items()})
        score = self.sign * metrics[self.monitor]
        self.waited = 0 if score > self.best else self.waited + 1
        if score >= self.best:
            self.best, self.best_epoch = score, epoch
            save_atomically(model, self.path)
        if self.waited and self.waited >= self.patience:
            model.stop_training = True
            console.print(self._stopping(still_falling=logs["loss"] < self.lowest_loss))
        self.lowest_loss = min(self.lowest_loss, logs["loss"])

    def _stopping(self, still_falling):
        line = (
            f"No better {self.monitor} for {self.patience} epochs: "
            f"stopping; epoch {self.best_epoch + 1} was the best"
        )
        if not still_falling:
            return f"{line}."
        other = " or another --monitor" if self.monitor_flag else ""
        patience = max(20, 2 * self.patience)
        return f"{line}; the training loss was still falling: try --patience {patience}{other}."

    def _divergence(self, epoch, loss):
        if epoch:
            saved = f"epoch {self.best_epoch + 1}, the best, is in {self.path}"
        elif self.path.is_file():
            saved = f"the model of the stage before is in {self.path}"
        else:
            saved = "no epoch was saved"
        return (
            f"training diverged: the loss of epoch {epoch + 1} is {loss}; {saved}. "
            "Try a smaller --learning-rate"
        )


def save_atomically(model, path):
    """Saves under another name and renames, so that a killed run leaves no half-written file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        model.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Progress(keras.callbacks.Callback):
    """A progress bar: the epoch, loss, examples per second, time elapsed and time left.

    Args:
        epochs: Epochs of the run.
        steps: Training steps per epoch.
        batch_size: Examples per training step.
        title: What an epoch is called.
    """

    def __init__(self, epochs, steps, batch_size, title="epoch"):
        super().__init__()
        self.epochs, self.steps, self.batch_size, self.title = epochs, steps, batch_size, title

    def on_train_begin(self, logs=None):
        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn("loss {task.fields[loss]}  {task.fields[rate]} examples/s "),
            Times(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=self.epochs * self.steps, loss="-", rate="-")
        self.bar.start()
        atexit.register(self.bar.stop)  # An interrupted run must give the cursor back.
        self.done = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.update(self.task, description=f"{self.title} {epoch + 1}/{self.epochs}")
        self.epoch_start = time.perf_counter()
        self.epoch_done = self.shown = self.done

    def on_train_batch_end(self, batch, logs=None):
        self.done = self.epoch_done + batch + 1
        self.bar.update(self.task, completed=self.done)
        if self.done - self.shown >= 10:
            self.shown = self.done
            self.bar.update(
                self.task, loss=f"{float(logs['loss']):.3f}", rate=f"{self._rate():.0f}"
            )

    def _rate(self):
        elapsed = max(time.perf_counter() - self.epoch_start, 1e-9)
        return (self.done - self.epoch_done) * self.batch_size / elapsed

    def on_epoch_end(self, epoch, logs=None):
        # This callback comes first, so the rate is that of training alone.
        self.rate = self._rate()

    def on_train_end(self, logs=None):
        self.bar.stop()
        atexit.unregister(self.bar.stop)


class EpochLine(keras.callbacks.Callback):
    """Prints the loss and the metrics of an epoch; stands last, when all of them are there."""

    def __init__(self, progress):
        super().__init__()
        self.progress = progress

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        metrics = "  ".join(
            f"{name.removeprefix('val_')} {fixed(value)}" for name, value in logs.items()
        )
        seconds = time.perf_counter() - self.start
        console.print(
            f"{self.progress.title} {epoch + 1}/{self.progress.epochs}  {metrics}  "
            f"{self.progress.rate:.0f} examples/s  {seconds:.0f} s"
        )


def fixed(value):
    """Returns a number in fixed-point notation: four decimals below 1, one from 100 on."""
    decimals = sum(abs(value) < limit for limit in (1, 10, 100)) + 1
    return f"{value:.{decimals}f}"


def show_progress(epochs, steps, batch_size, title="epoch"):
    """Returns the first and the last callback of a run: a progress bar, and one line per epoch.

    Args: see `Progress`.
    """
    bar = Progress(epochs, steps, batch_size, title)
    return bar, EpochLine(bar)


def make_callbacks(
    folder,
    epochs,
    steps,
    batch_size,
    evaluate,
    monitor,
    patience,
    averaged,
    stage=None,
    monitor_flag=False,
):
    """Returns the callbacks of a run, in the order in which they need one another.

    Args:
        folder: The run: `model.keras`, `history.csv` and the TensorBoard logs are written there.
        epochs: Epochs of the run.
        steps: Training steps per epoch.
        batch_size: Examples per training step.
        evaluate: A function without arguments that scores the validation split: a dict of metrics.
        monitor: The metric that selects the model, as for `BestEpoch`.
        patience: Epochs without a better one before training stops.
        averaged: Whether the optimizer averages the weights.
        stage: What to call a later stage of the same run, which has a history of its own.
        monitor_flag: Whether the command has a flag `--monitor`.
    """
    moving, staying = show_progress(epochs, steps, batch_size, title=stage or "epoch")
    history = f"history_{stage}.csv" if stage else "history.csv"
    logs = folder / "tensorboard" / stage if stage else folder / "tensorboard"
    return [
        moving,
        *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if averaged else []),
        BestEpoch(evaluate, monitor, folder / "model.keras", patience, monitor_flag),
        keras.callbacks.CSVLogger(folder / history),
        keras.callbacks.TensorBoard(logs, write_graph=False),
        staying,
    ]
