"""What every `fit` here is given: the optimizer, the loss, and the callbacks."""

import atexit
import math
import os
import time
from pathlib import Path

import keras
from keras import ops
from rich import progress

from pipelines.console import UserError, console
from pipelines.text import PAD


def make_optimizer(
    learning_rate,
    total_steps,
    warmup_steps,
    weight_decay=0.01,
    clip_norm=1.0,
    ema_momentum=None,
):
    """AdamW with linear warm-up, cosine decay to zero and clipping by the global norm.

    Biases, gains, class tokens and the tables of embeddings and positions do not decay.

    Args:
        learning_rate: The peak, reached after `warmup_steps`.
        total_steps: Length of the whole schedule.
        warmup_steps: Steps of linear warm-up; at most a third of `total_steps`.
        weight_decay: Decoupled (Loshchilov and Hutter, 2019).
        clip_norm: Largest global norm of the gradients.
        ema_momentum: Of an exponential moving average of the weights; `None` for none.
    """
    warmup_steps = min(warmup_steps, total_steps // 3)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        decay_steps=max(total_steps - warmup_steps, 1),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=weight_decay,
        global_clipnorm=clip_norm,
        use_ema=ema_momentum is not None,
        ema_momentum=ema_momentum or 0.99,
        epsilon=1e-8,
    )
    names = ["bias", "gamma", "beta", "scale", "embeddings", "positions", "token"]
    optimizer.exclude_from_weight_decay(var_names=names)
    return optimizer


def compile_model(model, config, epochs, steps, **options):
    """Compiles a model with the optimizer that a configuration describes.

    Args:
        model: A built model.
        config: With the arguments of `make_optimizer`, `ema` and `steps_per_execution`.
        epochs: Passes of the whole schedule.
        steps: Batches of an epoch.
        options: For `compile`: `loss` and so on.

    Returns:
        Steps of an epoch, for `fit`.
    """
    steps, at_once = whole_executions(steps, config.steps_per_execution)
    optimizer = make_optimizer(
        config.learning_rate,
        epochs * steps,
        config.warmup_steps,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        ema_momentum=config.ema or None,
    )
    model.compile(optimizer, steps_per_execution=at_once, **options)
    # Else it is built inside the first step, which TensorFlow then traces twice.
    optimizer.build(model.trainable_variables)
    return steps


def whole_executions(steps, steps_per_execution):
    """Steps of an epoch, as whole executions, and the steps of one, for `compile`.

    Only TensorFlow gains from more than one, and PyTorch refuses it. Less than one step in a
    hundred is lost to rounding: an epoch that is too short for that is left as it is.
    """
    fits = steps >= 100 * steps_per_execution and keras.backend.backend() == "tensorflow"
    at_once = steps_per_execution if fits else 1
    return steps - steps % at_once, at_once


@keras.saving.register_keras_serializable("attention_suite")
class TokenCrossentropy(keras.losses.Loss):
    """Label-smoothed cross-entropy of the next token, in float32, averaged over real tokens.

    Padding has no part in it: the loss of a batch is that of its sequences, whatever they are
    padded to.

    Args:
        label_smoothing: Share of the target that is spread over the vocabulary evenly.
    """

    def __init__(self, label_smoothing=0.0, name="token_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        targets = ops.cast(y_true, "int32")
        log_z = ops.logsumexp(logits, axis=-1)
        target = ops.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        smooth = self.label_smoothing
        losses = log_z - (1 - smooth) * target - smooth * ops.mean(logits, axis=-1)
        real = ops.cast(targets != PAD, "float32")
        return ops.sum(losses * real) / ops.maximum(ops.sum(real), 1.0)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


class BestEpoch(keras.callbacks.Callback):
    """Scores the validation split after each epoch, keeps the best weights, stops when none come.

    Of epochs with the same score the last is kept. Stands after
    `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)` where there is one, so that it scores and
    saves the averages.

    Args:
        evaluate: A function without arguments that scores the split and returns a dict of metrics.
        monitor: The metric to select by; larger is better, unless it is written "-wer".
        path: Where the best model is saved.
        patience: Epochs without a better one before training stops.

    Raises:
        UserError: at the end of an epoch whose loss is not finite; what was saved before stays.
    """

    def __init__(self, evaluate, monitor, path, patience):
        super().__init__()
        self.evaluate = evaluate
        self.sign = -1 if monitor.startswith("-") else 1
        self.monitor = monitor.removeprefix("-")
        self.path = Path(path)
        self.patience = patience
        self.best = -math.inf
        self.best_epoch = 0
        self.waited = 0

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
            console.print(
                f"No better {self.monitor} for {self.patience} epochs: "
                f"stopping; epoch {self.best_epoch + 1} was the best."
            )

    def _divergence(self, epoch, loss):
        saved = f"epoch {self.best_epoch + 1}, the best, is in {self.path}"
        return (
            f"training diverged: the loss of epoch {epoch + 1} is {loss}; "
            f"{saved if epoch else 'no epoch was saved'}. Try a smaller --learning-rate"
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
    """One line that moves: epoch, loss, examples per second, time left; one line an epoch stays.

    Args:
        epochs: Of the whole run.
        steps: Of an epoch.
        batch_size: Examples of a step.
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
            progress.TextColumn("loss {task.fields[loss]}  {task.fields[rate]} examples/s  left"),
            progress.TimeRemainingColumn(),
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
    """Prints what an epoch came to; stands last, when all metrics are there."""

    def __init__(self, progress):
        super().__init__()
        self.progress = progress

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        metrics = "  ".join(
            f"{name.removeprefix('val_')} {value:.3g}" for name, value in logs.items()
        )
        seconds = time.perf_counter() - self.start
        console.print(
            f"{self.progress.title} {epoch + 1}/{self.progress.epochs}  {metrics}  "
            f"{self.progress.rate:.0f} examples/s  {seconds:.0f} s"
        )


def show_progress(epochs, steps, batch_size, title="epoch"):
    """The two callbacks that show a run, first and last of all: a line that moves, lines that stay.

    Args: see `Progress`.
    """
    bar = Progress(epochs, steps, batch_size, title)
    return bar, EpochLine(bar)


def make_callbacks(
    folder, epochs, steps, batch_size, evaluate, monitor, patience, averaged, stage=None
):
    """The callbacks of a run, in the order in which they need one another.

    Args:
        folder: The run's: `model.keras`, `history.csv` and the TensorBoard logs go there.
        epochs: Of the run.
        steps: Of an epoch.
        batch_size: Examples of a step.
        evaluate: A function without arguments that scores the validation split: a dict of metrics.
        monitor: The metric that selects the model, as for `BestEpoch`.
        patience: Epochs without a better one before training stops.
        averaged: Whether the optimizer averages the weights.
        stage: What to call a later stage of the same run, which has a history of its own.
    """
    moving, staying = show_progress(epochs, steps, batch_size, title=stage or "epoch")
    history = f"history_{stage}.csv" if stage else "history.csv"
    logs = folder / "tensorboard" / stage if stage else folder / "tensorboard"
    return [
        moving,
        *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if averaged else []),
        BestEpoch(evaluate, monitor, folder / "model.keras", patience),
        keras.callbacks.CSVLogger(folder / history),
        keras.callbacks.TensorBoard(logs, write_graph=False),
        staying,
    ]
