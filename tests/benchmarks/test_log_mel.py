"""The benchmark of log-mel spectrograms: the same numbers by all hands, a table, a small run."""

import json

import numpy as np
import pytest

from benchmarks import log_mel


@pytest.mark.slow
def test_all_compute_the_same():
    found = [
        log_mel.prepare(name, "tensorflow", False, "float32")(3)() for name in log_mel.CONTENDERS
    ]
    for ours, librosa, threads in zip(*found, strict=True):
        np.testing.assert_allclose(ours, librosa, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(librosa, threads)


def test_table():
    total = sum(map(len, log_mel.sounds(5))) / 16000
    results = {
        "ours": {"seconds": [total / 3000] * 3, "cpu_seconds": [total / 2000] * 3, "ratio": 2.345},
        "librosa": {"seconds": [total / 1000] * 3, "cpu_seconds": [total / 900] * 3, "ratio": None},
    }
    report = {"settings": {"clips": 5}, "results": results}
    assert log_mel.table(report).splitlines()[2:] == [
        "| ours | 3,000 | 2,000 | 2.35 |",
        "| librosa | 1,000 | 900 | - |",
    ]


@pytest.mark.parametrize("flags", [["--clips", "0"], ["--contenders"], ["--rounds", "-1"]])
def test_bad_flags(flags, capsys):
    with pytest.raises(SystemExit) as stop:
        log_mel.main(flags)
    assert stop.value.code == 2 and flags[0] in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_run(tmp_path):
    flags = ["--clips", "2", "--rounds", "1", "--contenders", "ours", "librosa"]
    log_mel.main([*flags, "--output", str(tmp_path)])
    report = json.loads((tmp_path / "log_mel.json").read_text())
    assert list(report["results"]) == ["ours", "librosa"]
    assert report["results"]["librosa"]["ratio"] == 1
    assert log_mel.table(report) in (tmp_path / "log_mel.md").read_text()


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        log_mel.main(["--output", str(tmp_path / "file")])
    assert stop.value.code == 2
