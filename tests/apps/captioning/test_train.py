"""Training through the real commands, on a small built-in data set."""

import csv
import json
import re
import shutil
from dataclasses import asdict

import keras
import numpy as np
import pytest

from apps.captioning import data, evaluate, model, train
from apps.captioning.config import Config
from apps.captioning.inference import Captioner
from pipelines.maps import attention_maps
from pipelines.training import fitting, token_loss
from tests.apps.captioning import tiny
from tests.apps.commands import evaluation, interrupt, interrupted
from tests.apps.resume import Resume

METRICS = {
    **{f"bleu_{n}": 100 for n in (1, 2, 3, 4)},
    "cider": 10,
    "attribute_accuracy": 1,
    "pointing_accuracy": 1,
}


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def history(run):
    with open(run / "history.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class TestRun:
    def test_the_terminal_shows_the_run_and_nothing_else(self, trained):
        assert trained.err == ""
        assert "images: 1 of 48 left out, the first is" in trained.out
        assert re.search(r"47 training images, \d+ tokens, [\d,]+ parameters", trained.out)
        for epoch in (1, 2):
            (line,) = re.findall(rf"epoch {epoch}/2  .*", trained.out)
            assert re.search(r"loss \d+\.?\d*  bleu_1 .* \d+ examples/s  \d+ s$", line.rstrip())
        for metric in METRICS:
            assert re.search(rf"^ *{metric}  \d+\.\d{{3}}$", trained.out, re.MULTILINE)
        assert "runs/captioning/tiny/maps/index.html" in trained.out

    def test_the_folder_holds_all_and_nothing_half_written(self, trained):
        names = {path.name for path in trained.run.iterdir()}
        assert names == {
            "config.json",
            "model.keras",
            "tokenizer.json",
            "checkpoints",
            "history.csv",
            "metrics.json",
            "captions_test.jsonl",
            "left_out.jsonl",
            "tensorboard",
            "maps",
        }
        (row,) = tiny.read_lines(trained.run / "left_out.jsonl")
        assert row["split"] == "images" and row["reason"] == "not in a format that Pillow reads"
        assert list(trained.run.glob("tensorboard/train/events.*"))

    def test_the_configuration_is_the_resolved_one(self, trained, scenes_folder):
        expected = Config(dataset=str(scenes_folder), name="tiny", **tiny.SETTINGS)
        assert read_json(trained.run / "config.json") == asdict(expected)

    def test_latest_points_to_it(self, trained):
        latest = trained.run.parent / "latest"
        assert latest.is_symlink() and latest.resolve() == trained.run.resolve()

    def test_the_history_has_the_decoded_metrics_of_each_epoch(self, trained):
        rows = history(trained.run)
        assert [row.keys() - {"epoch", "loss"} for row in rows] == 2 * [
            {"val_loss", *(f"val_{name}" for name in METRICS)}
        ]
        assert rows[1]["loss"] < rows[0]["loss"] < 8

    def test_the_report(self, trained, scenes_folder):
        report = read_json(trained.run / "metrics.json")
        keys = ["dataset", "split", "examples", "training_seconds", "parameters", "metrics"]
        assert list(report) == keys
        assert (report["dataset"], report["split"]) == (str(scenes_folder), "test")
        assert report["examples"] == 8
        assert 0 < report["training_seconds"] < 300
        parameters = re.search(r"([\d,]+) parameters", trained.out)[1]
        assert report["parameters"] == int(parameters.replace(",", ""))
        assert report["metrics"].keys() == METRICS.keys()
        for name, value in report["metrics"].items():
            assert 0 <= value <= METRICS[name], name
        assert report["metrics"]["bleu_1"] > 0

    def test_captions_stand_beside_their_references(self, trained, scenes_folder):
        lines = tiny.read_lines(trained.run / "captions_test.jsonl")
        rows = tiny.read_lines(scenes_folder / "test.jsonl")
        for line, row in zip(lines, rows, strict=True):
            assert line["file_name"] == row["file_name"]
            assert line["captions"] == row["captions"]

    def test_maps(self, trained):
        lines = tiny.read_lines(trained.run / "captions_test.jsonl")
        folder = trained.run / "maps"
        maps = attention_maps.load_npz(folder / "maps.npz")
        described = {line["file_name"][7:-4]: line["caption"] for line in lines if line["caption"]}
        assert {name: " ".join(map_.words) for name, map_ in maps.items()} == described
        for map_ in maps.values():
            assert map_.axes == ("word", "row", "column")
            assert map_.weights.shape[1:] == tiny.GRID
            np.testing.assert_allclose(map_.weights.sum(axis=(1, 2)), 1, atol=1e-5)
        assert {path.stem for path in folder.glob("*.png")} == set(described)
        page = (folder / "index.html").read_text("utf-8")
        for line in lines:
            assert line["captions"][0] in page
        assert not re.search(r"(src|href)=\W*https?:", page)


@pytest.mark.slow
def test_a_new_network_learns_concepts_first_and_keeps_its_statistics(scenes_folder, capsys):
    settings = {**tiny.SETTINGS, "concept_weight": 1.0, "batch_size": 2, "concept_epochs": 2}
    config = Config(dataset=str(scenes_folder), max_train=16, **settings)
    assert config.learns_concepts_first
    assert not Config(backbone="x", **settings).learns_concepts_first
    rows = data.read(config)["train"]
    split, tokenizer = data.open_split(rows, config), data.train_tokenizer(rows, config)
    groups = data.group_captions(split, tokenizer, config)
    captioner = model.build(config, split.arrays[0].shape[1:], tokenizer.vocabulary_size)
    network, decoder = captioner.encoder.network, captioner.decoder

    def state():
        parts = (network.trainable_weights, network.non_trainable_weights, decoder.weights)
        return [[keras.ops.convert_to_numpy(w) for w in part] for part in parts]

    def changed(before, after):
        return [
            any((old != new).any() for old, new in zip(*part, strict=True))
            for part in zip(before, after, strict=True)
        ]

    start = state()
    run = fitting.Run("captioning", config)
    train.learn_concepts(run, captioner, data.concept_batches(split, groups, config))
    assert re.findall(r"concepts (\d)/2  loss", capsys.readouterr().out) == ["1", "2"]
    learnt = state()
    assert changed(start, learnt) == [True, True, False]
    batches = data.training_batches(split, groups, config)
    fitting.compile_model(captioner, config, batches, 1, loss=token_loss.TokenCrossentropy())
    captioner.fit(batches.open(), steps_per_epoch=4, verbose=0)
    assert changed(learnt, state()) == [True, False, True]


class TestEvaluate:
    @pytest.mark.slow
    def test_gives_the_same_numbers_in_another_process(self, trained, copied):
        before = read_json(trained.run / "metrics.json")
        result = tiny.finish("evaluate", "--run", copied, folder=copied.parent)
        assert (result.status, result.err) == (0, "")
        assert read_json(copied / "metrics.json") == before
        found = evaluation(copied)
        assert read_json(found / "metrics.json") == {**before, "training_seconds": None}
        for name in ("captions_test.jsonl", "maps/maps.npz", "maps/index.html"):
            assert (found / name).is_file()

    def test_the_saved_model_is_the_best_epoch(self, copied):
        evaluate.main(["--run", str(copied), "--split", "validation"])
        report = read_json(evaluation(copied) / "metrics.json")
        assert report["split"] == "validation"
        rows = history(copied)[::-1]  # The last of the best.
        best = max(rows, key=lambda row: row["val_attribute_accuracy"])
        assert {f"val_{k}": v for k, v in report["metrics"].items()} == {
            k: v for k, v in best.items() if k.startswith("val_") and k != "val_loss"
        }

    def test_another_data_set_and_way_of_decoding(self, copied, tmp_path):
        folder = tiny.write_images(tmp_path, [["a red circle"], ["a blue square", "a ring"]])
        flags = tiny.flags(run=copied, dataset=folder, decode="beam", beams=2)
        evaluate.main(flags)
        report = read_json(evaluation(copied) / "metrics.json")
        assert (report["dataset"], report["examples"]) == (str(folder), 2)
        assert set(report["metrics"]) == {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider"}


@pytest.mark.slow
def test_ctrl_c_ends_training_with_one_line(scenes_folder, tmp_path):
    settings = {**tiny.SETTINGS, "epochs": 10_000, "patience": 10_000, "max_train": 16}
    flags = tiny.flags(dataset=scenes_folder, name="tiny", **settings)
    process = tiny.start("train", *flags, folder=tmp_path)
    status, err = interrupt(process)
    assert (status, err.splitlines()[-1]) == (130, interrupted("captioning"))
    run = tmp_path / "runs" / "captioning" / "tiny"
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    assert Captioner.load(run).model.encoder.grid == tiny.GRID
    assert len(history(run)) >= 2


SHORT = {**tiny.SETTINGS, "epochs": 1, "flip": True, "max_train": 16}


class TestBackbone:
    @pytest.mark.slow
    def test_frozen(self, network, scenes_folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        backbone = shutil.copy(network, tmp_path / "pretrained.keras")
        train.main(tiny.flags(dataset=scenes_folder, name="tiny", backbone=backbone, **SHORT))
        run = tmp_path / "runs" / "captioning" / "tiny"
        backbone.unlink()

        captioner = Captioner.load(run)
        lines = tiny.read_lines(run / "captions_test.jsonl")
        results = captioner.predict([scenes_folder / line["file_name"] for line in lines])
        assert [result.text for result in results] == [line["caption"] for line in lines]
        assert results[0].map.weights.shape[1:] == tiny.GRID

        rows = data.read(captioner.config, ["test"])["test"]
        assert captioner.evaluate(rows) == read_json(run / "metrics.json")["metrics"]

    @pytest.mark.slow
    def test_fine_tuned(self, scenes_folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(keras.applications, "TinyNet", tiny.TinyNet, raising=False)
        train.main(
            tiny.flags(
                dataset=scenes_folder,
                name="tiny",
                backbone="tinynet",
                fine_tune=True,
                **{**SHORT, "ema": 0},
            )
        )
        encoder = Captioner.load(tmp_path / "runs" / "captioning" / "tiny").model.encoder
        assert encoder.grid == tiny.GRID
        tuned = encoder.network.get_layer("tiny_net")
        shape = (tiny.SIZE, tiny.SIZE, 3)
        pretrained = tiny.TinyNet(include_top=False, weights="imagenet", input_shape=shape)
        for weight, old in zip(tuned.weights, pretrained.weights, strict=True):
            statistic = "moving" in weight.path
            assert (weight.numpy() == old.numpy()).all() == statistic, weight.path


class TestResume(Resume):
    application = "captioning"

    @pytest.fixture
    def words(self, scenes_folder):
        return tiny.flags(dataset=scenes_folder, name="tiny", **tiny.SETTINGS)
