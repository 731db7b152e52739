"""Training through the real commands, on a few documents."""

import csv
import json
import re
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest

import layers
from apps.summarization import evaluate, train
from apps.summarization.config import Config
from apps.summarization.inference import Summarizer
from pipelines.maps import attention_maps
from pipelines.metrics import rouge
from pipelines.text.word_tokenizer import WordTokenizer
from pipelines.training.callbacks import BestEpoch
from pipelines.training.history import History
from tests.apps.commands import evaluation, interrupt, interrupted
from tests.apps.resume import Resume
from tests.apps.summarization import tiny

ROUGE = ("rouge_1", "rouge_2", "rouge_l")
LEADS = tuple(f"{lead}_{name}" for lead in ("lead", "lead_3") for name in ROUGE)
SCORES = {
    **dict.fromkeys(ROUGE, 100),
    "repetition": 1,
    "attention_entropy": 1,
    "attention_on_end": 1,
    "attention_on_padding": 1,
}
METRICS = {**SCORES, **dict.fromkeys(LEADS, 100)}


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def history(run, name="history.csv"):
    with open(run / name, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class TestRun:
    def test_the_terminal_shows_the_run_and_nothing_else(self, trained):
        assert trained.err == ""
        size = len(read_json(trained.run / "words.json")["words"])
        counted = rf"64 training documents, {size} tokens, [\d,]+ parameters, run \S+/tiny$"
        assert re.search(counted, trained.out, re.MULTILINE)
        for epoch in ("epoch 1/2", "epoch 2/2", "coverage 1/1"):
            (line,) = re.findall(rf"^{epoch}  .*", trained.out, re.MULTILINE)
            assert re.search(r"loss \d+\.?\d*  rouge_1 .* \d+ examples/s  \d+ s$", line.rstrip())
        for metric in METRICS:
            assert re.search(rf"^ *{metric}  \d+\.\d{{3}}$", trained.out, re.MULTILINE)
        assert "maps: runs/summarization/tiny/maps/index.html\n" in trained.out
        signature = read_json(trained.run / "signatures.json")["rouge"]
        assert signature == rouge.signature() and f"rouge: {signature}\n" in trained.out

    def test_the_folder_holds_all_and_nothing_half_written(self, trained):
        assert {path.name for path in trained.run.iterdir()} == {
            "config.json",
            "model.keras",
            "words.json",
            "checkpoints",
            "history.csv",
            "history_coverage.csv",
            "metrics.json",
            "summaries_test.jsonl",
            "signatures.json",
            "tensorboard",
            "maps",
        }
        for stage in ("", "coverage/"):
            assert list(trained.run.glob(f"tensorboard/{stage}train/events.*"))

    def test_the_configuration_is_the_resolved_one(self, trained, documents):
        expected = Config(dataset=str(documents), name="tiny", **tiny.SETTINGS)
        assert read_json(trained.run / "config.json") == asdict(expected)

    def test_the_histories_have_the_decoded_metrics_of_each_epoch(self, trained):
        rows = history(trained.run)
        (last,) = history(trained.run, "history_coverage.csv")
        for row in (*rows, last):
            assert row.keys() - {"epoch", "loss"} == {
                "val_loss",
                *(f"val_{name}" for name in SCORES),
            }
        assert rows[1]["loss"] < rows[0]["loss"] < 8

    def test_the_report(self, trained, documents):
        report = read_json(trained.run / "metrics.json")
        keys = ["dataset", "split", "examples", "training_seconds", "parameters", "metrics"]
        assert list(report) == keys
        assert (report["dataset"], report["split"]) == (str(documents), "test")
        assert report["examples"] == 5
        assert 0 < report["training_seconds"] < 600
        parameters = re.search(r"([\d,]+) parameters", trained.out)[1]
        assert report["parameters"] == int(parameters.replace(",", ""))
        assert report["metrics"].keys() == METRICS.keys()
        for name, value in report["metrics"].items():
            assert 0 <= value <= METRICS[name], name
        assert report["metrics"]["lead_3_rouge_1"] > report["metrics"]["lead_rouge_1"] > 0
        assert report["metrics"]["attention_on_padding"] == 0

    def test_summaries_stand_beside_their_references(self, trained, documents):
        lines = tiny.read_lines(trained.run / "summaries_test.jsonl")
        rows = tiny.read_lines(documents / "test.jsonl")
        assert [{k: v for k, v in line.items() if k != "generated"} for line in lines] == rows
        assert all(isinstance(line["generated"], str) for line in lines)

    def test_maps(self, trained):
        lines = tiny.read_lines(trained.run / "summaries_test.jsonl")
        lines = [line for line in lines if line["generated"]]
        folder = trained.run / "maps"
        maps = attention_maps.load_npz(folder / "maps.npz")
        assert [" ".join(map_.words) for map_ in maps.values()] == [
            line["generated"] for line in lines
        ]
        for map_, line in zip(maps.values(), lines, strict=True):
            assert map_.axes == ("word", "source")
            assert map_.weights.shape[1] == len(line["document"].split()) + 1
            np.testing.assert_allclose(map_.weights.sum(axis=1), 1, atol=1e-3)
        with np.load(folder / "maps.npz") as arrays:
            for number, line in enumerate(lines, 1):
                source_words = arrays[f"{number:02d}/source_words"].tolist()
                assert source_words == [*line["document"].split(), "</s>"]
                copy = arrays[f"{number:02d}/copy"]
                assert (copy > 0).all() and (copy < 1).all()
        assert {path.stem for path in folder.glob("*.png")} == set(maps)
        page = (folder / "index.html").read_text("utf-8")
        assert all(line["summary"] in page for line in lines)
        assert not re.search(r"(src|href)=\W*https?:", page)

    def test_attention_has_learnt_of_coverage_at_last(self, trained):
        summarizer = Summarizer.load(trained.run).model
        assert summarizer.coverage_weight == 1.0
        kernel = summarizer.decoder.attention_layers()[0].coverage_projection.kernel
        assert keras.ops.convert_to_numpy(kernel).any()


class Fit:
    """Stands for `fit`: notes what each stage begins with, and saves what it has learnt."""

    def __init__(self):
        self.stages = []

    def __call__(self, summarizer, batches, epochs, steps_per_epoch, callbacks, **options):
        (best,) = [c for c in callbacks if isinstance(c, BestEpoch)]
        (log,) = [c for c in callbacks if isinstance(c, History)]
        rate = summarizer.optimizer._learning_rate
        bias = summarizer.decoder.gate.bias
        stage = {
            "summarizer": summarizer,
            "file": str(log.path),
            "epochs": epochs,
            "peak": float(np.max([rate(step) for step in range(epochs * steps_per_epoch)])),
            "weight": summarizer.coverage_weight,
            "bias": float(bias[0]),
        }
        attention = summarizer.decoder.attention_layers()[0]
        if isinstance(attention, layers.CoverageAttention):
            projection = attention.coverage_projection
            stage["learns"] = projection.trainable
            stage["coverage"] = keras.ops.convert_to_numpy(projection.kernel)
        self.stages.append(stage)
        bias.assign([7.0])
        summarizer.save(best.path)
        bias.assign([9.0])  # What follows the best epoch.


@pytest.fixture
def fit(monkeypatch, tmp_path):
    """Training without its steps, and without the evaluation after it."""
    stand_in = Fit()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(layers.SequenceToSequence, "fit", lambda *a, **k: stand_in(*a, **k))
    monkeypatch.setattr(Summarizer, "evaluate", lambda *a, **k: None)
    return stand_in


class TestStages:
    def test_coverage_comes_last_from_the_best_epoch_at_a_tenth_of_the_rate(self, fit, documents):
        settings = {**tiny.SETTINGS, "warmup_steps": 0, "coverage_weight": 0.5}
        train.main(tiny.flags(dataset=documents, name="tiny", coverage_epochs=3, **settings))
        first, second = fit.stages
        assert [first["file"], second["file"]] == [
            "runs/summarization/tiny/history.csv",
            "runs/summarization/tiny/history_coverage.csv",
        ]
        assert (first["epochs"], second["epochs"]) == (2, 3)
        assert (first["weight"], second["weight"]) == (0.0, 0.5)
        assert (first["learns"], second["learns"]) == (False, True)
        assert not first["coverage"].any() and not second["coverage"].any()
        assert first["peak"] == pytest.approx(0.01)
        assert second["peak"] == pytest.approx(0.001)
        assert (first["bias"], second["bias"]) == (0.0, 7.0)

    def test_one_stage_without(self, fit, documents):
        train.main(tiny.flags(dataset=documents, name="tiny", coverage=False, **tiny.SETTINGS))
        (stage,) = fit.stages
        assert (stage["weight"], stage["epochs"]) == (0.0, 2)
        attention = stage["summarizer"].decoder.attention_layers()[0]
        assert type(attention) is layers.AdditiveAttention


def test_word_vectors_are_where_training_begins(fit, documents, capsys):
    words = [*tiny.THINGS, "saw", "bought"]
    vectors = np.random.default_rng(0).normal(size=(len(words), 16))
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(words, vectors, strict=True)]
    Path("vectors.txt").write_text("\n".join(lines))
    settings = {**tiny.SETTINGS, "vectors": "vectors.txt", "coverage": False}
    train.main(tiny.flags(dataset=documents, name="tiny", **settings))
    tokenizer = WordTokenizer.load("runs/summarization/tiny")
    said = f"6 of {tokenizer.vocabulary_size} words begin with a vector of vectors.txt\n"
    assert said in capsys.readouterr().out
    table = keras.ops.convert_to_numpy(fit.stages[0]["summarizer"].embedding.embeddings)
    found = np.stack([table[tokenizer.vocabulary.index(word)] for word in words])
    np.testing.assert_allclose(found / found[0, 0], vectors / vectors[0, 0], rtol=1e-4)


