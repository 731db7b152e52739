"""Trainings that are killed, and go on as if they had not been."""

import os
import shutil
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.commands.errors import Terminated, UserError
from pipelines.data.buckets import Batches
from pipelines.training import checkpoints, fitting, saving

from .test_fitting import Config

STEPS, SIZE = 7, 5


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Killed(BaseException):
    """What a SIGKILL is to a process: nothing comes after it."""


class Trained:
    """What is trained, with dropout and batch normalization."""

    def __init__(self):
        rate, normal = keras.layers.Dropout(0.3), keras.layers.BatchNormalization()
        layers = [keras.layers.Dense(4), rate, normal, keras.layers.Dense(1)]
        self.model = keras.Sequential([keras.Input((3,)), *layers])

    def save_preprocessing(self, folder):
        (folder / "scale.json").write_text("1")


def batches_of(steps=STEPS):
    x = np.random.default_rng(0).normal(size=(steps * SIZE, 3)).astype("float32")

    def read(bucket, counters, rows):
        found = tf.gather(x, rows)
        return found, tf.reduce_sum(found, axis=-1, keepdims=True)

    return Batches(counts=[steps * SIZE], sizes=[SIZE], seed=1, read=read)


def train(name, monkeypatch, kill=None, scores=(0.5, 0.2, 0.7, 0.4), steps=STEPS, **options):
    """Trains the run, which dies before it begins so many more steps, or evaluations if negative.

    Returns:
        The values of all variables in the end, and what was scored.
    """
    settings = {"epochs": 4, "warmup_steps": 3, "learning_rate": 0.1, "checkpoint_steps": 2}
    config = Config(**{**settings, "name": name, "ema": 0.9, **options})
    keras.utils.clear_session()
    run = fitting.start("numbers", config)
    trained, batches, found = Trained(), batches_of(steps), []
    run.create(trained)
    # So small a model is trained before XLA has compiled it.
    fitting.compile_model(trained.model, config, batches, loss="mse", jit_compile=False)

    class Kill(saving.SaveCheckpoints):
        left = kill

        def on_train_batch_begin(self, batch, logs=None):
            super().on_train_batch_begin(batch, logs)
            if self.left is not None and self.left >= 0:
                if self.left == 0:
                    raise Killed
                Kill.left -= 1

    def score():
        if Kill.left is not None and Kill.left < 0:
            Kill.left += 1
            if Kill.left == 0:
                raise Killed
        kernel = np.concatenate([weight.ravel() for weight in trained.model.get_weights()])
        found.append(kernel)
        # What was scored before it was killed has to be scored alike.
        return {"right": scores[int(run_epoch(trained.model)) - 1]}

    monkeypatch.setattr(fitting, "SaveCheckpoints", Kill)
    fitting.fit(run, trained.model, batches, validation=batches_of(2), score=score, monitor="right")
    variables = [*trained.model.variables, *trained.model.optimizer.variables]
    return [variable.numpy() for variable in variables], found


@pytest.fixture
def whole(monkeypatch, tmp_path_factory, folder=[]):  # noqa: B006  Trained once.
    """A run that was not killed: where it lies, its variables, what was scored."""
    if not folder:
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(tmp_path_factory.mktemp("whole"))
            folder += [Path.cwd(), *train("whole", elsewhere)]
    shutil.copytree(folder[0] / "runs", "runs")
    return folder[1:]


@pytest.fixture
def killed(monkeypatch, tmp_path_factory, folder=[]):  # noqa: B006  Trained once.
    """The run "one", which was killed after three steps."""
    if not folder:
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(tmp_path_factory.mktemp("killed"))
            folder.append(Path.cwd())
            with pytest.raises(Killed):
                train("one", elsewhere, kill=3)
    shutil.copytree(folder[0] / "runs", "runs")


def run_epoch(model):
    return np.ceil(model.optimizer.iterations.numpy() / STEPS)


def assert_equal(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def text(name, file="history.csv"):
    with open(f"runs/numbers/{name}/{file}", encoding="utf-8") as opened:
        return opened.read()


def steps_of(name):
    folder = Path(f"runs/numbers/{name}/checkpoints")
    return [path.name for path in checkpoints.everything(folder)]


@pytest.mark.parametrize(
    ("kills", "ema"),
    [
        ((7, -1), 0.9),
        *(
            pytest.param(kills, ema, marks=pytest.mark.slow)
            for kills in [(0,), (3, 9), (5, 3, 6), (6,), (-1, 7), (-2, -1)]
            for ema in (0.9, 0.0)
        ),
    ],
)
def test_backends_end_a_killed_run_as_one_that_was_not(kills, ema, whole, monkeypatch, capsys):
    expected, scored = whole
    if not ema:
        shutil.rmtree("runs")
        expected, scored = train("whole", monkeypatch, ema=ema)
    for kill in kills:
        with pytest.raises(Killed):
            train("killed", monkeypatch, kill=kill, ema=ema)
    capsys.readouterr()
    found, rescored = train("killed", monkeypatch, ema=ema)
    assert "going on with runs/numbers/killed after epoch" in capsys.readouterr().out
    assert_equal(found, expected)
    assert_equal(rescored, scored[-len(rescored) :])
    assert text("killed") == text("whole")
    assert len(text("whole").splitlines()) == 5


@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.9, 0.0])
def test_a_finished_run_is_trained_further(ema, monkeypatch):
    """As one that was killed at that step, of which all epochs were known."""
    train("further", monkeypatch, ema=ema, epochs=2, scores=(0.1, 0.2, 0.3, 0.4))
    assert steps_of("further") == ["step-0000000014-1"]
    found, scored = train("further", monkeypatch, ema=ema, scores=(0.1, 0.2, 0.3, 0.4))
    assert len(scored) == 2 and found[0].shape == (3, 4)
    assert [line.split(",")[0] for line in text("further").splitlines()] == [
        *("epoch", "0", "1", "2", "3")
    ]
    assert steps_of("further") == ["step-0000000028-1"]


