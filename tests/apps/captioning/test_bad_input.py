"""Bad input gets one line on standard error and exit status 2, and no traceback."""

import json
import re
import shutil

import pytest

from apps.captioning import evaluate, predict, train
from tests.apps.captioning import tiny
from tests.apps.captioning.tiny import refused

GOOD = '{"file_name": "0.png", "captions": ["a ring"]}'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder; one that is refused leaves no run there."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return tiny.write_pictures(folder, [[f"picture number {i}"] for i in range(8)])


class TestFlags:
    @pytest.mark.parametrize(
        ("main", "flags", "message"),
        [
            (train.main, "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
            (evaluate.main, "--splits test", "unknown flag --splits; .* is --split"),
            (predict.main, "--inputs a", "unknown flag --inputs; .* is --input"),
            (train.main, "--attention aditive", "--attention takes .*; did you mean additive"),
            (train.main, "--epochs many", "--epochs takes INT, not 'many'"),
            (
                train.main,
                "--decoder rnn --attention multi_head",
                "--attention multi_head has heads, .*rnn",
            ),
            (train.main, "--preset flickr", "--preset takes .*; did you mean flickr8k"),
            (train.main, "--dim 10 --num-heads 4", "--dim 10 must be a multiple of --num-heads 4"),
        ],
    )
    def test_is_named(self, main, flags, message, capsys):
        assert re.match(f"error: {message}", refused(main, flags.split(), capsys))

    @pytest.mark.parametrize(
        "flag",
        [
            "--epochs 0",
            "--batch-size 0",
            "--image-size 0",
            "--dim 4",
            "--captions-per-picture 0",
            "--decoder-layers 0",
            "--encoder-layers -1",
            "--max-train 0",
            "--dropout 1.0",
            "--label-smoothing -0.1",
            "--ema 1.0",
            "--learning-rate 0",
            "--warmup-steps -1",
            "--weight-decay -1",
            "--clip-norm 0",
            "--patience -1",
            "--vocabulary-size 100",
            "--max-tokens 2",
            "--beams 0",
            "--length-penalty nan",
            "--temperature 0",
            "--top-k 0",
            "--top-p 0",
            "--top-p 1.1",
            "--seed -1",
        ],
    )
    def test_a_value_out_of_range(self, flag, capsys):
        # The data set does not exist either, but the flags are looked at first.
        line = refused(train.main, ["--dataset", "./nowhere", *flag.split()], capsys)
        assert flag.split()[0] in line

    @pytest.mark.parametrize("flag", ["--beams 0", "--temperature 0", "--batch-size 0"])
    def test_a_value_out_of_range_for_a_finished_run(self, trained, flag, capsys):
        flags = ["--run", str(trained.run), *flag.split()]
        assert flag.split()[0] in refused(evaluate.main, flags, capsys)

    def test_gpu_without_one(self, pictures, capsys):
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            pytest.skip("there is one")
        line = refused(train.main, ["--dataset", str(pictures), "--device", "gpu"], capsys)
        assert "--device gpu: the tensorflow backend finds no GPU" in line

    @pytest.mark.parametrize("name", ["a/b", "..", "latest", "a b"])
    def test_a_name_that_cannot_be_a_folder(self, pictures, name, capsys):
        settings = {**tiny.SETTINGS, "dataset": pictures, "name": name}
        line = refused(train.main, tiny.flags(**settings), capsys)
        assert line.startswith(f"error: --name {name!r} cannot name a folder")


class TestDataset:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("scene", "unknown data set 'scene'. Did you mean scenes? Known: scenes, tfds:"),
            ("./nowhere", "there is no folder ./nowhere"),
            ("tfds:coco_caption", "no such name, the nearest are coco_captions"),
        ],
    )
    def test_unknown(self, name, message, capsys):
        assert message in refused(train.main, ["--dataset", name], capsys)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"file_name": "0.png"', "not JSON"),
            ('{"file_name": "0.png"}', "field 'captions' is missing"),
            ('{"captions": ["a ring"]}', "field 'file_name' is missing"),
            ('{"file_name": "0.png", "captions": "a ring"}', "must be a list of texts, not a text"),
            ('{"file_name": "0.png", "captions": []}', "field 'captions' is an empty list"),
        ],
    )
    def test_a_bad_line(self, pictures, line, message, capsys):
        path = pictures / "train.jsonl"
        path.write_text(f"{GOOD}\n{line}\n{GOOD}\n")
        complaint = refused(train.main, ["--dataset", str(pictures)], capsys)
        assert complaint.startswith(f"error: {path}:2: ") and message in complaint

    def test_empty_or_missing(self, pictures, capsys):
        (pictures / "train.jsonl").write_text("")
        line = refused(train.main, ["--dataset", str(pictures)], capsys)
        assert line == f"error: {pictures / 'train.jsonl'} is empty"
        (pictures / "train.jsonl").unlink()
        line = refused(train.main, ["--dataset", str(pictures)], capsys)
        assert line.startswith(f"error: {pictures} has no train.jsonl")

    def test_no_readable_picture(self, pictures, capsys):
        for path in pictures.glob("*.png"):
            path.write_text("no picture")
        line = refused(train.main, ["--dataset", str(pictures), "--image-size", "32"], capsys)
        assert line.startswith("error: none of the 8 pictures can be read, the first is")

    def test_a_metric_that_the_data_set_does_not_have(self, pictures, capsys):
        settings = {**tiny.SETTINGS, "dataset": pictures, "monitor": "attribute_accuracy"}
        line = refused(train.main, tiny.flags(**settings), capsys)
        assert "--monitor attribute_accuracy" in line


