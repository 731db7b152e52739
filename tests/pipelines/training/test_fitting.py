"""What `fit` is given, through a real one."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.commands import errors, options
from pipelines.commands.errors import UserError
from pipelines.data.buckets import Batches
from pipelines.training import fitting


@dataclass(frozen=True, kw_only=True)
class Config(options.Training, options.Run):
    """Trains."""

    dataset: str = "numbers"


class Trained:
    """What is trained: a line through points."""

    def __init__(self):
        self.model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    def save_preprocessing(self, folder):
        (folder / "scale.json").write_text("1")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_batches(steps=7, size=5, weights=(1.0, 2.0, 3.0)):
    random = np.random.default_rng(0)
    x = random.normal(size=(steps * size, 3)).astype("float32")
    y = x @ np.array([[weight] for weight in weights], "float32")

    def read(bucket, counters, rows):
        return tf.gather(x, rows), tf.gather(y, rows)

    return Batches(counts=[steps * size], sizes=[size], seed=1, read=read)


def fit(config, scores=(0.5, 0.75), batches=None, **stage):
    run = fitting.start("numbers", config)
    trained, batches = Trained(), batches or make_batches()
    run.create(trained, "35 training points")
    fitting.compile_model(trained.model, config, batches, loss="mse")
    values = iter(scores)
    fitting.fit(
        run,
        trained.model,
        batches,
        score=lambda: {"right": next(values)},
        monitor="right",
        **stage,
    )
    return run, trained


def test_a_run_from_start_to_report(capsys):
    config = Config(epochs=2, warmup_steps=3, learning_rate=0.1, name="one")
    run, trained = fit(config)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "35 training points, 4 parameters, run runs/numbers/one"
    assert [line.split()[:2] for line in lines[1:]] == [["epoch", "1/2"], ["epoch", "2/2"]]
    names = {path.name for path in run.folder.iterdir()}
    files = {"config.json", "scale.json", "model.keras", "history.csv", "tensorboard"}
    assert names == {*files, "checkpoints"}
    with open(run.folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_right"]) for row in rows] == [0.5, 0.75]
    assert trained.model.optimizer.iterations == 14
    report = run.report("test")
    assert (report.folder, report.dataset, report.split) == (run.folder, "numbers", "test")
    assert 0 < report.training_seconds < 100
    assert run.report("test", dataset="a.txt").dataset == "a.txt"


def test_the_loss_on_the_validation_split_stands_beside_the_decoded_metrics(capsys):
    config = Config(epochs=2, warmup_steps=3, learning_rate=0.1, ema=0.5, name="one")
    validation = make_batches(3, 2, weights=(2.0, 1.0, 0.5))
    run, _ = fit(config, validation=validation)
    with open(run.folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # Of the averaged weights, as the model that is saved.
    kept = keras.saving.load_model(run.folder / "model.keras", compile=False)
    (x, y) = next(iter(validation.open().unbatch().batch(6)))
    expected = np.square(kept.predict(x, verbose=0) - y).mean()
    assert float(rows[1]["val_loss"]) == pytest.approx(expected, rel=1e-4)
    assert rows[0]["val_loss"] != rows[1]["val_loss"]
    line = capsys.readouterr().out.splitlines()[-1]
    assert f"val_loss {float(rows[1]['val_loss']):.4g}"[:13] in line and "right 0.7500" in line
    logged = (run.folder / "tensorboard" / "validation").iterdir()
    assert any("epoch_loss" in str(event) for file in logged for event in events(file))


def events(file):
    return tf.data.TFRecordDataset(str(file)).as_numpy_iterator()


def test_a_run_of_few_steps_stops_no_earlier_than_one_of_many():
    # 7 steps an epoch: 30 of them are fewer than the 300 of patience 3.
    config = Config(epochs=30, patience=3, warmup_steps=0, name="one")
    _, trained = fit(config, scores=[0.5] * 30)
    assert trained.model.optimizer.iterations == 210


@pytest.mark.slow
def test_the_seed_decides_about_the_weights():
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        _, trained = fit(Config(epochs=2, seed=seed, name=name))
        weights.append(trained.model.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).all()


def test_a_stage_has_a_history_of_its_own_and_epochs_of_its_own():
    config = Config(epochs=2, name="one")
    run, _ = fit(config, scores=(0.5,), epochs=1, stage="coverage")
    assert (run.folder / "history_coverage.csv").is_file()
    assert not (run.folder / "history.csv").exists()


def test_a_stage_that_nothing_is_evaluated_of_is_shown_and_leaves_no_file(capsys):
    run = fitting.start("numbers", Config(epochs=5, name="one"))
    trained, batches = Trained(), make_batches()
    run.create(trained)
    before = {path.name for path in run.folder.iterdir()}
    fitting.compile_model(trained.model, run.config, batches, 2, loss="mse")
    fitting.fit(run, trained.model, batches, epochs=2, stage="concepts")
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [["concepts", "1/2"], ["concepts", "2/2"]]
    assert {path.name for path in run.folder.iterdir()} == before
    assert trained.model.optimizer.iterations == 14


def test_a_name_that_is_taken_is_refused_at_the_start():
    run, _ = fit(Config(epochs=2, name="one"))
    run.report("test").write({}, 1, 4)
    with pytest.raises(UserError, match="there is a run runs/numbers/one already, and it is fin"):
        fitting.start("numbers", Config(name="one", epochs=2))
    with pytest.raises(UserError, match="there is a run runs/numbers/one already: take another"):
        fitting.start("numbers", Config(name="one", epochs=9, resume="never"))
    config = Path("runs/numbers/one/config.json").read_text()
    assert json.loads(config)["epochs"] == 2


def test_a_disk_too_small_for_the_model_is_told_before_there_is_a_run(monkeypatch, tmp_path):
    monkeypatch.setattr(
        fitting.files.shutil, "disk_usage", lambda _: SimpleNamespace(free=4_000_000)
    )
    with pytest.raises(UserError, match=r"has 4\.0 MB left, and the run needs about 4\.2 MB"):
        fitting.start("numbers", Config()).create(Trained())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_under_the_log_ends_in_one_line(monkeypatch, capsys):
    def full(name, *args, **kwargs):
        if not name.startswith("epoch_"):
            return
        raise tf.errors.ResourceExhaustedError(
            None, None, "{{function_node f}} /logs/events; No space left on device\nmore"
        )

    monkeypatch.setattr(tf.summary, "scalar", full)
    with pytest.raises(SystemExit) as ended:
        errors.main(fit)(Config(epochs=2, name="full"))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: /logs/events; No space left on device\n"
    assert Path("runs/numbers/full/model.keras").is_file()
