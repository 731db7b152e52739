"""Several devices and processes train what one trains."""

import csv
import time

import numpy as np
import pytest

from tests.apps import cluster_job

WITHIN = 1e-5


def difference(ours, theirs):
    """The largest between the losses of the same steps."""
    assert len(ours) == len(theirs)
    return np.abs(np.subtract(ours, theirs)).max()


@pytest.mark.slow
def test_backends_with_two_processes_reach_the_loss_of_one(tmp_path):
    settings = {"application": "translation", "backend": "jax", "steps": 3, "copies": 2}
    (one,) = cluster_job.losses(tmp_path, **settings)
    first, second = cluster_job.losses(tmp_path, **settings, processes=2)
    assert first == second
    assert difference(first, one) < WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("application", ["translation", "captioning"])
def test_two_processes_reach_the_loss_of_one(application, tmp_path):
    settings = {"application": application, "backend": "jax", "steps": 50, "copies": 2}
    (one,) = cluster_job.losses(tmp_path, **settings)
    first, second = cluster_job.losses(tmp_path, **settings, processes=2)
    assert first == second
    assert difference(first, one) < WITHIN
    first, second = cluster_job.losses(tmp_path, **settings, processes=2, model_parallel=2)
    assert first == second
    assert difference(first, one) < WITHIN
    assert one[-1] < one[0]


@pytest.mark.slow
def test_a_checkpoint_of_two_processes_gives_back_every_value(tmp_path):
    settings = {"application": "translation", "backend": "jax", "steps": 2, "copies": 2}
    kept = {"checkpoint": str(tmp_path / "checkpoints")}
    (tmp_path / "checkpoints").mkdir()
    written, again = cluster_job.losses(tmp_path, **settings, **kept, processes=2, model_parallel=2)
    assert written == again
    # Shared out in another way, and in one process.
    for processes in (2, 1):
        read = cluster_job.losses(tmp_path, **settings, **kept, processes=processes)
        assert read == [written] * processes


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_process_ends_the_other_and_the_job_goes_on(number, tmp_path, request):
    flags = {
        **cluster_job.SMALL["translation"],
        **{"max_train": 40, "max_validation": 3, "max_target": 12, "decode": "greedy"},
        **{"epochs": 3, "checkpoint_steps": 2, "device": "cpu"},
    }

    def start(name):
        job = cluster_job.start("translation", folder=tmp_path, name=name, **flags)
        for process in job:
            request.addfinalizer(process.kill)
        return job

    whole = [process.communicate(timeout=400) for process in start("whole")]
    assert [err for _, err in whole] == ["", ""]
    assert whole[1][0] == ""  # One of them speaks.

    job = start("killed")
    for line in job[0].stdout:
        if line.startswith("epoch 1/3"):
            break
    job[number].kill()
    killed = time.monotonic()
    job[number].communicate(timeout=60)
    other = job[1 - number]
    _, err = other.communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert other.returncode == 75
    (line,) = err.splitlines()
    assert line.startswith(f"error: process {number} has ended, and this one stops with it")

    first, second = start("killed")
    out, err = first.communicate(timeout=400)
    assert second.communicate(timeout=60) == ("", "")
    assert (first.returncode, second.returncode, err) == (0, 0, "")
    assert "going on with runs/translation/killed after epoch" in out
    runs = tmp_path / "runs" / "translation"
    tables = ((runs / name / "history.csv").read_text() for name in ("killed", "whole"))
    ours, theirs = (list(csv.DictReader(table.splitlines())) for table in tables)
    assert [row["epoch"] for row in ours] == ["0", "1", "2"]
    losses = [[float(row["loss"]) for row in rows] for rows in (ours, theirs)]
    assert difference(*losses) < WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("application", ["translation", "captioning"])
def test_two_devices_reach_the_loss_of_one(application, tmp_path):
    settings = {"application": application, "steps": 20, "copies": 2, "dropout": 0.0}
    for backend in ("tensorflow", "jax"):
        (one,) = cluster_job.losses(tmp_path, backend=backend, **settings)
        (two,) = cluster_job.losses(tmp_path, backend=backend, **settings, devices=2)
        assert difference(two, one) < WITHIN
