"""What every `fit` is given, and what stands around it: a run's start, its folder, its report."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from pipelines.commands import resume, runs
from pipelines.commands.cluster import processes
from pipelines.commands.disk import files
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.training import callbacks, checkpoints, learning_rate, optimizer, rematerialization
from pipelines.training.attention_watch import AttentionWatch
from pipelines.training.distributed import distribution, shards
from pipelines.training.saving import SaveCheckpoints
from pipelines.training.throughput import utilization

BYTES = 4  # of a parameter
JIT_COMPILE = {"auto": "auto", "on": True, "off": False}  # what Keras calls --xla
LEAST_ROOM = 4 << 20  # for all else that a run writes


@dataclass
class Run:
    """A training that is under way.

    Attributes:
        application: Its name.
        config: Its configuration.
        folder: Where it is kept; `None` before `create`.
        checkpoint: What it goes on from, until the stage that it belongs to takes it up.
        past: Names of the stages that are over.
        position: Steps of training until now, of all stages.
        started: When it began, on the clock of `time.perf_counter`; less what it took before it
            was killed.
    """

    application: str
    config: Any
    folder: Path | None = None
    checkpoint: checkpoints.Checkpoint | None = None
    past: list = field(default_factory=list)
    position: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self):
        """What it took until now."""
        return time.perf_counter() - self.started

    def create(self, trained, *facts):
        """Makes the folder, writes into it what `load` reads besides the model, and says so.

        What is wrong with the data has come out before, so that it leaves no folder behind. A run
        that was killed, or that `--resume` names, keeps its folder.

        Args:
            trained: What is trained, with a `model` and `save_preprocessing(folder)`.
            *facts: What is to be said of it, such as "832 training utterances".

        Raises:
            UserError: The model has nothing to rematerialize, and the configuration asks for it.
        """
        if self.config.remat:
            rematerialization.turn_on(trained.model)
        self.folder, self.checkpoint = processes.from_first(lambda: self._open(trained))
        if self.checkpoint is not None:
            self._go_on()
        parameters = f"{trained.model.count_params():,} parameters"
        console.print(", ".join([*facts, parameters, f"run {self.folder}"]))

    def _open(self, trained):
        """The folder, and what is to be gone on from: one process decides."""
        files.check_room(runs.ROOT if runs.ROOT.is_dir() else Path(), self._room(trained.model))
        checkpoint = None
        folder = resume.find(runs.ROOT / self.application, self.config)
        if folder is None:
            folder = runs.create(self.application, self.config)
            resume.hold(folder)
        else:
            checkpoint = checkpoints.newest(folder / resume.CHECKPOINTS)
            runs.write_config(folder, self.config)
            if checkpoint is None:
                console.print(f"{folder} has no checkpoint: it begins anew")
        if checkpoint is None:
            trained.save_preprocessing(folder)
        runs.write_left_out(folder)
        return folder, checkpoint

    def _room(self, model):
        """Bytes that a run may take: what is written anew stands beside what is there."""
        size = model.count_params() * BYTES
        of_checkpoint = size * (4 if self.config.ema else 3)  # AdamW has two moments.
        return 2 * size + (checkpoints.KEPT + 1) * of_checkpoint + LEAST_ROOM

    def _go_on(self):
        state = self.checkpoint.state
        if state["application"] != self.application:
            raise UserError(f"{self.folder} is a run of {state['application']}")
        self.past = state["past"]
        self.started -= state["seconds"]
        where = f"epoch {state['epoch'] + 1}, step {state['step']}"
        stage = f"{state['stage']} " if state["stage"] else ""
        console.print(
            f"going on with {self.folder} after "
            + ("its last step" if state["over"] else f"{stage}{where}")
            + "; --resume never begins a new run"
        )

    def report(self, split, dataset=None):
        """A report on a split, with the time since the start as that of the training.

        What is opened from here on lives on one device. Of several processes one has the report.
        """
        distribution.end()
        processes.gather(None)  # What others open has been written.
        if not processes.first():
            return None
        runs.point_to(self.folder)
        seconds = round(self.seconds, 1)
        return runs.Report(self.folder, dataset or self.config.dataset, split, seconds)


def start(application, config, model_parallel=None):
    """Begins a run: seeds all random numbers, and sets precision and devices for its models.

    Args:
        application: Its name.
        config: Its configuration.
        model_parallel: What shares out weights, see `distribution.begin`.

    Raises:
        UserError: The name of the run cannot be given, the run to go on with is none, or XLA is
            asked for of PyTorch.
    """
    runs.check_name(application, config)
    resume.check(runs.ROOT / application, config)
    if config.xla == "on" and keras.backend.backend() == "torch":
        raise UserError(
            "--xla on: PyTorch has no XLA; leave it at auto, or train with KERAS_BACKEND=jax"
        )
    run = Run(application, config)
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")
    distribution.begin(config, model_parallel)
    if not processes.alone():
        shards.require()  # Before the hours of work.
    return run


def compile_model(model, config, batches, epochs=None, **arguments):
    """Compiles a model with the optimizer that its configuration describes.

    Args:
        model: A built model.
        config: A configuration with `pipelines.commands.options.Training`.
        batches: The `pipelines.data.buckets.Batches` that it is to be fitted to.
        epochs: Of the whole schedule; by default those of the configuration.
        **arguments: Further ones of `compile`, such as `loss`; those given go before the
            configuration's.
    """
    batches = batches.over(distribution.copies())
    steps, at_once = optimizer.whole_executions(batches.steps, config.steps_per_execution)
    chosen = optimizer.make_optimizer(
        config.learning_rate,
        optimizer.updates((epochs or config.epochs) * steps, config.accumulate),
        config.warmup_steps,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        ema_momentum=config.ema or None,
        accumulate=config.accumulate,
    )
    arguments = {"jit_compile": JIT_COMPILE[config.xla], **arguments}
    model.compile(chosen, steps_per_execution=at_once, **arguments)
    # Else it is built inside the first step, which TensorFlow then traces twice.
    chosen.build(model.trainable_variables)


def fit(
    run,
    network,
    batches,
    *,
    validation=None,
    score=None,
    monitor=None,
    keep=None,
    epochs=None,
    stage=None,
):
    """Calls `network.fit`, from where the run stands.

    A stage that was over when the run was killed is not trained again.

    Args:
        run: The `Run`, its folder made.
        network: The model, compiled.
        batches: The `Batches` that it is fitted to.
        validation: `Batches` of the validation split, not augmented, whose loss is computed after
            each epoch; `None` for no loss.
        score: A function without arguments that evaluates the validation split: a dict of metrics.
            `None` for a stage of which nothing is evaluated or saved.
        monitor: The metric that selects the best epoch, "-wer" if smaller is better.
        keep: Takes the model that is fitted and returns the one that is saved, if it is another.
        epochs: Of this call; by default those of the configuration.
        stage: What to call another stage of the same run, which has a history of its own.

    Raises:
        UserError: The run to go on with was trained on other data, or its checkpoint is of another
            model.
    """
    config, epochs = run.config, epochs or run.config.epochs
    batches, part = batches.over(distribution.copies()), distribution.part()
    steps, _ = optimizer.whole_executions(batches.steps, config.steps_per_execution)
    if stage in run.past:
        return
    resumed, run.checkpoint = run.checkpoint, None
    updates = optimizer.updates(epochs * steps, config.accumulate)
    chosen = callbacks.make_callbacks(
        run.folder,
        epochs=epochs,
        steps=steps,
        batch_size=batches.examples / batches.steps,
        evaluate=score,
        monitor=monitor,
        patience=config.patience,
        averaged=config.ema > 0,
        stage=stage,
        monitor_flag=hasattr(config, "monitor"),
        keep=keep,
        warmup_steps=config.accumulate * learning_rate.warmup(updates, config.warmup_steps),
    )
    chosen["progress"].utilization = utilization.per_step(network, batches, config.precision)
    told = {
        "application": run.application,
        "stage": stage,
        "past": list(run.past),
        "epochs": epochs,
        "data": [steps, list(map(int, batches.counts)), list(map(int, batches.sizes))],
    }
    saving = SaveCheckpoints(
        run.folder / resume.CHECKPOINTS,
        told,
        {name: part for name, part in chosen.items() if hasattr(part, "state")},
        steps=steps,
        minutes=config.checkpoint_minutes,
        every=config.checkpoint_steps,
        resumed=resumed,
        seconds=lambda: run.seconds,
        before=resumed.state["before"] if resumed else run.position,
    )
    shared = {"verbose": 0, "callbacks": [saving, *chosen.values(), AttentionWatch(config)]}
    if validation is not None:
        validation = validation.over(distribution.copies())
        shared["validation_data"] = validation.open(0, *part).take(validation.steps)
    parts = _parts(resumed, told)
    saving.set_model(network)
    if resumed and len(resumed.described) > len(saving.variables()):
        # Keras makes the metrics of a model with several losses in its first step.
        network.test_on_batch(*next(iter(batches.open(0, *part))))
    if not parts:
        saving.restore()
    for first, last, skipped in parts:
        saving.skipped = chosen["progress"].skipped = skipped
        with saving.interrupts:
            if skipped == steps:
                _end_epoch(network, first, shared)
            else:
                network.fit(
                    batches.open(first * steps + skipped, *part),
                    initial_epoch=first,
                    epochs=last,
                    steps_per_epoch=steps - skipped,
                    shuffle=False,
                    **shared,
                )
        if network.stop_training:
            break
    if parts:
        saving.save(over=True)
    run.past.append(stage)
    run.position = saving.position


def _parts(resumed, told):
    """The calls of `fit` that are left: first and last epoch, and the steps of the first to skip.

    Keras counts an epoch's steps from its beginning, so what is left of one is a call of its own.
    """
    state, epochs = resumed.state if resumed else {}, told["epochs"]
    if resumed and state["stage"] != told["stage"]:
        raise UserError(f"{resumed.folder} is of the stage {state['stage']}, which is not trained")
    if resumed and state["data"] != told["data"]:
        raise UserError(
            f"the training data are not those that {resumed.folder.parent.parent} was begun with: "
            "bring these back, or begin anew with --resume never"
        )
    epoch, step = state.get("epoch", 0), state.get("step", 0)
    if state.get("over") and epochs <= state["epochs"]:
        return []
    parts = [(epoch, epoch + 1, step)] if step else []
    epoch += bool(step)
    return [*parts, (epoch, epochs, 0)] if epoch < epochs else parts


def _end_epoch(network, epoch, shared):
    """What `fit` does after the last step of an epoch, for one that was trained before."""
    told = keras.callbacks.CallbackList(shared["callbacks"], model=network, epochs=epoch + 1)
    network.stop_training = False
    told.on_train_begin()
    told.on_epoch_begin(epoch)
    logs = network.get_metrics_result()
    if "validation_data" in shared:
        held_out = shared["validation_data"]
        losses = network.evaluate(held_out, verbose=0, callbacks=told, return_dict=True)
        logs |= {f"val_{name}": value for name, value in losses.items()}
    told.on_epoch_end(epoch, logs)
    told.on_train_end()
