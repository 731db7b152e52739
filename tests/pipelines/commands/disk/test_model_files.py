"""Saved models are looked through before they are opened."""

import io
import json
import os
import zipfile

import h5py
import numpy as np
import pytest

from pipelines.commands.disk import model_files
from pipelines.commands.errors import UserError
from tests.apps.old_runs import RUNS


@pytest.fixture
def save(tmp_path):
    """Saves a file like a model's, with weights as they are given."""

    def save(fill, config="{}"):
        content = io.BytesIO()
        with h5py.File(content, "w") as weights:
            fill(weights)
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", config)
            archive.writestr("model.weights.h5", content.getvalue())
        return path

    return save


def plain(weights):
    weights["layers/dense/vars/0"] = np.zeros((7, 11), "float32")


def external_file(weights):
    weights.create_dataset("a", (4,), "uint8", external=[("/etc/passwd", 0, 4)])


def external_link(weights):
    weights["a"] = h5py.ExternalLink("/etc/passwd", "a")


def soft_link(weights):
    weights["a"] = h5py.SoftLink("/b")


def virtual(weights):
    layout = h5py.VirtualLayout((4,), "uint8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (4,))
    weights.create_virtual_dataset("a", layout)


@pytest.mark.parametrize("path", sorted(RUNS.glob("*/model.keras")), ids=lambda p: p.parent.name)
def test_models_of_ours_pass(path):
    model_files.check(path)


def test_groups_in_a_circle_come_to_an_end(save):
    def fill(weights):
        plain(weights)
        weights["layers/again"] = weights["layers"]

    model_files.check(save(fill))


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (external_file, "its weights lie in other files"),
        (virtual, "its weights lie in other files"),
        (external_link, "its weights are links to others"),
        (soft_link, "its weights are links to others"),
    ],
)
def test_weights_lie_in_the_file_itself(save, fill, reason):
    path = save(fill)
    with pytest.raises(UserError, match=f"^{path} cannot be read as a model: {reason}$"):
        model_files.check(path)


@pytest.mark.parametrize("memory", [4_000_000, 1_000_000])
def test_weights_and_files_are_no_larger_than_memory(save, monkeypatch, memory):
    def fill(weights):
        weights.create_dataset("a", (1_250_000,), "float32", compression="gzip")

    path = save(fill)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(model_files, "memory", lambda: memory)
    with pytest.raises(UserError, match=r"model\.keras holds 5 MB, more than fits into memory"):
        model_files.check(path)
    path = save(lambda weights: weights.create_dataset("a", data=np.zeros(1_250_000, "float32")))
    with pytest.raises(UserError, match=r"model\.keras holds 5 MB, more than fits into memory"):
        model_files.check(path, "a backbone")


def test_a_description_has_its_bound(save, monkeypatch):
    monkeypatch.setattr(model_files, "LARGEST_JSON", 1000)
    path = save(plain, json.dumps("a" * 1000))
    with pytest.raises(UserError, match=r"as a backbone: its config\.json has more than 1 kB"):
        model_files.check(path, "a backbone")


def test_what_is_no_model(tmp_path):
    path = tmp_path / "model.keras"
    for content, reason in ((b"", "it is empty or truncated"), (b"PK\3\4", "it is empty")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"cannot be read as a model: {reason}"):
            model_files.check(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(UserError, match=r"cannot be read as a model: .*no item named"):
        model_files.check(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is a pipe, not a file"):
        model_files.check(path)
