"""The callback that saves checkpoints and takes training up again from one."""

import time

import keras

from pipelines.commands.cluster import processes
from pipelines.commands.cluster.agreement import Agreement
from pipelines.training import checkpoints
from pipelines.training.interrupts import Interrupts

LARGEST_SHARE = 0.02  # of the time of training
DUE = 1  # Below the number of any signal that is waited for.


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves when a stage begins, every so often, at a signal, and when it is over.

    It stands before all callbacks: what it restores at the first epoch is there when they begin it.

    Args:
        folder: Of the checkpoints.
        state: What each has to say beside the position and the other callbacks.
        parts: Callbacks with `state()` and `restore(state)`, by their names.
        before: Steps of earlier stages.
        steps: Training steps per epoch.
        minutes: Between checkpoints; longer where one would cost more than `LARGEST_SHARE`.
        every: Training steps between checkpoints, in place of minutes.
        resumed: The `Checkpoint` to take up; `None` to begin.
        seconds: A function without arguments: what training took until now.
    """

    def __init__(self, folder, state, parts, *, steps, minutes, every, resumed, seconds, before=0):
        super().__init__()
        self.folder, self.fixed, self.parts = folder, state, dict(parts)
        self.random = _TorchRandom() if keras.backend.backend() == "torch" else None
        if self.random:
            self.parts["random"] = self.random
        self.before, self.steps, self.every, self.seconds = before, steps, every, seconds
        self.interval, self.resumed = 60 * minutes, resumed
        self.interrupts, self.agreement = Interrupts(), Agreement()
        self.skipped = 0
        self.epoch, self.step = 0, 0
        self._saved_at, self._saved_step = None, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.step = epoch, self.skipped
        if self.resumed is not None:
            self.restore()
        elif self._saved_at is None:
            self.save()  # So that a folder that takes none is known before the work.
        if self.random:
            self.random.hold()
        self.interrupts.waiting = True

    def on_train_batch_begin(self, batch, logs=None):
        if self.random:
            self.random.release()

    def on_train_batch_end(self, batch, logs=None):
        self.step = self.skipped + batch + 1
        wish = self.interrupts.received or int(self._is_due()) * DUE
        # A signal that one process got ends all, and all save at the same step.
        decided = self.agreement(wish, last=self.step == self.steps)
        if decided:
            self.save()
        if decided > DUE:
            self.interrupts.received = decided
            processes.part()
            self.interrupts.end()
        if self.step == self.steps:
            self.interrupts.waiting = False

    def on_epoch_end(self, epoch, logs=None):
        self.interrupts.waiting = False

    def _is_due(self):
        if self.every is not None:
            return self.position - self._saved_step >= self.every
        return time.monotonic() - self._saved_at >= self.interval

    @property
    def position(self):
        """Steps of the run until now."""
        return self.before + self.epoch * self.steps + self.step

    def variables(self):
        """All that a step of training reads and writes."""
        model = self.model  # On JAX, asking for it writes the trained values back.
        found = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
        return list({id(variable): variable for variable in found}.values())

    def restore(self):
        """Takes the checkpoint up."""
        self.resumed.assign(self.variables())
        state, self.resumed = self.resumed.state, None
        for name, part in self.parts.items():
            part.restore(state["parts"][name])
        self.epoch, self.step = state["epoch"], state["step"]
        self._note(time.monotonic())

    def save(self, over=False):
        """Writes a checkpoint.

        Args:
            over: Whether the stage is.
        """
        start = time.monotonic()
        if over:
            self.epoch, self.step = self.epoch + 1, 0
        state = {
            **self.fixed,
            "before": self.before,
            "epoch": self.epoch,
            "step": self.step,
            "over": over,
            "seconds": self.seconds(),
            "parts": {name: part.state() for name, part in self.parts.items()},
        }
        kept = 1 if over else checkpoints.KEPT
        checkpoints.save(self.folder, self.position, self.variables(), state, keep=kept)
        end = time.monotonic()
        self.interval = max(self.interval, (end - start) / LARGEST_SHARE)
        self._note(end)

    def _note(self, now):
        self._saved_at, self._saved_step = now, self.position


class _TorchRandom:
    """The random numbers of PyTorch itself, which Keras's dropout draws there.

    A `fit` takes one to open its data, which is not to depend on how often a run was killed.
    """

    def __init__(self):
        self.held = None

    def state(self):
        import torch

        states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
        return [state.tolist() for state in states]

    def restore(self, state):
        import torch

        first, *others = (torch.tensor(each, dtype=torch.uint8) for each in state)
        torch.set_rng_state(first)
        torch.cuda.set_rng_state_all(others)

    def hold(self):
        self.held = self.state()

    def release(self):
        if self.held is not None:
            self.restore(self.held)
            self.held = None
