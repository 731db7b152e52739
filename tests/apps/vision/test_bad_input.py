"""Bad input gets one line on standard error and exit status 2, and no traceback."""

import re

import pytest

from apps.vision import evaluate, predict, train
from pipelines.commands import runs
from tests.apps.commands import flags, refused
from tests.apps.vision import tiny


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
    return tiny.write_lines(folder, ["a", "b"] * 6)


class TestFlags:
    @pytest.mark.parametrize(
        ("main", "arguments", "message"),
        [
            (train.main, "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
            (evaluate.main, "--splits test", "unknown flag --splits; .* is --split"),
            (predict.main, "--inputs a", "unknown flag --inputs; .* is --input"),
            (train.main, "--attention multihead", "--attention takes .*; did you mean multi_head"),
            (train.main, "--size tinny", "--size takes .*; did you mean tiny"),
            (train.main, "--preset cifar", "--preset takes .*; did you mean cifar10"),
            (train.main, "--dim 10 --num-heads 4", "--dim 10 must be a multiple of --num-heads 4"),
            (train.main, "--mlp-ratio 0.01", "--mlp-ratio 0.01 leaves nothing of --dim 64"),
            (train.main, "--num-heads 3", "--dim 64 must be a multiple of --num-heads 3"),
            (
                train.main,
                "--model vit --image-size 30 --patch-size 4",
                "--image-size 30 must be a multiple of --patch-size 4",
            ),
        ],
    )
    def test_is_named(self, main, arguments, message, capsys):
        assert re.match(f"error: {message}", refused(main, arguments.split(), capsys))

    @pytest.mark.parametrize(
        "flag",
        [
            "--image-size 0",
            "--patch-size 0",
            "--dim 4",
            "--depth 0",
            "--mlp-ratio 0",
            "--convolutions 0",
            "--kernel-size 0",
            "--layer-scale -1",
            "--stochastic-depth 1",
            "--dropout 1.0",
            "--crop -1",
            "--rand-augment -1",
            "--magnitude 11",
            "--erasing 1.1",
            "--mixup -0.1",
            "--cutmix nan",
            "--epochs 0",
            "--batch-size 0",
            "--steps-per-execution 0",
            "--learning-rate 0",
            "--warmup-steps -1",
            "--weight-decay -1",
            "--clip-norm 0",
            "--label-smoothing -0.1",
            "--ema 1.0",
            "--patience -1",
            "--max-train 0",
            "--seed -1",
        ],
    )
    def test_a_value_out_of_range(self, flag, capsys):
        # The data set does not exist either, but the flags are looked at first.
        line = refused(train.main, ["--dataset", "./nowhere", *flag.split()], capsys)
        assert flag.split()[0] in line

    def test_a_value_out_of_range_for_a_finished_run(self, trained, capsys):
        line = refused(evaluate.main, ["--run", trained.run, "--batch-size", "0"], capsys)
        assert "--batch-size must be at least 1, not 0" in line

    def test_gpu_without_one(self, pictures, capsys):
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            pytest.skip("there is one")
        line = refused(train.main, ["--dataset", pictures, "--device", "gpu"], capsys)
        assert "--device gpu: the tensorflow backend finds no GPU" in line


class TestDataset:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("digit", "unknown data set 'digit'. Did you mean digits? Known: digits, tfds:"),
            ("./nowhere", "there is no folder ./nowhere"),
            ("tfds:cifar11", "no such name, the nearest are cifar10"),
            ("tfds:imdb_reviews", "tfds:imdb_reviews has nothing for the field 'file_name'"),
        ],
    )
    def test_unknown(self, name, message, capsys):
        assert message in refused(train.main, ["--dataset", name], capsys)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"file_name": "train-0.png"', "not JSON"),
            ('{"file_name": "train-0.png"}', "field 'label' is missing"),
            ('{"label": "a"}', "field 'file_name' is missing"),
            ('{"file_name": "train-0.png", "label": 3}', "'label' must be a text, not a number"),
            ('{"file_name": "train-0.png", "label": ""}', "field 'label' has an empty text"),
        ],
    )
    def test_a_bad_line(self, pictures, line, message, capsys):
        path = pictures / "train.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], line, *lines[1:]]))
        complaint = refused(train.main, ["--dataset", pictures], capsys)
        assert complaint.startswith(f"error: {path}:2: ") and message in complaint

    def test_a_folder_without_pictures(self, tmp_path, capsys):
        (tmp_path / "train" / "cat").mkdir(parents=True)
        line = refused(train.main, ["--dataset", str(tmp_path)], capsys)
        assert line.startswith(f"error: {tmp_path} has neither train.jsonl nor images in train/")

    def test_too_few_to_cut_from(self, tmp_path, capsys):
        folder = tiny.write_classes(tmp_path / "set", {"red": 1, "green": 1})
        line = refused(train.main, ["--dataset", folder], capsys)
        assert line == f"error: {folder}: too few lines in train to cut a validation split from it"

    def test_no_readable_picture(self, pictures, capsys):
        for path in pictures.glob("*.png"):
            path.write_text("no picture")
        line = refused(train.main, ["--dataset", pictures], capsys)
        assert line.startswith("error: none of the 12 pictures can be read, the first is")

    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_no_readable_picture_to_score(self, pictures, split, capsys):
        tiny.write_lines(pictures, ["a"], split=split)
        path = pictures / f"{split}-0.png"
        path.write_text("no picture")
        line = refused(train.main, ["--dataset", pictures], capsys)
        assert line == f"error: none of the 1 pictures can be read, the first is {path}"

    def test_one_class(self, tmp_path, capsys):
        folder = tiny.write_classes(tmp_path / "set", {"red": 9})
        line = refused(train.main, ["--dataset", folder], capsys)
        assert line == ("error: all training pictures have the label 'red': there is no choice")

    def test_a_test_label_unknown_to_training(self, pictures, capsys):
        tiny.write_lines(pictures, ["a", "zebra", "zebra"], split="test")
        line = refused(train.main, ["--dataset", pictures], capsys)
        assert line == (
            "error: 2 of 3 test pictures have a label that training does not know: 'zebra' (2); "
            "rename it, remove them, or add such pictures to train"
        )

    def test_a_label_unknown_to_the_run(self, copied, pictures, capsys):
        line = refused(evaluate.main, ["--run", copied, "--dataset", pictures], capsys)
        assert "test pictures have a label that training does not know: 'a' (" in line