class TestEvaluate:
    @pytest.mark.slow
    def test_gives_the_same_numbers_in_another_process(self, trained, copied):
        before = read_json(trained.run / "metrics.json")
        result = tiny.finish("evaluate", "--run", copied, folder=copied.parent)
        assert (result.status, result.err) == (0, "")
        assert read_json(copied / "metrics.json") == before
        found = evaluation(copied)
        assert read_json(found / "metrics.json") == {**before, "training_seconds": None}
        for name in ("summaries_test.jsonl", "maps/maps.npz", "maps/index.html"):
            assert (found / name).is_file()

    def test_the_saved_model_is_that_of_the_last_stage(self, copied):
        evaluate.main(["--run", str(copied), "--split", "validation"])
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["split"], report["examples"]) == ("validation", 7)
        (row,) = history(copied, "history_coverage.csv")
        for name in SCORES:
            assert report["metrics"][name] == pytest.approx(row[f"val_{name}"], rel=1e-5), name

    def test_another_data_set_and_way_of_decoding(self, copied, tmp_path):
        folder = tmp_path / "other"
        folder.mkdir()
        rows = [
            {"document": "Kim saw Lee.", "summary": ["Kim saw.", "Lee"]},
            *tiny.make_documents(2),
        ]
        tiny.write_lines(folder / "test.jsonl", rows)
        settings = {"decode": "beam", "beams": 2, "max_target": 5, "no_repeat_ngram": 1}
        evaluate.main(tiny.flags(run=copied, dataset=folder, **settings))
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["dataset"], report["examples"]) == (str(folder), 3)
        for line in tiny.read_lines(evaluation(copied) / "summaries_test.jsonl"):
            words = line["generated"].split()
            assert len(words) == len(set(words)) <= 5