class TestBackbone:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("MobileNetV9", r"unknown backbone 'MobileNetV9'; did you mean MobileNet"),
            ("models/nowhere", "there is no folder models/nowhere"),
            ("nowhere.keras", r"nowhere\.keras cannot be read as a backbone: No such file"),
            ("pictures/0.png.keras", r".*0\.png\.keras cannot be read as a backbone"),
        ],
    )
    def test_unknown(self, pictures, name, message, capsys):
        shutil.copy(pictures / "0.png", pictures / "0.png.keras")
        flags = ["--dataset", str(pictures), "--backbone", name, "--image-size", "32"]
        assert re.match(f"error: {message}", refused(train.main, flags, capsys))


class TestRun:
    @pytest.mark.parametrize("main", [evaluate.main, predict.main])
    def test_none(self, main, pictures, tmp_path, capsys):
        flags = ["--input", "pictures"] if main is predict.main else []
        line = refused(main, ["--run", "none", *flags], capsys)
        assert line == "error: there is no run none"
        line = refused(main, ["--run", "pictures", *flags], capsys)
        assert line == "error: pictures is not a run: it has no config.json"
        (pictures / "config.json").write_text("{}")
        line = refused(main, ["--run", "pictures", *flags], capsys)
        assert line.startswith("error: the run pictures has no model.keras")

    @pytest.mark.parametrize("content", [b"", b"no model", None])
    def test_a_damaged_model(self, copied, content, capsys):
        path = copied / "model.keras"
        path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
        line = refused(evaluate.main, ["--run", str(copied)], capsys)
        assert line.startswith(f"error: {path} cannot be read")

    def test_a_damaged_tokenizer(self, copied, capsys):
        (copied / "tokenizer.json").write_text('{"model": 1}')
        line = refused(evaluate.main, ["--run", str(copied)], capsys)
        assert line.startswith(f"error: {copied / 'tokenizer.json'}")

    @pytest.mark.parametrize("content", ["{", '{"colour": 1}', '{"epochs": 0}', "[1]"])
    def test_a_damaged_configuration(self, copied, content, capsys):
        (copied / "config.json").write_text(content)
        line = refused(evaluate.main, ["--run", str(copied)], capsys)
        assert line.startswith(f"error: {copied / 'config.json'} is no configuration")

    def test_a_data_set_that_has_gone(self, copied, capsys):
        config = json.loads((copied / "config.json").read_text())
        config["dataset"] = "./gone"
        (copied / "config.json").write_text(json.dumps(config))
        line = refused(evaluate.main, ["--run", str(copied)], capsys)
        assert line == "error: there is no folder ./gone"


def test_a_name_that_is_taken(pictures, trained, monkeypatch, capsys):
    monkeypatch.chdir(trained.folder)
    before = (trained.run / "config.json").read_bytes()
    flags = tiny.flags(dataset=pictures, name="tiny", **tiny.SETTINGS)
    line = refused(train.main, flags, capsys)
    assert line.startswith("error: there is a run runs/captioning/tiny already")
    assert (trained.run / "config.json").read_bytes() == before
