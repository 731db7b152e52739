"""The benchmark of Whisper: one run on a small random preset, and its table."""

import json

import numpy as np
import pytest

from benchmarks import whisper
from pipelines.audio import audio_files
from pipelines.commands import flags
from tests.pipelines.audio.test_whisper import save_preset, waveforms


@pytest.mark.slow
def test_a_run_writes_equal_transcripts_and_its_files(tmp_path, capsys):
    preset = save_preset(tmp_path / "preset", None)
    rows = []
    for i, samples in enumerate(waveforms()):
        rows.append({"file_name": f"{i}.wav", "text": "The sea"})
        audio_files.write(tmp_path / rows[-1]["file_name"], samples)
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = {"preset": preset, "dataset": tmp_path, "output": tmp_path / "out"}
    asked = [str(x) for name, value in asked.items() for x in (f"--{name}", value)]
    whisper.main([*asked, "--utterances", "2", "--max-tokens", "3"])
    report = json.loads((tmp_path / "out" / "whisper.json").read_text())
    results = report["results"]
    assert [result["file_name"] for result in results] == ["0.wav", "1.wav"]
    np.testing.assert_allclose([r["seconds_of_sound"] for r in results], [7001 / 16000, 1])
    for result in results:
        transcripts = {result[name]["transcript"] for name in whisper.CONTENDERS}
        assert len(transcripts) == 1 and transcripts != {""}
    assert set(report["word_error_rates"]) == set(whisper.CONTENDERS)
    table = whisper.table(report)
    assert table in (tmp_path / "out" / "whisper.md").read_text()
    assert "| ours | 2 of 2 |" in table and "ours" in capsys.readouterr().out


def test_the_preset_is_a_flag():
    argv = ["--preset", "folder", "--dataset", "speech"]
    assert flags.parse(whisper.Config, argv).preset == "folder"


def test_the_table():
    def result(ours, plain, text="a"):
        return {
            name: {"transcript": said, "seconds": seconds, "cpu_seconds": 2 * seconds}
            for name, seconds, said in (
                ("ours", ours, text),
                ("encoded once", 2.0, "a"),
                ("plain", plain, "a"),
            )
        }

    report = {
        "results": [result(1.0, 8.0), result(2.0, 8.0, "b"), result(4.0, 48.0)],
        "word_error_rates": dict(zip(whisper.CONTENDERS, (0.25, 0.5, 1.0), strict=True)),
    }
    assert whisper.table(report).splitlines()[2:] == [
        "| ours | 2 of 3 | 2.00 | 8.0 | 4.00 | 8.0 | 25.0 % |",
        "| encoded once | 3 of 3 | 2.00 | 4.0 | 4.00 | 4.0 | 50.0 % |",
        "| plain | 3 of 3 | 8.00 | 1.0 | 16.00 | 1.0 | 100.0 % |",
    ]
