"""The arithmetic and the tables of the benchmark as values, and one small run from end to end."""

import dataclasses
import importlib.util
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from benchmarks import charts, contenders, layers, races, tables, workers

HAS_TORCH = importlib.util.find_spec("torch") is not None


def samples(*seconds):
    return [{"seconds": value, "cpu_seconds": 2 * value, "steps": 1} for value in seconds]


def result(contender, length, **given):
    return {
        "contender": contender,
        "family": "multi_head",
        "mode": "forward",
        "length": length,
        "note": None,
        "samples": [],
        "seconds": None,
        "cpu_seconds": None,
        "ratios": {"keras": None, "torch": None},
        "memory_mib": None,
        **given,
    }


class TestArithmetic:
    def test_a_ratio_is_the_median_of_the_rounds(self):
        # Of medians alone it would be 3 / 2.
        assert races.median_ratio(samples(1, 4, 3), samples(2, 2, 4)) == 0.75
        assert races.median_ratio(samples(1), samples(4, 9, 9)) == 0.25
        assert races.median_ratio(samples(1), []) is None

    @pytest.mark.parametrize(
        ("seconds", "most", "expected"),
        [(0.01, 7, 7), (3, 7, 7), (4, 7, 5), (6, 7, 3), (60, 7, 3), (60, 2, 2)],
    )
    def test_slow_steps_get_fewer_rounds(self, seconds, most, expected):
        assert races.rounds(seconds, most) == expected

    def test_heights_keep_their_gap(self):
        assert charts.spread([0.2, 0.5, 0.9], 0.1) == [0.2, 0.5, 0.9]
        np.testing.assert_allclose(charts.spread([0.5, 0.5, 0.5], 0.1), [0.4, 0.5, 0.6])
        np.testing.assert_allclose(charts.spread([0.0, 0.01, 0.12], 0.1), [0.0, 0.1, 0.2])
        np.testing.assert_allclose(charts.spread([0.99, 1.0], 0.1), [0.9, 1.0])


class TestLeftOut:
    DENSE = contenders.Contender("dense", "multi_head", None, per_pair=8)
    LINEAR = contenders.Contender("linear", "multi_head", None)

    def test_the_estimate_counts_the_weights_of_all_pairs(self):
        assert self.DENSE.estimate(8192, "forward") == 2 * 4 * 8 * 8192**2
        assert self.DENSE.estimate(8192, "training") == 8 * 2**30
        assert self.LINEAR.estimate(8192, "training") == 0

    def test_what_needs_more_than_the_limit(self):
        assert races.left_out(self.DENSE, 8192, "training", 8) is None
        assert races.left_out(self.DENSE, 8192, "training", 7.9) == "needs about 8 GiB"
        assert races.left_out(self.DENSE, 16384, "forward", 8) == "needs about 16 GiB"
        assert races.left_out(self.LINEAR, 16384, "training", 8) is None

    def test_what_was_over_a_limit_before(self):
        earlier = [result("linear", 4096, note="over 60 s"), result("linear", 2048)]
        assert races.left_out(self.LINEAR, 8192, "forward", 8, earlier) == "over 60 s at 4096"
        assert races.left_out(self.LINEAR, 8192, "training", 8, earlier) is None
        earlier = [result("linear", 8192, note="over 60 s at 4096")]
        assert races.left_out(self.LINEAR, 16384, "forward", 8, earlier) == "over 60 s at 4096"


class TestMemory:
    STATUS = "Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n"

    def test_fields_are_read_in_bytes(self):
        assert workers.memory("VmHWM", self.STATUS) == 2 * 2**20
        assert workers.memory("VmRSS", self.STATUS) == 2**20

    def test_the_peak_of_this_process(self):
        block = np.ones(2**22)
        assert min(workers.memory("VmHWM"), workers.memory("VmRSS")) > block.nbytes


CONFIG = layers.Config(lengths=(64, 128, 256), modes=("forward",))
REPORT = {
    "machine": {"processor": "A processor", "cores": 2, "memory_gib": 23.5},
    "versions": {"python": "3.11.7", "keras": "3.15.1"},
    "date": "2025-01-31",
    "settings": dataclasses.asdict(CONFIG),
    "results": [
        result("multi_head", 128, seconds=0.0015, memory_mib=1.25),
        result("torch SDPA", 128, seconds=0.012, ratios={"keras": 0.5, "torch": 1.0}),
        result("linear", 128, note="over 60 s"),
        result("multi_head", 256, seconds=1.5, ratios={"keras": 1.234, "torch": None}),
        result("torch SDPA", 256, seconds=0.024, memory_mib=1234.5),
        result("linear", 256, note="over 60 s at 128"),
    ],
}


class TestTables:
    def test_are_exact(self):
        assert (
            tables.markdown(REPORT).partition("\n## ")[2]
            == """Forward

### Milliseconds

| contender | 128 | 256 | 128 → 256 |
| --- | ---: | ---: | ---: |
| multi_head | 1.50 | 1,500 | x 1000.0 |
| torch SDPA | 12.0 | 24.0 | x 2.0 |
| linear | - | - | - |

### Time over Keras's / over PyTorch's

| contender | 128 | 256 |
| --- | ---: | ---: |
| multi_head | - / - | 1.23 / - |
| torch SDPA | 0.50 / 1.00 | - / - |
| linear | - / - | - / - |

### Peak memory, MiB

| contender | 128 | 256 | 128 → 256 |
| --- | ---: | ---: | ---: |
| multi_head | 1.25 | - | - |
| torch SDPA | - | 1,234 | - |
| linear | - | - | - |

- From 128: linear: over 60 s.
"""
        )

    def test_the_header_says_where_and_how(self):
        header = tables.markdown(REPORT).partition("\n## ")[0]
        for fact in (
            "2025-01-31, A processor, 2 cores, 23.5 GiB; python 3.11.7, keras 3.15.1. Keras on",
            "Keras on tensorflow, float32.",
            "over 8 GiB",
            "over 60 s",
            "up to 7 times",
        ):
            assert fact in header


