"""The benchmark of ViT training: the same model by all hands, its ratios, and one small run."""

import importlib.util
import json

import numpy as np
import pytest

from benchmarks import vision, vit
from benchmarks.workers import WorkerError
from pipelines.commands.errors import UserError

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


@pytest.fixture
def small(monkeypatch):
    for name, size in {"IMAGE": 8, "DIM": 12, "DEPTH": 2, "HEADS": 3}.items():
        monkeypatch.setattr(vit, name, size)


@needs_torch
@pytest.mark.slow
def test_all_contenders_are_one_model():
    from benchmarks.torch_vit import VisionTransformer

    torch = VisionTransformer(vit.IMAGE, vit.PATCH, vit.DIM, vit.DEPTH, vit.HEADS, vit.CLASSES)
    counts = {sum(weight.numel() for weight in torch.parameters())}
    counts |= {vit._ours().count_params(), vit._keras_hub().count_params()}
    assert len(counts) == 1
    assert counts.pop() == pytest.approx(4.0e6, rel=0.01)


@pytest.mark.parametrize(
    "name",
    [
        "ours",
        pytest.param("keras_hub", marks=pytest.mark.slow),
        pytest.param("torch", marks=[needs_torch, pytest.mark.slow]),
    ],
)
def test_a_step_trains(name, small):
    step = vit.prepare(name, "tensorflow")(batch_size=5)
    losses = [step() for _ in range(9)][1:]
    assert losses[-1] < losses[0] < 2 * np.log(vit.CLASSES)


RESULTS = {
    "ours": {"first_seconds": 9.0, "seconds": [2.0, 1.0, 4.0], "ratios": {"ours": 1.0}},
    "torch": {"first_seconds": 1.25, "seconds": [4.0, 4.0], "ratios": {"ours": 0.504}},
}


def test_the_table():
    assert vision.table(RESULTS, 128).splitlines() == [
        "| contender | pictures/s | first step, s | x ours | x torch |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 64.0 | 9.0 | 1.00 | - |",
        "| torch | 32.0 | 1.2 | 0.50 | - |",
    ]


def pretend(monkeypatch, **installed):
    """Makes packages look as if they were installed, or not."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: installed[name] if name in installed else find(name, *more),
    )


def test_what_is_not_installed_is_left_out(monkeypatch, capsys):
    names = ("ours", "keras_hub", "torch", "ours bfloat16", "ours")
    pretend(monkeypatch, torch=None)
    assert vision.choose(names) == ("ours", "keras_hub", "ours bfloat16")
    said = "PyTorch (make setup BACKEND=torch) is not installed: without torch\n"
    assert capsys.readouterr().out == said
    pretend(monkeypatch, torch=None, keras_hub=None)
    assert vision.choose(names) == ("ours", "ours bfloat16")
    with pytest.raises(UserError, match="no contender is left"):
        vision.choose(("torch",))


def test_a_contender_that_fails_is_one_line(monkeypatch, tmp_path, capsys):
    class Failing(Fake):
        def ask(self, what, seconds, **place):
            raise WorkerError("over 300 s")

    monkeypatch.setattr("benchmarks.workers.Worker", Failing)
    with pytest.raises(SystemExit) as exit_:
        vision.main(["--contenders", "ours", "--output", str(tmp_path)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: ours: over 300 s\n"


class Fake:
    """A worker that takes 1 second for a step where `torch` takes 4."""

    def __init__(self, name, config, torch, steps):
        assert torch == name.startswith("torch") and steps == "benchmarks.vit"
        self.seconds = 4.0 if torch else 1.0

    def ask(self, what, seconds, **place):
        assert place == ({"batch_size": 7} if what == "prepare" else {})
        return {"seconds": self.seconds, "first_seconds": 9.0}

    def close(self):
        self.seconds = None


def test_a_run_writes_its_files(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("benchmarks.workers.Worker", Fake)
    pretend(monkeypatch, torch=True)
    flags = ["--contenders", "ours", "torch", "--rounds", "3", "--batch-size", "7"]
    vision.main([*flags, "--output", str(tmp_path / "new")])
    report = json.loads((tmp_path / "new" / "vision.json").read_text())
    assert report["results"]["ours"]["ratios"] == {"ours": 1.0, "torch": 4.0}
    assert report["results"]["torch"]["seconds"] == [4.0] * 3
    text = (tmp_path / "new" / "vision.md").read_text()
    assert "batches of 7" in text and "| ours | 7.0 | 9.0 | 1.00 | 4.00 |" in text
    assert "| torch | 1.8 |" in capsys.readouterr().out


def test_bad_flags_are_one_line(capsys):
    with pytest.raises(SystemExit) as exit_:
        vision.main(["--rounds", "0"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: --rounds must be greater than 0, not 0\n"
