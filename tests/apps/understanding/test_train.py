"""Training, evaluation and prediction through the real commands, on a few lines of each task."""

import csv
import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from apps.understanding import evaluate, predict, train
from apps.understanding.config import Config
from pipelines.maps import attention_maps
from tests.apps.commands import evaluation, interrupt, interrupted
from tests.apps.resume import ResumeFast
from tests.apps.understanding import tiny

METRICS = {
    "sentiment": {"accuracy", "macro_f1"},
    "ner": {"span_f1", "dictionary_span_f1"},
    "qa": {"exact_match", "f1"},
}
each_task = pytest.mark.parametrize("task", tiny.TASKS)


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def history(run):
    with open(run / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@each_task
class TestRun:
    def test_the_terminal_shows_the_run_and_nothing_else(self, trained, task):
        result = trained(task)
        assert result.err == ""
        assert re.search(
            rf"{task}: 23 training examples, \d+ tokens, [\d,]+ parameters, run runs/understanding",
            result.out,
        )
        for epoch in (1, 2):
            (line,) = re.findall(rf"epoch {epoch}/2  .*", result.out)
            assert re.search(r"loss \d+\.?\d*  .* \d+ examples/s  \d+ s$", line.rstrip())
        for metric in METRICS[task]:
            assert re.search(rf"^ *{metric}  \d+\.\d{{3}}$", result.out, re.MULTILINE)
        assert "maps: runs/understanding/tiny/maps/index.html" in result.out.splitlines()

    def test_the_folder_holds_all_and_nothing_half_written(self, trained, task):
        assert {path.name for path in trained(task).run.iterdir()} == {
            "config.json",
            "model.keras",
            "subwords.json",
            "tokenizer.json" if task == "sentiment" else "words.json",
            "classes.json",
            "checkpoints",
            "history.csv",
            "metrics.json",
            "predictions_test.jsonl",
            "tensorboard",
            "maps",
            *([] if task == "qa" else ["classes_test.csv"]),
        }

    def test_the_configuration_is_the_resolved_one(self, trained, folders, task):
        expected = Config(dataset=str(folders[task]), **tiny.settings(task))
        assert read_json(trained(task).run / "config.json") == asdict(expected)

    def test_the_loss_falls(self, trained, task):
        rows = history(trained(task).run)
        assert rows[1]["loss"] < rows[0]["loss"]
        assert all(row["val_loss"] > 0 for row in rows)

    def test_the_report(self, trained, folders, task):
        report = read_json(trained(task).run / "metrics.json")
        assert (report["dataset"], report["split"]) == (str(folders[task]), "test")
        assert report["examples"] == 3 and report["training_seconds"] > 0
        assert set(report["metrics"]) >= METRICS[task]

    def test_maps(self, trained, task):
        folder = trained(task).run / "maps"
        maps = attention_maps.load_npz(folder / "maps.npz")
        assert len(maps) == 3
        for one in maps.values():
            np.testing.assert_allclose(one.weights.sum(-1), 1, atol=1e-4)
        assert {path.name for path in folder.glob("*.png")} == {f"0{i}.png" for i in range(1, 4)}
        page = (folder / "index.html").read_text("utf-8")
        assert not re.search(r"(src|href)=\W*https?:", page)


@pytest.mark.parametrize(
    "task", ["ner", *(pytest.param(task, marks=pytest.mark.slow) for task in ("sentiment", "qa"))]
)
def test_evaluation_gives_the_same_numbers_again(copied, task):
    run = copied(task)
    before = read_json(run / "metrics.json")
    evaluate.main(["--run", str(run)])
    after = read_json(evaluation(run) / "metrics.json")
    assert after["metrics"] == {k: pytest.approx(v) for k, v in before["metrics"].items()}
    assert after["training_seconds"] is None
    assert read_json(run / "metrics.json") == before


def test_another_set_needs_no_training_split_and_its_labels_are_compared(copied, tmp_path, capsys):
    rows = [{"tokens": ["Zoe", "eats"], "tags": ["B-cook", "O"]}] * 3
    (tmp_path / "other").mkdir()
    tiny.write_lines(tmp_path / "other" / "test.jsonl", rows)
    run = copied("ner")
    evaluate.main(["--run", str(run), "--dataset", str(tmp_path / "other")])
    said = "test has labels that training does not know: 'cook' (3); they count as wrong"
    assert said in capsys.readouterr().out
    metrics = read_json(evaluation(run) / "metrics.json")["metrics"]
    assert metrics["span_f1"] == 0 and "dictionary_span_f1" not in metrics


class TestPredict:
    @pytest.mark.slow
    def test_a_label_for_each_line_in_another_process(self, copied, tmp_path):
        (tmp_path / "lines.txt").write_text(f"The soup was lovely .\n\nA 🙂 {'bus ' * 200}\n")
        run = copied("sentiment")
        asked = tiny.flags(run=run, input=tmp_path / "lines.txt")
        result = tiny.finish("predict", *asked, folder=tmp_path)
        page = run / "predictions" / "index.html"
        said = ["1 of 2 texts truncated to 94 tokens", f"attention maps: {page}"]
        assert (result.status, result.err.splitlines()) == (0, said)
        lines = result.out.splitlines()
        assert len(lines) == 3 and lines[1] == "" and page.is_file()
        assert all(re.fullmatch(r"(good|bad)\t[01]\.\d{3}", lines[i]) for i in (0, 2))

    @pytest.mark.slow
    def test_the_words_of_a_line_with_their_tags(self, copied, capsys):
        predict.main(tiny.flags(run=copied("ner"), input="Ann Bob lives in Łódź, now."))
        words = capsys.readouterr().out.split()
        bare = [re.sub(r"/[BI]-(person|town)$", "", word) for word in words]
        assert bare == ["Ann", "Bob", "lives", "in", "Łódź", ",", "now", "."]

    @pytest.mark.slow
    def test_of_a_long_line_the_map_shows_the_beginning(self, copied, tmp_path, capsys):
        line = " ".join(["Ann lives in Rome ."] * 70)
        predict.main(tiny.flags(run=copied("ner"), input=line, output=tmp_path / "maps"))
        assert len(capsys.readouterr().out.split()) == 350
        (shown,) = attention_maps.load_npz(tmp_path / "maps" / "maps.npz").values()
        assert shown.weights.shape == (300, 300)

    @pytest.mark.slow
    def test_answers_are_of_the_context(self, copied, tmp_path, capsys):
        context = "Ann is in Rome .  Bob is in 漢字 ."
        rows = [{"context": context, "question": f"Where is {name} ?"} for name in ("Ann", "Bob")]
        tiny.write_lines(tmp_path / "asked.jsonl", rows)
        predict.main(tiny.flags(run=copied("qa"), input=tmp_path / "asked.jsonl"))
        answers = capsys.readouterr().out.splitlines()
        assert len(answers) == 2 and all(answer and answer in context for answer in answers)


@pytest.mark.slow
def test_ctrl_c_ends_training_with_one_line(folders, tmp_path):
    settings = {**tiny.SETTINGS, "epochs": 10_000, "patience": 10_000}
    flags = tiny.flags(dataset=folders["sentiment"], name="tiny", **settings)
    status, err = interrupt(tiny.start("train", *flags, folder=tmp_path))
    assert (status, err.splitlines()[-1]) == (130, interrupted("understanding"))


@pytest.mark.slow
@each_task
def test_the_same_seed_gives_the_same_history(trained, folders, tmp_path, monkeypatch, task):
    monkeypatch.chdir(tmp_path)
    train.main(tiny.flags(dataset=folders[task], **{**tiny.settings(task), "name": "again"}))
    again = history(tmp_path / "runs" / "understanding" / "again")
    assert again == [pytest.approx(row, rel=1e-4) for row in history(trained(task).run)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        {"task": "sentiment", "model": "transformer", "ema": 0.9},
        {"task": "ner", "precision": "bfloat16"},
        {"task": "qa", "question_attention": False, "precision": "float16"},
    ],
    ids=["transformer", "bfloat16", "float16"],
)
def test_other_models_through_the_commands(folders, tmp_path, flags):
    arguments = tiny.flags(
        dataset=folders[flags["task"]], name="tiny", **{**tiny.SETTINGS, **flags}
    )
    result = tiny.finish("train", *arguments, folder=tmp_path)
    assert (result.status, result.err) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sentiment", "ner"])