def refused(capsys, *argv):
    with pytest.raises(SystemExit) as exit_info:
        layers.main(list(argv))
    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


class TestBadInput:
    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (
                ["--contenders", "multi_hed"],
                "unknown contender 'multi_hed'; did you mean multi_head?",
            ),
            (["--length", "16"], "unknown flag --length; the nearest known flag is --lengths"),
            (["--lengths", "0"], "--lengths must be at least 1, not 0"),
            (["--lengths"], "--lengths needs at least one"),
            (["--modes", "backward"], "--modes takes forward, training, not 'backward'"),
            (["--time-limit", "-1"], "--time-limit must be greater than 0, not -1.0"),
        ],
    )
    def test_is_named(self, capsys, argv, message):
        assert message in refused(capsys, *argv)

    def test_the_known_names_are_listed(self, capsys):
        assert "torch SDPA" in refused(capsys, "--contenders", "nonsense")


class TestContenders:
    def test_every_mechanism_and_reference_takes_part(self):
        from pipelines.commands.mechanisms import MECHANISMS

        known = contenders.contenders()
        assert set(known) >= set(MECHANISMS)
        for family, references in contenders.REFERENCES.items():
            assert [known[name].family for name in references] == [family, family]

    def test_without_pytorch_a_line_says_so(self, capsys, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        chosen = layers.choose((), contenders.contenders())
        assert {contender.framework for contender in chosen} == {"keras"}
        assert capsys.readouterr().out.startswith("PyTorch is not installed")


def test_help_is_quick_and_imports_no_tensorflow():
    script = (
        "import sys\nfrom benchmarks import layers\n"
        "try: layers.main(['--help'])\n"
        "except SystemExit: assert not {'keras', 'tensorflow', 'torch'} & set(sys.modules)"
    )
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "--contenders" in run.stdout
    assert time.perf_counter() - started < 5


@pytest.mark.slow
def test_a_small_run(tmp_path, capsys):
    (tmp_path / "layers.md").write_text("of an earlier run")
    names = ["luong_dot", *(["torch dot product"] if HAS_TORCH else [])]
    flags = ["--lengths", "256", "16", "--rounds", "2", "--modes", "forward"]
    layers.main([*flags, "--contenders", *names, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert f"length 16, forward: {len(names)} of {len(names)} measured" in out

    report = json.loads((tmp_path / "layers.json").read_text())
    assert report["settings"]["lengths"] == [256, 16]
    assert report["versions"].keys() >= {"python", "keras", "tensorflow", "numpy"}
    order = [(result["contender"], result["length"]) for result in report["results"]]
    assert order == [(name, length) for length in (16, 256) for name in names]
    for result in report["results"]:
        assert result["note"] is None
        assert [sample["seconds"] * sample["steps"] >= 0.2 for sample in result["samples"]] == [
            True,
            True,
        ]
        assert result["seconds"] == np.median([s["seconds"] for s in result["samples"]])
        assert result["cpu_seconds"] > 0
        assert (result["memory_mib"] is not None) == (result["length"] > 128)
        assert result["ratios"]["keras"] is None
    if HAS_TORCH:
        first, reference = report["results"][:2]
        ratio = races.median_ratio(first["samples"], reference["samples"])
        assert first["ratios"]["torch"] == ratio and reference["ratios"]["torch"] == 1
    assert (tmp_path / "layers.md").read_text() == tables.markdown(report)
    with Image.open(tmp_path / "layers.png") as picture:
        assert picture.size == (800, 1120)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


@pytest.mark.slow
def test_an_interrupted_run_ends_with_one_line_and_keeps_what_it_has(tmp_path):
    command = [sys.executable, "-m", "benchmarks.layers", "--output", str(tmp_path)]
    command += ["--contenders", "luong_dot", "--lengths", *"123456789", "--no-memory"]
    with subprocess.Popen(
        command, cwd=workers.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline().startswith("length 1, forward: 1 of 1 measured in ")
        run.send_signal(signal.SIGINT)
        assert run.communicate(timeout=120)[1] == "\ninterrupted\n"
    assert run.returncode == 130
    results = json.loads((tmp_path / "layers.json").read_text())["results"]
    assert [(result["length"], result["mode"]) for result in results] == [(1, "forward")]
    assert (tmp_path / "layers.md").is_file() and (tmp_path / "layers.png").is_file()


@pytest.mark.slow
def test_a_worker_that_fails_says_why_and_ends():
    slow, broken = (workers.Worker(name, CONFIG, torch=False) for name in ("luong_dot", "nobody"))
    with pytest.raises(workers.WorkerError, match=r"^over 0.001 s$"):
        slow.ask("prepare", 0.001, length=512, mode="forward")
    with pytest.raises(workers.WorkerError, match=r"^KeyError: 'nobody'$"):
        broken.ask("prepare", 60, length=16, mode="forward")
    assert not slow.alive and not broken.alive
