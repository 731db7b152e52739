"""What every application promises of a training that is killed."""

import importlib
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines.training import checkpoints, saving
from tests.apps import commands

KILLS = 10
END = saving.SaveCheckpoints.on_train_batch_end


def final_variables(run):
    """All variables at the end of a training."""
    found = checkpoints.newest(run / "checkpoints")
    assert found.state["over"]
    with np.load(found.folder / "variables.npz", allow_pickle=False) as values:
        return [values[str(number)] for number in range(len(found.described))]


def kill_after(process, folder, count, saving=False):
    """Kills a training once it has written so many checkpoints, or while it writes the next."""
    seen, before = set(), set(folder.glob("step-*"))
    try:
        while process.poll() is None and len(seen) < count:
            seen |= set(folder.glob("step-*")) - before
        while saving and process.poll() is None and not list(folder.glob(".step-*")):
            pass
    finally:
        process.kill()
        process.communicate()


class Killed(BaseException):
    """Nothing comes after it."""


def killed_after_three_steps(callback, batch, logs=None):
    END(callback, batch, logs)
    if callback.position >= 3:
        raise Killed


class Resume:
    """The contract, for a test class of an application to inherit from.

    The fixture `words` has the flags of its run `trained`.

    Attributes:
        application: Its name.
    """

    application: str

    def train_killed(self, words, folder, kills, draw):
        """Trains as those flags say, killed at so many moments."""
        words = [*words, "--checkpoint-steps", "1"]
        run = folder / "runs" / self.application / "tiny"
        for number in range(kills):
            process = commands.start(self.application, "train", *words, folder=folder)
            count = draw.choice([1, 2]) + (number == 0)
            kill_after(process, run / "checkpoints", count, saving=bool(number % 2))
            if process.returncode == 0:
                break
        *_, newest = checkpoints.everything(run / "checkpoints")
        path = newest / "variables.npz"
        os.truncate(path, path.stat().st_size // 2)
        main = importlib.import_module(f"apps.{self.application}.train").main
        main([str(word) for word in words])
        return run

    def check(self, words, whole, folder, monkeypatch, capsys, kills, draw):
        """Compares a training that is killed so many times with the run of one that was not."""
        monkeypatch.chdir(folder)
        run = self.train_killed(words, folder, kills, draw)
        out = " ".join(capsys.readouterr().out.split())
        name = f"runs/{self.application}/tiny"
        assert "is damaged (variables.npz is not what was written): the checkpoint before" in out
        assert f"going on with {name} after" in out
        for one, other in zip(final_variables(run), final_variables(whole), strict=True):
            np.testing.assert_array_equal(one, other)
        for history in whole.glob("history*.csv"):
            assert (run / history.name).read_text() == history.read_text()
        left = [path.name for path in Path(run).rglob(".*")]
        assert not left

    def go_on(self, words, folder, monkeypatch):
        """Trains on the backend of this process, once whole and once killed after three steps."""
        monkeypatch.chdir(folder)
        main = importlib.import_module(f"apps.{self.application}.train").main
        words = [str(word) for word in words]
        main([*words, "--name", "whole", "--checkpoint-steps", "2"])
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(saving.SaveCheckpoints, "on_train_batch_end", killed_after_three_steps)
            main([*words, "--checkpoint-steps", "2"])
        main([*words, "--checkpoint-steps", "2"])
        runs = folder / "runs" / self.application
        one, other = final_variables(runs / "tiny"), final_variables(runs / "whole")
        for left, right in zip(one, other, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
        for name in ("whole", "tiny"):
            evaluate = importlib.import_module(f"apps.{self.application}.evaluate").main
            evaluate(["--run", str(runs / name), "--name", "again"])
        return runs / "tiny"

    @pytest.mark.slow
    def test_backends_go_on(self, words, tmp_path, monkeypatch):
        self.go_on(words, tmp_path, monkeypatch)

    @pytest.mark.slow
    def test_killed_at_ten_moments(self, words, trained, tmp_path, monkeypatch, capsys):
        """Also during a save, and with the newest checkpoint truncated."""
        draw = random.Random(time.time_ns())
        steps = int(
            checkpoints.newest(trained.run / "checkpoints").folder.name.removeprefix("step-")
        )
        epochs = 2 * math.ceil(4 * KILLS / steps)  # Of two; each kill comes after a step or two.
        words = [*words, "--epochs", str(epochs), "--patience", str(epochs)]
        (tmp_path / "whole").mkdir()
        result = commands.finish(self.application, "train", *words, folder=tmp_path / "whole")
        assert result.status == 0, result.err
        self.check(words, result.run, tmp_path, monkeypatch, capsys, KILLS, draw)


class ResumeFast(Resume):
    """The contract, of which `make test` proves a part."""

    def test_killed_once(self, words, trained, tmp_path, monkeypatch, capsys):
        self.check(words, trained.run, tmp_path, monkeypatch, capsys, 1, random.Random(0))