def test_a_backbone_is_fine_tuned_and_comes_back(folders, tmp_path, monkeypatch, task):
    preset = tiny.write_preset(tmp_path / "preset")
    settings = {**tiny.SETTINGS, "epochs": 1, "backbone": preset, "max_length": 64}
    monkeypatch.chdir(tmp_path)
    train.main(tiny.flags(task=task, dataset=folders[task], name="tiny", **settings))
    run = tmp_path / "runs" / "understanding" / "tiny"
    before = read_json(run / "metrics.json")["metrics"]
    # The run is all that evaluation needs.
    preset.rename(tmp_path / "gone")
    evaluate.main(["--run", str(run)])
    assert read_json(evaluation(run) / "metrics.json")["metrics"] == pytest.approx(before)


@pytest.mark.slow
def test_vectors_begin_the_words(folders, tmp_path, monkeypatch, capsys):
    words = ["soup", "lovely", "awful", "the", "unseen"]
    lines = [f"{word} {' '.join(str(i + j / 7) for j in range(5))}" for i, word in enumerate(words)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    settings = {**tiny.SETTINGS, "epochs": 1, "embedding_dim": 5, "vectors": "vectors.txt"}
    monkeypatch.chdir(tmp_path)
    train.main(tiny.flags(dataset=folders["sentiment"], name="tiny", **settings))
    assert re.search(r"5 of \d+ words begin with a vector of vectors.txt", capsys.readouterr().out)


class TestResume(ResumeFast):
    application = "understanding"

    @pytest.fixture
    def words(self, folders):
        return tiny.flags(dataset=folders["sentiment"], **tiny.settings("sentiment"))

    @pytest.fixture
    def trained(self, trained):
        return trained("sentiment")
