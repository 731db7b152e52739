"""Training through the real commands, on a few dates."""

import csv
import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from apps.translation import evaluate, train
from apps.translation.config import Config
from apps.translation.inference import Translator
from pipelines.maps import attention_maps
from tests.apps.commands import evaluation, interrupt, interrupted
from tests.apps.resume import ResumeFast
from tests.apps.translation import tiny

SCORES = {"bleu": 100, "bleu_lowercase": 100, "chrf": 100, "exact_match": 1}
HEALTH = {"attention_entropy": 1, "attention_on_padding": 1, "attention_on_end": 1}
METRICS = {**SCORES, "alignment_accuracy": 1, **HEALTH}
SIGNATURE = r"nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|version:[\d.]+"


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def history(run):
    with open(run / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class TestRun:
    def test_the_terminal_shows_the_run_and_nothing_else(self, trained):
        assert trained.err == ""
        assert re.search(r"101 training pairs, \d+ tokens, [\d,]+ parameters", trained.out)
        for epoch in (1, 2):
            (line,) = re.findall(rf"epoch {epoch}/2  .*", trained.out)
            assert re.search(r"loss \d+\.?\d*  bleu .* \d+ examples/s  \d+ s$", line.rstrip())
        for metric in METRICS:
            assert re.search(rf"^ *{metric}  \d+\.\d{{3}}$", trained.out, re.MULTILINE)
        assert re.search(rf"^bleu: {SIGNATURE}$", trained.out, re.MULTILINE)
        assert "maps: runs/translation/tiny/maps/index.html" in trained.out.splitlines()

    def test_the_folder_holds_all_and_nothing_half_written(self, trained):
        names = {path.name for path in trained.run.iterdir()}
        assert names == {
            "config.json",
            "model.keras",
            "tokenizer.json",
            "checkpoints",
            "history.csv",
            "metrics.json",
            "signatures.json",
            "translations_test.jsonl",
            "tensorboard",
            "maps",
        }
        assert list(trained.run.glob("tensorboard/train/events.*"))

    def test_the_configuration_is_the_resolved_one(self, trained, dates_folder):
        expected = Config(dataset=str(dates_folder), name="tiny", **tiny.SETTINGS)
        assert read_json(trained.run / "config.json") == asdict(expected)

    def test_latest_points_to_it(self, trained):
        latest = trained.run.parent / "latest"
        assert latest.is_symlink() and latest.resolve() == trained.run.resolve()

    def test_the_history_has_the_decoded_metrics_of_each_epoch(self, trained):
        rows = history(trained.run)
        assert [row.keys() - {"epoch", "loss"} for row in rows] == 2 * [
            {"val_loss", *(f"val_{name}" for name in METRICS)}
        ]
        assert rows[1]["loss"] < rows[0]["loss"] < np.log(300)

    def test_the_report(self, trained, dates_folder):
        report = read_json(trained.run / "metrics.json")
        keys = ["dataset", "split", "examples", "training_seconds", "parameters", "metrics"]
        assert list(report) == keys
        assert (report["dataset"], report["split"]) == (str(dates_folder), "test")
        assert report["examples"] == 7
        assert 0 < report["training_seconds"] < 300
        parameters = re.search(r"([\d,]+) parameters", trained.out)[1]
        assert report["parameters"] == int(parameters.replace(",", ""))
        assert list(report["metrics"]) == list(METRICS)
        for name, value in report["metrics"].items():
            assert 0 <= value <= METRICS[name], name
        assert report["metrics"]["chrf"] > 0
        assert report["metrics"]["attention_on_padding"] == 0

    def test_the_signatures(self, trained):
        signatures = read_json(trained.run / "signatures.json")
        assert list(signatures) == ["bleu", "bleu_lowercase", "chrf"]
        assert re.fullmatch(SIGNATURE, signatures["bleu"])
        assert "case:lc" in signatures["bleu_lowercase"]

    def test_translations_stand_between_source_and_target(self, trained, dates_folder):
        lines = tiny.read_lines(trained.run / "translations_test.jsonl")
        rows = tiny.read_lines(dates_folder / "test.jsonl")
        for line, row in zip(lines, rows, strict=True):
            assert list(line) == ["source", "translation", "target"]
            assert (line["source"], line["target"]) == (row["source"], row["target"])
            assert line["translation"]

    def test_maps(self, trained):
        lines = tiny.read_lines(trained.run / "translations_test.jsonl")
        folder = trained.run / "maps"
        maps = attention_maps.load_npz(folder / "maps.npz")
        assert list(maps) == [f"{number:02d}" for number in range(1, 8)]
        with np.load(folder / "maps.npz") as arrays:
            for line, (name, map_) in zip(lines, maps.items(), strict=True):
                assert "".join(map_.words) == line["translation"]
                assert map_.axes == ("word", "source")
                sources = arrays[f"{name}/source_words"].tolist()
                assert sources == [*line["source"].split(), "</s>"]
                assert map_.weights.shape[1] == len(sources)
                np.testing.assert_allclose(map_.weights.sum(axis=1), 1, atol=1e-5)
        assert {path.stem for path in folder.glob("*.png")} == set(maps)
        page = (folder / "index.html").read_text("utf-8")
        for line in lines:
            assert line["target"] in page
        assert not re.search(r"(src|href)=\W*https?:", page)


class TestEvaluate:
    @pytest.mark.slow
    def test_gives_the_same_numbers_in_another_process(self, trained, copied):
        before = read_json(trained.run / "metrics.json")
        result = tiny.finish("evaluate", "--run", copied, folder=copied.parent)
        assert (result.status, result.err) == (0, "")
        assert read_json(copied / "metrics.json") == before
        found = evaluation(copied)
        assert read_json(found / "metrics.json") == {**before, "training_seconds": None}
        for name in ("translations_test.jsonl", "maps/maps.npz", "maps/index.html"):
            assert (found / name).is_file()

    def test_the_saved_model_is_the_best_epoch(self, copied):
        evaluate.main(["--run", str(copied), "--split", "validation"])
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["split"], report["examples"]) == ("validation", 5)
        assert len(tiny.read_lines(evaluation(copied) / "translations_validation.jsonl")) == 5
        rows = history(copied)[::-1]  # The last of the best.
        best = max(rows, key=lambda row: row["val_exact_match"])
        assert {f"val_{k}": pytest.approx(v) for k, v in report["metrics"].items()} == {
            k: v for k, v in best.items() if k.startswith("val_") and k != "val_loss"
        }

    def test_plain_files_and_another_way_of_decoding(self, copied, tmp_path, capsys):
        files = tiny.write_texts(tmp_path, tiny.make_dates(3, first=200), "test_")
        flags = {"decode": "beam", "beams": 2, "max_target": 17, "min_length": 15}
        evaluate.main(tiny.flags(run=copied, **files, **flags))
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["dataset"], report["examples"]) == (files["test_source_file"], 3)
        assert list(report["metrics"]) == [*SCORES, *HEALTH]
        for line in tiny.read_lines(evaluation(copied) / "translations_test.jsonl"):
            assert len(line["translation"]) >= 14

    def test_another_data_set_than_the_files_of_the_run(self, copied, dates_folder, tmp_path):
        config = read_json(copied / "config.json")
        config |= {"source_file": "gone", "target_file": "gone"}
        (copied / "config.json").write_text(json.dumps(config))
        evaluate.main(tiny.flags(run=copied, dataset=dates_folder))
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["dataset"], report["examples"]) == (str(dates_folder), 7)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history(trained, dates_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train.main(tiny.flags(dataset=dates_folder, name="again", **tiny.SETTINGS))
    again = history(tmp_path / "runs" / "translation" / "again")
    assert again == [pytest.approx(row, rel=1e-4) for row in history(trained.run)]


@pytest.mark.slow
def test_ctrl_c_ends_training_with_one_line(dates_folder, tmp_path):
    settings = {**tiny.SETTINGS, "epochs": 10_000, "patience": 10_000, "max_train": 16}
    flags = tiny.flags(dataset=dates_folder, name="tiny", **settings)
    process = tiny.start("train", *flags, folder=tmp_path)
    status, err = interrupt(process)
    assert (status, err.splitlines()[-1]) == (130, interrupted("translation"))
    run = tmp_path / "runs" / "translation" / "tiny"
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    translator = Translator.load(run)
    assert translator.model.embedding.input_dim == translator.tokenizer.vocabulary_size
    assert len(history(run)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_plain_files_through_the_commands(tmp_path, precision):
    files = tiny.write_texts(tmp_path, tiny.make_dates(53))
    settings = {**tiny.SETTINGS, "model": "rnn", "ema": 0.9, "precision": precision}
    result = tiny.finish("train", *tiny.flags(name="tiny", **files, **settings), folder=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert "validation (5 lines) and test (5 lines) cut from train" in result.out
    before = read_json(result.run / "metrics.json")
    assert (before["dataset"], before["examples"]) == (files["source_file"], 5)
    assert list(before["metrics"]) == [*SCORES, *HEALTH]
    result = tiny.finish("evaluate", folder=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert read_json(result.run / "metrics.json") == before
    found = read_json(evaluation(result.run) / "metrics.json")
    assert found == {**before, "training_seconds": None}


class TestResume(ResumeFast):
    application = "translation"

    @pytest.fixture
    def words(self, dates_folder):
        return tiny.flags(dataset=dates_folder, name="tiny", **tiny.SETTINGS)