@pytest.mark.slow
def test_the_logs_have_every_epoch_once(whole, monkeypatch):
    with pytest.raises(Killed):
        train("killed", monkeypatch, kill=23)
    train("killed", monkeypatch)

    def logged(name):
        files = sorted(Path(f"runs/numbers/{name}/tensorboard").rglob("events.*"))
        assert len(files) == 2
        found = {}
        for file in files:
            for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
                event = tf.compat.v1.Event.FromString(record)
                for value in event.summary.value:
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault((file.parent.name, value.tag), []).append((event.step, number))
        return found

    assert logged("killed") == logged("whole")
    assert [step for step, _ in logged("whole")["train", "epoch_loss"]] == [0, 1, 2, 3]
    assert {tag for _, tag in logged("whole")} == {
        "epoch_loss",
        "epoch_right",
        "epoch_learning_rate",
    }


@pytest.mark.parametrize(
    ("number", "raised"),
    [
        (signal.SIGTERM, Terminated),
        pytest.param(signal.SIGINT, KeyboardInterrupt, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_signal_saves_after_the_step_under_way(number, raised, whole, monkeypatch, capsys):
    expected, _ = whole
    end, before = saving.SaveCheckpoints.on_train_batch_end, signal.getsignal(number)

    def interrupted(self, batch, logs=None):
        if self.position == 16:  # Those that are whole.
            signal.raise_signal(number)
        end(self, batch, logs)

    monkeypatch.setattr(saving.SaveCheckpoints, "on_train_batch_end", interrupted)
    with pytest.raises(raised):
        train("killed", monkeypatch, checkpoint_steps=None)
    assert signal.getsignal(number) == before
    assert steps_of("killed")[-1] == "step-0000000017"
    told = "saving a checkpoint after this step" in capsys.readouterr().err
    assert told == (number == signal.SIGINT)
    monkeypatch.setattr(saving.SaveCheckpoints, "on_train_batch_end", end)
    assert_equal(train("killed", monkeypatch)[0], expected)


def test_a_second_signal_does_not_wait():
    interrupts = saving.Interrupts()
    with interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.waiting = True
        signal.raise_signal(signal.SIGINT)
        assert interrupts.received == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_checkpoints_take_at_most_a_fiftieth_of_the_time(monkeypatch, tmp_path):
    clock = iter(np.arange(0.0, 1000.0, 3.0))
    monkeypatch.setattr(saving.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(saving.checkpoints, "save", lambda *args, **options: None)
    callback = saving.SaveCheckpoints(
        tmp_path, {}, {}, steps=9, minutes=0.5, every=None, resumed=None, seconds=lambda: 0
    )
    callback.set_model(batches_model())
    callback.save()  # It takes three seconds.
    assert callback.interval == pytest.approx(150.0)
    assert [callback._is_due() for _ in range(60)].index(True) == 49  # Three seconds each.


def batches_model():
    model = Trained().model
    model.compile("adam", "mse")
    return model


class TestRefused:
    def test_other_data(self, killed, monkeypatch):
        with pytest.raises(UserError, match="training data are not those that runs/numbers/one"):
            train("one", monkeypatch, steps=8)

    def test_other_options(self, killed, monkeypatch):
        with pytest.raises(UserError, match=r"was begun with --learning-rate 0.1, not 0.2: give"):
            train("one", monkeypatch, learning_rate=0.2)

    def test_a_checkpoint_of_another_application(self, killed, monkeypatch):
        os.makedirs("runs/others")
        shutil.copytree("runs/numbers/one", "runs/others/one")
        run = fitting.start("others", Config(name="one", epochs=4, warmup_steps=3, ema=0.9))
        with pytest.raises(UserError, match=r"was begun with --learning-rate 0.1"):
            run.create(Trained())
        options = {"learning_rate": 0.1, "epochs": 4, "warmup_steps": 3, "ema": 0.9}
        run = fitting.start("others", Config(name="one", **options))
        with pytest.raises(UserError, match="runs/others/one is a run of numbers"):
            run.create(Trained())

    def test_checkpoints_that_are_no_folder(self, killed, monkeypatch):
        shutil.rmtree("runs/numbers/one/checkpoints")
        Path("runs/numbers/one/checkpoints").touch()
        with pytest.raises(UserError, match="there is a run runs/numbers/one already"):
            train("one", monkeypatch)
        with pytest.raises(UserError, match="one/checkpoints is not a folder of checkpoints"):
            train(None, monkeypatch, resume="runs/numbers/one")
