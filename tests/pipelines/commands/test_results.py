"""The tables of RESULTS.md, from the reports of runs."""

import json

import pytest

from pipelines.commands import results

REPORT = {
    "dataset": "/data/dates",
    "split": "test",
    "examples": 1234,
    "training_seconds": 90.0,
    "parameters": 56789,
    "metrics": {"bleu": 37.94, "exact_match": 0.9951},
}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "translation" / "first"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(REPORT), "utf-8")
    return folder


def test_a_row_for_each_run(run, tmp_path):
    output = tmp_path / "docs" / "RESULTS.md"
    results.main([str(run), "--output", str(output)])
    lines = output.read_text("utf-8").splitlines()
    assert lines[0] == "# Results"
    assert lines[lines.index("## translation") + 1 :] == [
        "",
        "| run | data set | split | examples | parameters | minutes | bleu | exact_match |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| first | dates | test | 1,234 | 56,789 | 1.5 | 37.9 | 0.995 |",
    ]


@pytest.mark.parametrize("content", ["{", "[1]", "{}"])
def test_a_damaged_report_is_refused_in_one_line(run, tmp_path, content, capsys):
    (run / "metrics.json").write_text(content, "utf-8")
    with pytest.raises(SystemExit) as ended:
        results.main([str(run), "--output", str(tmp_path / "RESULTS.md")])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {run}/metrics.json cannot be read as a report of metrics")
    assert error.count("\n") == 1
    assert not (tmp_path / "RESULTS.md").exists()
