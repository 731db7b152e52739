"""Training and evaluation through the real commands."""

import csv
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from apps.vision import data, evaluate, train
from apps.vision.config import Config
from apps.vision.inference import Classifier
from pipelines.commands import runs
from pipelines.images import backbones
from pipelines.maps import attention_maps
from tests.apps.commands import evaluation, flags, interrupt, interrupted, read_lines, refused
from tests.apps.resume import Resume
from tests.apps.vision import tiny

METRICS = {"top_1", "top_5", "macro_f1", "calibration_error"}


def history(run):
    with (run / "history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class TestTrain:
    def test_says_what_it_does(self, trained):
        assert trained.err == ""
        assert re.search(
            r"64 training images, 8 x 8, grey, "
            r"10 classes \(0, 1, 2, .*9\), [\d,]+ parameters, run ",
            trained.out,
        )
        assert re.findall(r"^epoch (\d)/2  loss .* examples/s", trained.out, re.MULTILINE) == [
            "1",
            "2",
        ]
        assert re.search(r"^ *class +precision +recall +f1 +images *$", trained.out, re.MULTILINE)
        assert re.search(r"^ *top_1  0\.\d{3}$", trained.out, re.MULTILINE)

    def test_the_run_has_all_that_it_needs(self, trained):
        names = {path.name for path in trained.run.iterdir()}
        assert names == {
            "config.json",
            "labels.json",
            "model.keras",
            "checkpoints",
            "history.csv",
            "tensorboard",
            "metrics.json",
            "predictions_test.jsonl",
            "classes_test.csv",
            "confusion_test.png",
            "maps",
        }
        assert runs.read_json(trained.run / "labels.json") == list("0123456789")
        config = runs.load(trained.run, Config)
        assert (config.image_size, config.patch_size, config.pool) == (8, 2, "attention")
        assert (config.dim, config.depth, config.max_train) == (16, 2, 64)

    def test_history_has_the_scores_of_each_epoch(self, trained):
        rows = history(trained.run)
        assert [row.keys() - {"epoch", "loss"} for row in rows] == 2 * [
            {"val_loss", *(f"val_{name}" for name in METRICS)}
        ]

    def test_the_report(self, trained):
        report = runs.read_json(trained.run / "metrics.json")
        assert (report["dataset"], report["split"], report["examples"]) == ("digits", "test", 364)
        assert 0 < report["training_seconds"] < 300
        parameters = re.search(r"([\d,]+) parameters", trained.out)[1]
        assert report["parameters"] == int(parameters.replace(",", ""))
        assert report["metrics"].keys() == METRICS
        assert all(0 <= value <= 1 for value in report["metrics"].values())
        assert report["metrics"]["top_5"] > report["metrics"]["top_1"]

    def test_predictions_and_the_table_of_classes_agree_with_the_report(self, trained):
        lines = read_lines(trained.run / "predictions_test.jsonl")
        report = runs.read_json(trained.run / "metrics.json")
        right = [line["label"] == line["predicted"] for line in lines]
        assert np.mean(right) == pytest.approx(report["metrics"]["top_1"])
        assert all(0.1 <= line["probability"] <= 1 for line in lines)
        with (trained.run / "classes_test.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["name"] for row in rows] == list("0123456789")
        for row in rows:
            mine = [line for line in lines if line["label"] == row["name"]]
            assert int(row["support"]) == len(mine)
            recall = np.mean([line["predicted"] == row["name"] for line in mine])
            assert float(row["recall"]) == pytest.approx(recall, abs=1e-4)
        with Image.open(trained.run / "confusion_test.png") as image:
            assert min(image.size) > 300

    def test_maps(self, trained):
        maps = attention_maps.load_npz(trained.run / "maps" / "maps.npz")
        lines = read_lines(trained.run / "predictions_test.jsonl")
        assert len(maps) >= 16
        for name, found in maps.items():
            assert lines[int(name[:5])]["file_name"] == f"images/{name[6:]}.png"
            assert found.words == ("block 1", "block 2", "rollout", "pooling")
            assert found.weights.shape == (4, 4, 4)
            np.testing.assert_allclose(found.weights.sum(axis=(1, 2)), 1, atol=1e-5)
        drawn = {path.stem for path in (trained.run / "maps").glob("*.png")}
        assert len(drawn) == 8 and drawn <= set(maps)
        page = (trained.run / "maps" / "index.html").read_text("utf-8")
        assert re.search(r"True \d / predicted \d \((correct|wrong)\)", page)
        assert not re.search(r"(src|href)=\W*https?:", page)


@pytest.mark.slow
def test_it_learns_ten_images_by_heart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tiny.write_lines(tmp_path, list("abcde") * 2)
    noise = np.random.default_rng(0).integers(0, 256, (10, 8, 8), "uint8")
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"train-{number}.png")
    lines = (folder / "train.jsonl").read_text()
    for split, times in (("train", 20), ("validation", 1), ("test", 1)):
        (folder / f"{split}.jsonl").write_text(times * lines)
    settings = {**tiny.SETTINGS, "dim": 32, "batch_size": 10, "epochs": 4, "crop": 0, "mixup": 0}
    train.main(flags(dataset=folder, name="ten", label_smoothing=0, **settings))
    report = runs.read_json(tmp_path / "runs" / "vision" / "ten" / "metrics.json")
    assert report["metrics"]["top_1"] == 1


@pytest.fixture
def frozen_network(tmp_path):
    """Path of a network that stands for a pretrained one."""
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(7, 3, strides=4, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    keras.Model(pixels, x, name="backbone").save(tmp_path / "network.keras")
    return tmp_path / "network.keras"


@pytest.mark.slow
def test_a_frozen_backbone_sees_each_image_once(frozen_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path / "cache"))
    seen, compute = [], backbones.compute_features

    def counted(network, pixels):
        seen.append(len(pixels))
        return compute(network, pixels)

    monkeypatch.setattr(backbones, "compute_features", counted)
    settings = {**tiny.SETTINGS, "backbone": frozen_network, "image_size": 16, "max_train": 32}
    train.main(flags(freeze=True, flip=True, name="frozen", **settings))
    # 32 images and their mirror images, and the 180 of validation, whatever the epochs.
    assert sum(seen) == 2 * 32 + 180
    run = tmp_path / "runs" / "vision" / "frozen"
    classifier = Classifier.load(run)
    kept = keras.saving.load_model(frozen_network).get_weights()
    found = classifier.model.tokenizer.get_layer("backbone").get_weights()
    for weight, old in zip(found, kept, strict=True):
        np.testing.assert_array_equal(weight, old)
    rows = data.read(classifier.config, wanted=("validation",))["validation"]
    best = max(history(run)[::-1], key=lambda row: row["val_top_1"])
    assert classifier.evaluate(rows)["top_1"] == pytest.approx(best["val_top_1"], abs=0.02)
    assert best["val_loss"] > 0


class TestEvaluate:
    @pytest.mark.slow
    def test_gives_the_same_numbers_in_another_process(self, trained, copied):
        before = runs.read_json(trained.run / "metrics.json")
        for path in (copied / "maps", copied / "tensorboard"):
            shutil.rmtree(path)
        result = tiny.finish("evaluate", "--run", copied, folder=copied.parent)
        assert (result.status, result.err) == (0, "")
        found = evaluation(copied)
        expected = {**before, "training_seconds": None}
        assert runs.read_json(found / "metrics.json") == expected
        assert (found / "maps" / "index.html").is_file()

    def test_the_saved_model_is_the_best_epoch(self, trained, classifier):
        rows = data.read(classifier.config, wanted=("validation",))["validation"]
        assert len(rows) == 180
        best = max(history(trained.run)[::-1], key=lambda row: row["val_top_1"])
        for name, value in classifier.evaluate(rows).items():
            assert value == pytest.approx(best[f"val_{name}"], abs=1e-4)

    @pytest.mark.slow
    def test_another_data_set_in_colour_with_mirrored_images(self, copied, tmp_path):
        folder = tiny.write_classes(tmp_path, {"red": 3, "green": 2}, ("train", "validation"))
        for split in ("train", "validation"):
            (folder / split / "red").rename(folder / split / "3")
            (folder / split / "green").rename(folder / split / "7")
        settings = {"split": "validation", "test_flip": True, "batch_size": 3}
        evaluate.main(flags(run=copied, dataset=folder, **settings))
        found = evaluation(copied)
        report = runs.read_json(found / "metrics.json")
        assert (report["dataset"], report["split"]) == (str(folder), "validation")
        assert report["examples"] == 5
        assert (found / "classes_validation.csv").is_file()
        lines = read_lines(found / "predictions_validation.jsonl")
        assert [line["label"] for line in lines] == ["3"] * 3 + ["7"] * 2
        files = [folder / line["file_name"] for line in lines]
        flipped = Classifier.load(copied).predict(files, test_flip=True)
        assert [line["predicted"] for line in lines] == [result.label for result in flipped]
        scores = [result.score for result in flipped]
        assert [line["probability"] for line in lines] == pytest.approx(scores, abs=1e-4)


class TestGoingOn:
    """`--start` takes the model of another run and its weights."""

    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return tiny.write_classes(tmp_path / "set", {"red": 12, "green": 12})

    @pytest.mark.slow
    def test_with_other_images_and_classes(self, trained, classifier, folder, tmp_path, capsys):
        settings = {"image_size": 16, "epochs": 1, "learning_rate": 1e-9}
        train.main(flags(dataset=folder, name="on", start=trained.run, **settings))
        # In colour it sees what the grey one saw.
        assert "20 training images, 16 x 16, grey, 2 classes" in capsys.readouterr().out
        going_on = Classifier.load(tmp_path / "runs" / "vision" / "on")
        config = going_on.config
        assert (config.image_size, config.dim, config.epochs) == (16, 16, 1)
        assert going_on.model.grid == (8, 8)
        pairs = zip(classifier.model.weights, going_on.model.weights, strict=True)
        carried = [
            (old, new)
            for old, new in pairs
            if not any(part in old.path for part in ("positions", "seed", "/head/"))
        ]
        assert len(carried) > 20
        for old, new in carried:
            np.testing.assert_allclose(old, new, atol=1e-5, err_msg=old.path)

    @pytest.mark.parametrize(
        ("flag", "message"),
        [
            ("--pool mean", "--pool mean: --start .* has weights for --pool attention only"),
            ("--layer-scale 0.1", r"--start .*: it has \d+ weights, not \d+: another model"),
            ("--attention additive", r"--start .*: .* another model"),
        ],
    )
    def test_what_cannot_be_carried_over(self, trained, folder, tmp_path, capsys, flag, message):
        arguments = [*flags(dataset=folder, start=trained.run), *flag.split()]
        assert re.match(f"error: {message}", refused(train.main, arguments, capsys))
        assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_ctrl_c_ends_training_with_one_line(tmp_path):
    settings = {**tiny.SETTINGS, "epochs": 10_000, "patience": 10_000, "max_train": 32}
    process = tiny.start("train", *flags(name="tiny", **settings), folder=tmp_path)
    status, err = interrupt(process)
    assert (status, err.splitlines()[-1]) == (130, interrupted("vision"))
    run = tmp_path / "runs" / "vision" / "tiny"
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    classifier = Classifier.load(run)
    assert classifier.model.grid == (4, 4) and len(classifier.names) == 10
    assert len(history(run)) >= 2


@pytest.mark.slow
def test_half_precision_scores_the_same_when_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {**tiny.SETTINGS, "max_train": 32, "epochs": 1, "precision": "bfloat16"}
    try:
        train.main(flags(name="half", **settings))
    finally:
        keras.config.set_dtype_policy("float32")
    run = tmp_path / "runs" / "vision" / "half"
    before = runs.read_json(run / "metrics.json")
    lines = read_lines(run / "predictions_test.jsonl")
    evaluate.main(["--run", str(run)])
    assert runs.read_json(run / "metrics.json") == before
    found = evaluation(run)
    assert runs.read_json(found / "metrics.json")["metrics"] == before["metrics"]
    assert read_lines(found / "predictions_test.jsonl") == lines
    blocks = Classifier.load(run).model.blocks
    assert {block.compute_dtype for block in blocks} == {"bfloat16"}


@pytest.mark.slow
def test_a_run_that_diverges_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = {**tiny.SETTINGS, "depth": 1, "max_train": 128, "learning_rate": 1e20}
    line = refused(train.main, flags(name="far", **settings), capsys)
    assert line.startswith("error: training diverged: the loss of epoch 1 is ")
    assert line.endswith("; no epoch was saved. Try a smaller --learning-rate")


@pytest.mark.slow
def test_a_vit_of_another_mechanism_in_colour_through_the_whole_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tiny.write_classes(tmp_path / "set", {"red": 12, "green": 12, "blue": 1})
    settings = {**tiny.SETTINGS, "model": "vit", "attention": "additive", "pool": "mean"}
    settings |= {"depth": 1, "epochs": 1, "ema": 0, "flip": True, "cutmix": 1.0}
    train.main(flags(dataset=folder, name="other", **settings))
    run = tmp_path / "runs" / "vision" / "other"
    assert runs.read_json(run / "labels.json") == ["blue", "green", "red"]
    report = runs.read_json(run / "metrics.json")
    assert report["examples"] == 2


class TestResume(Resume):
    application = "vision"

    @pytest.fixture
    def words(self):
        settings = {"max_train": 64, "mixup": 0.2, "rand_augment": 1, "erasing": 0.1}
        return flags(name="tiny", **tiny.SETTINGS, **settings)
