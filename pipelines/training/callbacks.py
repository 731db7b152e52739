"""The callbacks of every training run: early stopping on a decoded metric, progress, logs."""

import atexit
import math
import time
from pathlib import Path

import keras
from rich import progress

from pipelines.commands.cluster import processes
from pipelines.commands.disk.files import replacing
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import Bar, Times, console, fixed
from pipelines.training.averages import AveragedWeights
from pipelines.training.distributed import distribution
from pipelines.training.history import History
from pipelines.training.throughput.utilization import describe

ENOUGH_STEPS = 100  # Of an epoch that counts as one for early stopping.


class BestEpoch(keras.callbacks.Callback):
    """Scores the validation split after each epoch, saves the best model, and stops early.

    Of epochs with the same score the last is kept. Stands after `AveragedWeights` where there is
    one, so that it scores and saves the averages.

    Args:
        evaluate: A function without arguments that scores the split and returns a dict of metrics.
        monitor: The metric to select by; larger is better, unless it is written "-wer".
        path: Where the best model is saved.
        patience: Epochs without a better one before training stops. One of less than
            `ENOUGH_STEPS` counts for its share of these, and one that began within the warm-up for
            nothing: what so little training changes is chance.
        monitor_flag: Whether the command has a flag `--monitor`, so that the line that tells of
            early stopping may point to it.
        steps: Training steps per epoch.
        warmup_steps: Steps of linear warm-up.
        keep: Takes the model that is trained and returns the one that is saved; by default itself.

    Raises:
        UserError: at the end of an epoch whose loss is not finite; what was saved before stays.
    """

    KEPT = ("best", "best_epoch", "epochs_without", "steps_without", "lowest_loss")

    def __init__(
        self,
        evaluate,
        monitor,
        path,
        patience,
        monitor_flag=False,
        steps=ENOUGH_STEPS,
        warmup_steps=0,
        keep=None,
    ):
        super().__init__()
        self.evaluate = evaluate
        self.sign = -1 if monitor.startswith("-") else 1
        self.monitor = monitor.removeprefix("-")
        self.path = Path(path)
        self.patience = patience
        self.monitor_flag = monitor_flag
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.keep = keep
        self.best = -math.inf
        self.best_epoch = 0
        self.epochs_without = 0
        self.steps_without = 0  # Those that count.
        self.lowest_loss = math.inf

    def state(self):
        """What a checkpoint has to keep."""
        return {name: getattr(self, name) for name in self.KEPT}

    def restore(self, state):
        for name in self.KEPT:
            setattr(self, name, state[name])

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise UserError(self._divergence(epoch, logs["loss"]))
        model = self.model  # On JAX, asking for it writes the trained values back.
        with distribution.apart(model):
            metrics = self.evaluate()
            score = self.sign * metrics[self.monitor]
            if score >= self.best and processes.first():
                save_atomically(self.keep(model) if self.keep else model, self.path)
        logs.update({f"val_{name}": value for name, value in metrics.items()})
        if score > self.best:
            self.epochs_without = self.steps_without = 0
        else:
            self.epochs_without += 1
            if epoch * self.steps >= self.warmup_steps:
                self.steps_without += min(self.steps, ENOUGH_STEPS)
        if score >= self.best:
            self.best, self.best_epoch = score, epoch
        if self.steps_without and self.steps_without >= self.patience * ENOUGH_STEPS:
            model.stop_training = True
            console.print(self._stopping(still_falling=logs["loss"] < self.lowest_loss))
        self.lowest_loss = min(self.lowest_loss, logs["loss"])

    def _stopping(self, still_falling):
        line = (
            f"No better {self.monitor} for {self.epochs_without} epochs: "
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
    with replacing(path) as temporary:
        model.save(temporary)


class Progress(keras.callbacks.Callback):
    """A progress bar: the epoch, loss, speed, time elapsed and time left.

    Without a terminal, all that is a line now and then.

    Args:
        epochs: Epochs of the run.
        steps: Training steps per epoch.
        batch_size: Examples per training step.
        title: What an epoch is called.
    """

    def __init__(self, epochs, steps, batch_size, title="epoch"):
        super().__init__()
        self.epochs, self.steps, self.batch_size, self.title = epochs, steps, batch_size, title
        self.skipped = 0  # Steps of the first epoch that were trained before.
        self.utilization = None  # By one step a second, see `utilization.per_step`.

    def on_train_begin(self, logs=None):
        self.bar = Bar(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn("loss {task.fields[loss]}  {task.fields[speed]} "),
            Times(),
            line=self._line,
            to=console,
            last=False,
            transient=True,
        )
        self.task = self.bar.add_task(
            "", total=self.epochs * self.steps, loss="-", speed="- examples/s"
        )
        self.bar.start()
        atexit.register(self.bar.stop)  # An interrupted run must give the cursor back.

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_start = epoch + 1, time.perf_counter()
        self.epoch_done = epoch * self.steps
        self.first = self.done = self.shown = self.epoch_done + self.skipped
        self.bar.update(self.task, description=f"{self.title} {self.epoch}/{self.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        self.done = self.first + batch + 1
        changes = {"completed": self.done}
        if self.done - self.shown >= 10:
            self.shown = self.done
            changes |= {"loss": f"{float(logs['loss']):.3f}", "speed": self._speed()}
        self.bar.update(self.task, **changes)

    def _line(self, task):
        """Where training is, for a log."""
        step = self.done - self.epoch_done
        return (
            f"{self.title} {self.epoch} of {self.epochs}, step {step}/{self.steps}  "
            f"loss {task.fields['loss']}  {task.fields['speed']}  {Times().render(task)}"
        )

    def _speed(self):
        elapsed = max(time.perf_counter() - self.epoch_start, 1e-9)
        return describe((self.done - self.first) / elapsed, self.batch_size, self.utilization)

    def on_epoch_end(self, epoch, logs=None):
        # This callback comes first, so the speed is that of training alone.
        self.speed = self._speed()

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
        metrics = "  ".join(f"{_shown(name, logs)} {fixed(value)}" for name, value in logs.items())
        seconds = time.perf_counter() - self.start
        console.print(
            f"{self.progress.title} {epoch + 1}/{self.progress.epochs}  {metrics}  "
            f"{self.progress.speed}  {seconds:.0f} s"
        )


def _shown(name, logs):
    """A metric's name: that of validation alone is as decoded metrics are called elsewhere."""
    short = name.removeprefix("val_")
    return name if short in logs else short


def make_callbacks(
    folder,
    epochs,
    steps,
    batch_size,
    evaluate=None,
    monitor=None,
    patience=0,
    averaged=False,
    stage=None,
    monitor_flag=False,
    warmup_steps=0,
    keep=None,
):
    """Returns the callbacks of a stage by their names, in the order in which they need one another.

    Args:
        folder: The run: `model.keras`, `history.csv` and the TensorBoard logs are written there.
        epochs: Epochs of the stage.
        steps: Training steps per epoch.
        batch_size: Examples per training step.
        evaluate: A function without arguments that scores the validation split: a dict of metrics;
            `None` for a stage that is only shown.
        monitor: The metric that selects the model, as for `BestEpoch`.
        patience: Epochs without a better one before training stops.
        averaged: Whether the optimizer averages the weights.
        stage: What to call a later stage of the same run, which has a history of its own.
        monitor_flag: Whether the command has a flag `--monitor`.
        warmup_steps: Steps of linear warm-up.
        keep: As for `BestEpoch`.
    """
    progress = Progress(epochs, steps, batch_size, stage or "epoch")
    chosen = {"progress": progress}
    if averaged:
        chosen["averages"] = AveragedWeights()
    if evaluate is not None:
        chosen["best"] = BestEpoch(
            evaluate,
            monitor,
            folder / "model.keras",
            patience,
            monitor_flag,
            steps,
            warmup_steps,
            keep,
        )
        logs = folder / "tensorboard" / stage if stage else folder / "tensorboard"
        chosen["history"] = History(
            folder / (f"history_{stage}.csv" if stage else "history.csv"), logs
        )
    return {**chosen, "line": EpochLine(progress)}
