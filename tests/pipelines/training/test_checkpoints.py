"""What a checkpoint keeps, and what of it survives."""

import json
import os

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.commands.errors import UserError
from pipelines.training import checkpoints

STATE = {"epoch": 3, "loss": float("inf"), "rows": [{"epoch": 0, "loss": 0.1 + 0.2}]}


def variables(scale=1.0, units=3):
    kernel = keras.Variable(scale * np.arange(2.0 * units).reshape(2, units), name="kernel")
    seed = keras.random.SeedGenerator(7)
    seed.next()
    half = keras.Variable(ops.full((5,), scale / 3), dtype="bfloat16", name="half")
    return [kernel, seed.state, half]


def values(found):
    return [ops.convert_to_numpy(variable.value).astype("float64") for variable in found]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_comes_back(tmp_path):
    checkpoints.save(tmp_path, 120, variables(), STATE)
    found, others = checkpoints.newest(tmp_path), variables(scale=2.0)
    assert (found.folder.name, found.state) == ("step-0000000120", STATE)
    assert names(found.folder) == ["manifest.json", "variables.npz"]
    found.assign(others)
    for one, other in zip(values(variables()), values(others), strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_are_kept_and_the_last_of_a_stage_alone(tmp_path):
    for step in (0, 7, 14, 14):
        checkpoints.save(tmp_path, step, variables(), STATE)
    assert names(tmp_path) == ["step-0000000014", "step-0000000014-1"]
    checkpoints.save(tmp_path, 14, variables(), STATE, keep=1)
    checkpoints.save(tmp_path, 14, variables(), STATE)
    assert names(tmp_path) == ["step-0000000014-2", "step-0000000014-3"]
    (tmp_path / ".step-of-a-killed-process").mkdir()
    checkpoints.save(tmp_path, 21, variables(), STATE, keep=1)
    assert names(tmp_path) == ["step-0000000021"]


def truncate(folder, file="variables.npz"):
    os.truncate(folder / file, (folder / file).stat().st_size // 2)


def flip(folder):
    content = bytearray((folder / "variables.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "variables.npz").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "variables.npz is not what was written"),
        (flip, "variables.npz is not what was written"),
        (lambda folder: truncate(folder, "manifest.json"), "cannot be read as a checkpoint"),
        (lambda folder: (folder / "variables.npz").unlink(), "No such file"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "list"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "version"),
    ],
)
def test_a_damaged_one_is_reported_and_the_one_before_it_used(tmp_path, capsys, damage, reason):
    for step in (7, 14):
        checkpoints.save(tmp_path, step, variables(), STATE)
    damage(tmp_path / "step-0000000014")
    assert checkpoints.newest(tmp_path).folder.name == "step-0000000007"
    line = " ".join(capsys.readouterr().out.split())
    assert line.startswith(f"{tmp_path}/step-0000000014 is damaged") and reason in line
    damage(tmp_path / "step-0000000007")
    with pytest.raises(UserError, match=r"no checkpoint in .* is whole: --resume never begins"):
        checkpoints.newest(tmp_path)


def test_a_failed_save_leaves_those_before(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 7, variables(), STATE)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(tmp_path, 14, variables(), STATE)
    assert names(tmp_path) == ["step-0000000007"]


def test_of_another_model(tmp_path):
    checkpoints.save(tmp_path, 7, variables(), STATE)
    found = checkpoints.newest(tmp_path)
    for others in (variables(units=5), variables()[:2]):
        with pytest.raises(UserError, match="is a checkpoint of another model than this one"):
            found.assign(others)


def test_of_a_newer_version(tmp_path):
    checkpoints.save(tmp_path, 7, variables(), STATE)
    manifest = tmp_path / "step-0000000007" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 2}))
    with pytest.raises(UserError, match=r"newer version .* have version 2, and this one reads 1"):
        checkpoints.newest(tmp_path)


def test_a_folder_that_is_none(tmp_path):
    assert checkpoints.newest(tmp_path / "none") is None
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is not a folder of checkpoints"):
        checkpoints.newest(tmp_path / "file")
