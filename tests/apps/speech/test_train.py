"""Training through the real commands, on a few melodies."""

import csv
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import soundfile

from apps.speech import evaluate, train
from apps.speech.config import Config
from pipelines.maps import attention_maps
from tests.apps.commands import evaluation, interrupt, interrupted
from tests.apps.resume import Resume
from tests.apps.speech import tiny

RATES = ["wer", "cer", "sentence_error_rate"]
METRICS = [*RATES, "attention_entropy", "attention_on_padding"]


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def history(run):
    with open(run / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class TestRun:
    def test_the_terminal_shows_the_run_and_nothing_else(self, trained):
        assert trained.err == ""
        assert "train: 1 of 25 left out, the first is" in trained.out
        assert "audio files: 1 of 24 left out, the first is" in trained.out
        line = r"23 training utterances, 0\.0 hours, \d+ units, [\d,]+ parameters, run runs/speech"
        assert re.search(line, trained.out)
        for epoch in (1, 2):
            (line,) = re.findall(rf"epoch {epoch}/2  .*", trained.out)
            assert re.search(r"loss \d+\.?\d*  .*wer .* \d+ examples/s  \d+ s$", line.rstrip())
        for metric in METRICS:
            assert re.search(rf"^ *{metric}  \d+\.\d{{3}}$", trained.out, re.MULTILINE)
        assert "maps: runs/speech/tiny/maps/index.html" in trained.out.splitlines()

    def test_the_folder_holds_all_and_nothing_half_written(self, trained):
        assert {path.name for path in trained.run.iterdir()} == {
            "config.json",
            "model.keras",
            "tokenizer.json",
            "normalization.json",
            "ngrams.json",
            "checkpoints",
            "history.csv",
            "metrics.json",
            "transcripts_test.jsonl",
            "left_out.jsonl",
            "tensorboard",
            "maps",
        }
        left_out = tiny.read_lines(trained.run / "left_out.jsonl")
        assert [row["split"] for row in left_out] == ["train", "audio files"]
        assert left_out[0]["reason"] == "field 'text' is empty"
        assert left_out[1]["where"].endswith("/broken.flac")

    def test_the_configuration_is_the_resolved_one(self, trained, tones_folder):
        found = read_json(trained.run / "config.json")
        sounds = (
            tones_folder / row["file_name"]
            for row in tiny.read_lines(tones_folder / "train.jsonl")
            if row["file_name"] != "broken.flac"
        )
        longest = max(soundfile.info(sound).duration for sound in sounds)
        assert found.pop("max_seconds") == pytest.approx(1.25 * longest, abs=0.02)
        expected = asdict(Config(dataset=str(tones_folder), name="tiny", **tiny.SETTINGS))
        assert expected.pop("max_seconds") == 30
        assert found == expected

    def test_both_losses_fall(self, trained):
        rows = history(trained.run)
        for name in ("loss", "ctc_loss", "attention_loss"):
            assert rows[1][name] < rows[0][name]
        for name in ("val_wer", "val_loss", "val_ctc_loss", "val_attention_loss"):
            assert all(np.isfinite(row[name]) for row in rows)

    def test_the_report(self, trained, tones_folder):
        report = read_json(trained.run / "metrics.json")
        assert (report["dataset"], report["split"]) == (str(tones_folder), "test")
        assert report["examples"] == 3
        assert list(report["metrics"]) == METRICS
        assert report["metrics"]["attention_on_padding"] == 0

    def test_transcripts_have_the_times_of_their_words(self, trained, tones_folder):
        lines = tiny.read_lines(trained.run / "transcripts_test.jsonl")
        rows = tiny.read_lines(tones_folder / "test.jsonl")
        for line, row in zip(lines, rows, strict=True):
            assert line["file_name"].endswith(row["file_name"]) and line["text"] == row["text"]
            assert [word for word, _, _ in line["words"]] == line["transcript"].split()
            times = [time for _, *span in line["words"] for time in span]
            assert times == sorted(times)

    def test_maps(self, trained):
        lines = tiny.read_lines(trained.run / "transcripts_test.jsonl")
        folder = trained.run / "maps"
        maps = attention_maps.load_npz(folder / "maps.npz")
        shown = [line for line in lines if line["transcript"]]
        assert len(maps) in (len(shown), len(lines))
        page = (folder / "index.html").read_text("utf-8")
        assert all(f"test_{number}.flac" in page for number in range(3))
        assert not re.search(r"(src|href)=\W*https?:", page)


class TestEvaluate:
    @pytest.mark.slow
    def test_gives_the_same_numbers_again(self, trained, copied):
        before = read_json(trained.run / "metrics.json")
        evaluate.main(["--run", str(copied)])
        after = read_json(evaluation(copied) / "metrics.json")
        assert after["metrics"] == {k: pytest.approx(v) for k, v in before["metrics"].items()}
        assert (evaluation(copied) / "maps" / "index.html").is_file()
        assert read_json(copied / "metrics.json") == before

    def test_another_split_and_another_way_of_decoding(self, copied):
        decode = {"decode": "ctc_beam", "language_model_weight": 0.3, "language_model_bonus": 0.5}
        evaluate.main(tiny.flags(run=copied, split="validation", **decode))
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["split"], report["examples"]) == ("validation", 3)
        assert list(report["metrics"]) == RATES
        assert len(tiny.read_lines(evaluation(copied) / "transcripts_validation.jsonl")) == 3


@pytest.mark.slow
def test_ctrl_c_ends_training_with_one_line(tones_folder, tmp_path):
    settings = {**tiny.SETTINGS, "epochs": 10_000, "patience": 10_000, "max_train": 16}
    flags = tiny.flags(dataset=tones_folder, name="tiny", **settings)
    status, err = interrupt(tiny.start("train", *flags, folder=tmp_path))
    assert (status, err.splitlines()[-1]) == (130, interrupted("speech"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        {"encoder": "lstm", "decoder": "rnn", "speed_perturbation": True, "noise": True},
        {"decoder": "none", "position": "relative", "time_masks": 1, "time_warp": 2},
        {"encoder": "transformer", "ctc_weight": 0.0, "units": "character", "ema": 0.9},
        {"precision": "bfloat16", "steps_per_execution": 3},
        {"precision": "float16"},
    ],
    ids=["lstm-rnn", "ctc", "attention", "bfloat16", "float16"],
)
def test_other_models_through_the_commands(tones_folder, tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    settings = {**tiny.SETTINGS, **flags}
    result = tiny.finish(
        "train", *tiny.flags(dataset=tones_folder, name="tiny", **settings), folder=tmp_path
    )
    assert (result.status, result.err) == (0, "")
    before = read_json(result.run / "metrics.json")["metrics"]
    evaluate.main([])
    after = read_json(evaluation(result.run) / "metrics.json")["metrics"]
    assert after == {name: pytest.approx(value, abs=0.02) for name, value in before.items()}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history(trained, tones_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train.main(tiny.flags(dataset=tones_folder, name="again", **tiny.SETTINGS))
    again = history(tmp_path / "runs" / "speech" / "again")
    assert again == [pytest.approx(row, rel=1e-4) for row in history(trained.run)]


class TestResume(Resume):
    application = "speech"

    @pytest.fixture
    def words(self, tones_folder):
        return tiny.flags(dataset=tones_folder, name="tiny", **tiny.SETTINGS)
