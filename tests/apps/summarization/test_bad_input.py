"""Bad input gets one line on standard error and exit status 2, and no traceback."""

import json
import re

import pytest

from apps.summarization import evaluate, predict, train
from tests.apps.summarization import tiny
from tests.apps.summarization.tiny import refused


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder; one that is refused leaves no run there."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_documents(tmp_path / "set", train=8, validation=2, test=2)


class TestFlags:
    @pytest.mark.parametrize(
        ("main", "flags", "message"),
        [
            (train.main, "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
            (train.main, "--coverages", "unknown flag --coverages; .* is --coverage"),
            (evaluate.main, "--splits test", "unknown flag --splits; .* is --split"),
            (predict.main, "--inputs a", "unknown flag --inputs; .* is --input"),
            (train.main, "--attention aditive", "--attention takes .*; did you mean additive"),
            (train.main, "--epochs many", "--epochs takes INT, not 'many'"),
            (train.main, "--preset aesl", "--preset takes .*; did you mean aeslc"),
            (train.main, "--model rnn --attention multi_head", ".*multi_head has heads, .* rnn"),
            (train.main, "--model rnn --encoder-attention local", "--encoder-attention .* rnn"),
            (train.main, "--attention local", "--attention local is self-attention, .*"),
            (
                train.main,
                "--model transformer --dim 10 --num-heads 4",
                "--dim 10 must be a multiple of --num-heads 4",
            ),
            (train.main, "--min-length 9 --max-target 9", "--min-length must be less than"),
            (
                train.main,
                "--vectors a.txt --tokenizer subwords",
                "--vectors are of words: they go with --tokenizer words",
            ),
        ],
    )
    def test_is_named(self, main, flags, message, capsys):
        assert re.match(f"error: {message}", refused(main, flags.split(), capsys))

    @pytest.mark.parametrize(
        "flag",
        [
            "--coverage-epochs -1",
            "--coverage-weight -0.5",
            "--coverage-weight nan",
            "--vocabulary-size 100",
            "--max-source 2",
            "--max-target 2",
            "--tokens-per-batch 0",
            "--no-repeat-ngram -1",
            "--dropout 1.0",
            "--beams 0",
            "--seed -1",
        ],
    )
    def test_a_value_out_of_range(self, flag, capsys):
        # The data set does not exist either, but the flags are looked at first.
        line = refused(train.main, ["--dataset", "./nowhere", *flag.split()], capsys)
        assert line.startswith(f"error: {flag.split()[0]} must be ")

    @pytest.mark.parametrize("main", [evaluate.main, predict.main])
    @pytest.mark.parametrize("flag", ["--beams 0", "--top-p 2", "--min-length 99"])
    def test_a_value_out_of_range_for_a_finished_run(self, trained, main, flag, capsys):
        flags = ["--run", str(trained.run), *flag.split()]
        assert refused(main, flags, capsys).startswith(f"error: {flag.split()[0]} must be ")

    def test_gpu_without_one(self, folder, capsys):
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            pytest.skip("there is one")
        line = refused(train.main, ["--dataset", str(folder), "--device", "gpu"], capsys)
        assert "--device gpu: the tensorflow backend finds no GPU" in line

    @pytest.mark.parametrize("name", ["a/b", "latest", "a b"])
    def test_a_name_that_cannot_be_a_folder(self, folder, name, capsys):
        line = refused(train.main, tiny.flags(dataset=folder, name=name), capsys)
        assert line.startswith(f"error: --name {name!r} cannot name a folder")


class TestDataset:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "docstring",
                "unknown data set 'docstring'. Did you mean docstrings? Known: docstrings, tfds:",
            ),
            ("./nowhere", "there is no folder ./nowhere"),
            ("tfds:cnn_dailymails", "no such name, the nearest are cnn_dailymail"),
        ],
    )
    def test_unknown(self, name, message, capsys):
        assert message in refused(train.main, ["--dataset", name], capsys)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"document": "a"', "not JSON"),
            ('{"document": "a"}', "field 'summary' is missing"),
            ('{"document": "a", "summary": {"a": 1}}', "a text or a list of texts, not an object"),
        ],
    )
    def test_a_bad_line(self, folder, line, message, capsys):
        path = folder / "train.jsonl"
        good = json.dumps(tiny.make_documents(1)[0])
        path.write_text(f"{good}\n{line}\n{good}\n")
        complaint = refused(train.main, ["--dataset", str(folder)], capsys)
        assert complaint.startswith(f"error: {path}:2: ") and message in complaint

    def test_empty_or_missing(self, folder, capsys):
        (folder / "train.jsonl").write_text("")
        line = refused(train.main, ["--dataset", str(folder)], capsys)
        assert line == f"error: {folder / 'train.jsonl'} is empty"
        (folder / "train.jsonl").unlink()
        line = refused(train.main, ["--dataset", str(folder)], capsys)
        assert line.startswith(f"error: {folder} has no train.jsonl")

    def test_vectors_that_cannot_be_read_or_do_not_fit(self, folder, tmp_path, capsys):
        settings = {**tiny.MODEL, "dataset": folder, "vectors": "none.txt"}
        line = refused(train.main, tiny.flags(**settings), capsys)
        assert line == "error: cannot read none.txt: No such file or directory"
        (tmp_path / "long.txt").write_text(f"saw{' 1' * 17}\n")
        line = refused(train.main, tiny.flags(**{**settings, "vectors": "long.txt"}), capsys)
        assert line == "error: long.txt:1: a vector of 17 numbers, more than the 16 of the model"


class TestRun:
    @pytest.mark.parametrize("main", [evaluate.main, predict.main])
    def test_none(self, main, folder, capsys):
        flags = ["--input", "Kim saw Lee."] if main is predict.main else []
        line = refused(main, ["--run", "none", *flags], capsys)
        assert line == "error: there is no run none"
        line = refused(main, ["--run", "set", *flags], capsys)
        assert line == "error: set is not a run: it has no config.json"
        (folder / "config.json").write_text("{}")
        line = refused(main, ["--run", "set", *flags], capsys)
        assert line.startswith("error: the run set has no model.keras")

    @pytest.mark.parametrize("content", [b"no model", None])
    def test_a_damaged_model(self, copied, content, capsys):
        path = copied / "model.keras"
        path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
        line = refused(evaluate.main, ["--run", str(copied)], capsys)
        assert line.startswith(f"error: {path} cannot be read")

    @pytest.mark.parametrize("content", ["[", '["a", "b"]'])
    def test_damaged_words(self, copied, content, capsys):
        (copied / "words.json").write_text(content)
        line = refused(evaluate.main, ["--run", str(copied)], capsys)
        assert line.startswith(f"error: {copied / 'words.json'}: ")

    @pytest.mark.parametrize("content", ["{", '{"colour": 1}', '{"coverage_epochs": -1}', "[1]"])
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


def test_a_name_that_is_taken(folder, trained, monkeypatch, capsys):
    monkeypatch.chdir(trained.folder)
    before = (trained.run / "config.json").read_bytes()
    flags = tiny.flags(dataset=folder, name="tiny", **tiny.SETTINGS)
    line = refused(train.main, flags, capsys)
    assert line.startswith("error: there is a run runs/summarization/tiny already")
    assert (trained.run / "config.json").read_bytes() == before