@pytest.mark.slow
def test_ctrl_c_ends_training_with_one_line(documents, tmp_path):
    settings = {**tiny.SETTINGS, "epochs": 10_000, "patience": 10_000}
    process = tiny.start(
        "train", *tiny.flags(dataset=documents, name="tiny", **settings), folder=tmp_path
    )
    status, err = interrupt(process)
    assert (status, err.splitlines()[-1]) == (130, interrupted("summarization"))
    run = tmp_path / "runs" / "summarization" / "tiny"
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    summarizer = Summarizer.load(run)
    words = summarizer.tokenizer.vocabulary_size
    assert summarizer.model.decoder.vocabulary_size == words
    assert len(history(run)) >= 2


SHORT = {**tiny.SETTINGS, "epochs": 1, "max_train": 16}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history(trained, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train.main(tiny.flags(dataset=documents, name="tiny", **tiny.SETTINGS))
    run = tmp_path / "runs" / "summarization" / "tiny"
    for name in ("history.csv", "history_coverage.csv"):
        assert history(run, name) == history(trained.run, name)
    train.main(tiny.flags(dataset=documents, name="other", seed=1, **tiny.SETTINGS))
    assert history(run.parent / "other") != history(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"model": "transformer", "encoder_attention": "local"},
        {"model": "transformer", "copy": False, "ema": 0.9},
        {"model": "transformer", "tokenizer": "subwords", "vocabulary_size": 400},
        {"attention": "luong_general", "copy": False, "label_smoothing": 0.1},
        {"attention": "luong_dot", "tokenizer": "subwords", "vocabulary_size": 400},
        {"model": "transformer", "precision": "bfloat16"},
        {"precision": "float16"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_models_and_tokenizers(settings, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        train.main(tiny.flags(dataset=documents, name="tiny", **{**SHORT, **settings}))
        run = tmp_path / "runs" / "summarization" / "tiny"
        before = read_json(run / "metrics.json")
        evaluate.main(["--run", str(run)])
    finally:
        keras.config.set_dtype_policy("float32")
    assert read_json(evaluation(run) / "metrics.json")["metrics"] == before["metrics"]
    assert before["metrics"].keys() == METRICS.keys()
    assert np.isfinite(list(before["metrics"].values())).all()
    with np.load(run / "maps" / "maps.npz") as arrays:
        assert ("01/copy" in arrays) == settings.get("copy", True)


class TestResume(Resume):
    application = "summarization"

    @pytest.fixture
    def words(self, documents):
        return tiny.flags(dataset=documents, name="tiny", **tiny.SETTINGS)