class TestRun:
    @pytest.mark.parametrize("main", [evaluate.main, predict.main])
    def test_none(self, main, pictures, capsys):
        arguments = ["--input", "pictures"] if main is predict.main else []
        line = refused(main, ["--run", "none", *arguments], capsys)
        assert line == "error: there is no run none"
        line = refused(main, ["--run", "pictures", *arguments], capsys)
        assert line == "error: pictures is not a run: it has no config.json"

    def test_to_start_from(self, pictures, capsys):
        line = refused(train.main, ["--dataset", pictures, "--start", "none"], capsys)
        assert line == "error: there is no run none"

    @pytest.mark.parametrize("content", [b"", b"no model", None])
    def test_a_damaged_model(self, copied, content, capsys):
        path = copied / "model.keras"
        path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
        line = refused(evaluate.main, ["--run", copied], capsys)
        assert line.startswith(f"error: {path} cannot be read")

    @pytest.mark.parametrize("content", ["{", None])
    def test_damaged_names(self, copied, content, capsys):
        path = copied / "labels.json"
        path.unlink() if content is None else path.write_text(content)
        line = refused(evaluate.main, ["--run", copied], capsys)
        assert line.startswith(f"error: {path} cannot be read")

    def test_the_configuration_of_another_application(self, copied, capsys):
        runs.write_json(copied / "config.json", {"decoder": "rnn"})
        line = refused(evaluate.main, ["--run", copied], capsys)
        assert line.startswith(f"error: {copied / 'config.json'} is no configuration")

    def test_a_name_that_cannot_be_a_folder(self, pictures, capsys):
        line = refused(train.main, flags(dataset=pictures, name="a/b"), capsys)
        assert line.startswith("error: --name 'a/b' cannot name a folder")
