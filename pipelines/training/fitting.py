"""What every `fit` is given, and what stands around it: a run's start, its folder, its report."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from pipelines.commands import runs
from pipelines.commands.disk import files
from pipelines.commands.terminal import console
from pipelines.training import callbacks, learning_rate, optimizer
from pipelines.training.attention_watch import AttentionWatch

BYTES = 4  # of a parameter
LEAST_ROOM = 4 << 20  # for all else that a run writes


@dataclass
class Run:
    """A training that is under way.

    Attributes:
        application: Its name.
        config: Its configuration.
        folder: Where it is kept; `None` before `create`.
    """

    application: str
    config: Any
    folder: Path | None = None
    started: float = field(default_factory=time.perf_counter)

    def create(self, trained, *facts):
        """Makes the folder, writes into it what `load` reads besides the model, and says so.

        What is wrong with the data has come out before, so that it leaves no folder behind.

        Args:
            trained: What is trained, with a `model` and `save_preprocessing(folder)`.
            *facts: What is to be said of it, such as "832 training utterances".
        """
        # While a better model is written, that of an earlier epoch stays.
        needed = 2 * trained.model.count_params() * BYTES + LEAST_ROOM
        files.check_room(runs.ROOT if runs.ROOT.is_dir() else Path(), needed)
        self.folder = runs.create(self.application, self.config)
        trained.save_preprocessing(self.folder)
        runs.write_left_out(self.folder)
        parameters = f"{trained.model.count_params():,} parameters"
        console.print(", ".join([*facts, parameters, f"run {self.folder}"]))

    def report(self, split, dataset=None):
        """A report on a split, with the time since the start as that of the training."""
        seconds = round(time.perf_counter() - self.started, 1)
        return runs.Report(self.folder, dataset or self.config.dataset, split, seconds)


def start(application, config):
    """Begins a run: seeds all random numbers and sets the precision.

    Raises:
        UserError: The name of the run cannot be given.
    """
    runs.check_name(application, config)
    run = Run(application, config)
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")
    return run


def compile_model(model, config, batches, epochs=None, **arguments):
    """Compiles a model with the optimizer that its configuration describes.

    Args:
        model: A built model.
        config: A configuration with `pipelines.commands.options.Training`.
        batches: The `pipelines.data.buckets.Batches` that it is to be fitted to.
        epochs: Of the whole schedule; by default those of the configuration.
        **arguments: Further ones of `compile`, such as `loss`.
    """
    steps, at_once = optimizer.whole_executions(batches.steps, config.steps_per_execution)
    chosen = optimizer.make_optimizer(
        config.learning_rate,
        (epochs or config.epochs) * steps,
        config.warmup_steps,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        ema_momentum=config.ema or None,
    )
    model.compile(chosen, steps_per_execution=at_once, **arguments)
    # Else it is built inside the first step, which TensorFlow then traces twice.
    chosen.build(model.trainable_variables)


def options(
    run, batches, *, validation=None, score=None, monitor=None, keep=None, epochs=None, stage=None
):
    """What `fit` is given besides its data.

    Args:
        run: The `Run`, its folder made.
        batches: The `Batches` that the model is fitted to.
        validation: `Batches` of the validation split, not augmented, whose loss is computed after
            each epoch; `None` for no loss.
        score: A function without arguments that evaluates the validation split: a dict of metrics.
            `None` for a stage of which nothing is evaluated or saved.
        monitor: The metric that selects the best epoch, "-wer" if smaller is better.
        keep: Takes the model that is fitted and returns the one that is saved, if it is another.
        epochs: Of this call; by default those of the configuration.
        stage: What to call another stage of the same run, which has a history of its own.
    """
    config, epochs = run.config, epochs or run.config.epochs
    steps, _ = optimizer.whole_executions(batches.steps, config.steps_per_execution)
    shown = {"epochs": epochs, "steps": steps, "batch_size": batches.examples / batches.steps}
    if score is None:
        chosen = callbacks.show_progress(**shown, title=stage or "epoch")
    else:
        chosen = callbacks.make_callbacks(
            run.folder,
            **shown,
            evaluate=score,
            monitor=monitor,
            patience=config.patience,
            averaged=config.ema > 0,
            stage=stage,
            monitor_flag=hasattr(config, "monitor"),
            keep=keep,
            warmup_steps=learning_rate.warmup(epochs * steps, config.warmup_steps),
        )
        chosen.append(AttentionWatch(config))
    held_out = {}
    if validation is not None:
        held_out["validation_data"] = validation.dataset.take(validation.steps)
    return {
        **held_out,
        "steps_per_epoch": steps,
        "epochs": epochs,
        "verbose": 0,
        "callbacks": list(chosen),
    }
