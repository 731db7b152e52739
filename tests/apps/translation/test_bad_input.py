"""Bad input gets one line on standard error and exit status 2, and no traceback."""

import io
import json
import re
import sys
from types import SimpleNamespace

import pytest

from apps.translation import evaluate, predict, train
from tests.apps.translation import tiny
from tests.apps.translation.tiny import refused

GOOD = '{"source": "one", "target": "eins"}'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder; one that is refused leaves no run there."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def files(tmp_path):
    """Plain text of both sides, as flags."""
    return tiny.write_texts(tmp_path, tiny.make_dates(11))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_dates(tmp_path / "set", train=3, validation=2, test=2)


class TestFlags:
    @pytest.mark.parametrize(
        ("main", "flags", "message"),
        [
            (train.main, "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
            (evaluate.main, "--splits test", "unknown flag --splits; .* is --split"),
            (predict.main, "--inputs a", "unknown flag --inputs; .* is --input"),
            (train.main, "--attention aditive", "--attention takes .*; did you mean additive"),
            (train.main, "--epochs many", "--epochs takes INT, not 'many'"),
            (train.main, "--model rnn --attention multi_head", "--attention multi_head has heads"),
            (train.main, "--attention local", "--attention local is self-attention"),
            (train.main, "--model rnn --encoder-attention local", "--encoder-attention is that"),
            (train.main, "--preset multi30", "--preset takes .*; did you mean multi30k"),
            (train.main, "--dim 10 --num-heads 4", "--dim 10 must be a multiple of --num-heads 4"),
            (train.main, "--bleu-tokenize jp", "--bleu-tokenize takes .*zh"),
            (train.main, "--source-language de", "--source-language and --target-language go"),
            (
                train.main,
                "--source-language de --target-language en",
                "--source-language chooses in a set of TensorFlow Datasets: tfds:NAME",
            ),
        ],
    )
    def test_is_named(self, main, flags, message, capsys):
        assert re.match(f"error: {message}", refused(main, flags.split(), capsys))

    @pytest.mark.parametrize("prefix", ["", "validation-", "test-"])
    @pytest.mark.parametrize("side", ["source", "target"])
    def test_one_file_of_two(self, prefix, side, capsys):
        line = refused(train.main, [f"--{prefix}{side}-file", "a"], capsys)
        names = f"--{prefix}source-file and --{prefix}target-file"
        assert line == f"error: {names} go together: one is missing"

    @pytest.mark.parametrize("flag", ["--epochs 0", "--dropout 1.0", "--vocabulary-size 100"])
    def test_a_value_out_of_range(self, flag, capsys):
        # The data set does not exist either, but the flags are looked at first.
        line = refused(train.main, ["--dataset", "./nowhere", *flag.split()], capsys)
        assert line.startswith(f"error: {flag.split()[0]} must be ")

    @pytest.mark.parametrize("flag", ["--beams 0", "--temperature 0", "--min-length 13"])
    def test_a_value_out_of_range_for_a_finished_run(self, trained, flag, capsys):
        line = refused(evaluate.main, ["--run", trained.run, *flag.split()], capsys)
        assert line.startswith(f"error: {flag.split()[0]} must be ")

    def test_gpu_without_one(self, folder, capsys):
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            pytest.skip("there is one")
        line = refused(train.main, ["--dataset", folder, "--device", "gpu"], capsys)
        assert "--device gpu: the tensorflow backend finds no GPU" in line

    def test_a_name_that_cannot_be_a_folder(self, folder, capsys):
        line = refused(train.main, ["--dataset", folder, "--name", "a/b"], capsys)
        assert line.startswith("error: --name 'a/b' cannot name a folder")


class TestDataset:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("date", "unknown data set 'date'. Did you mean dates? Known: dates, tfds:"),
            ("./nowhere", "there is no folder ./nowhere"),
            ("tfds:ted_hrlr_translat", "no such name, the nearest are ted_hrlr_translate"),
        ],
    )
    def test_unknown(self, name, message, capsys):
        assert message in refused(train.main, ["--dataset", name], capsys)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"source": "one"', "not JSON"),
            ('{"source": "one"}', "field 'target' is missing"),
            ('{"source": ["one"], "target": "eins"}', "must be a text, not a list"),
            ('{"source": "one", "target": ""}', "field 'target' has an empty text"),
        ],
    )
    def test_a_bad_line(self, folder, line, message, capsys):
        path = folder / "train.jsonl"
        path.write_text(f"{GOOD}\n{line}\n{GOOD}\n")
        complaint = refused(train.main, ["--dataset", folder], capsys)
        assert complaint.startswith(f"error: {path}:2: ") and message in complaint

    def test_empty_missing_or_too_short(self, folder, capsys):
        path = folder / "train.jsonl"
        path.write_text("")
        assert refused(train.main, ["--dataset", folder], capsys) == f"error: {path} is empty"
        path.unlink()
        line = refused(train.main, ["--dataset", folder], capsys)
        assert line.startswith(f"error: {folder} has no train.jsonl")
        assert "with source and target. Found: test.jsonl, validation.jsonl." in line
        path.write_text(GOOD)
        (folder / "test.jsonl").unlink()
        line = refused(train.main, ["--dataset", folder], capsys)
        assert line == f"error: {folder}: too few lines in train to cut a test split from it"


class TestPlainFiles:
    def test_missing(self, files, capsys):
        files["target_file"] = "none.txt"
        assert refused(train.main, tiny.flags(**files), capsys) == (
            "error: there is no file none.txt"
        )

    def test_not_as_many_lines(self, files, tmp_path, capsys):
        (tmp_path / "a.iso").write_text("one\ntwo\n")
        assert refused(train.main, tiny.flags(**files), capsys) == (
            f"error: {files['source_file']} has 11 lines, {files['target_file']} has 2: "
            "line N of one is to be the translation of line N of the other"
        )

    def test_empty(self, files, tmp_path, capsys):
        for name in ("a.en", "a.iso"):
            (tmp_path / name).write_text("")
        line = refused(train.main, tiny.flags(**files), capsys)
        assert line == f"error: {files['source_file']} and {files['target_file']} are both empty"

    def test_not_in_utf8(self, files, tmp_path, capsys):
        (tmp_path / "a.en").write_bytes("one\nzwölf\n".encode("latin-1"))
        line = refused(train.main, tiny.flags(**files), capsys)
        assert line == f"error: {files['source_file']}:2: not in UTF-8"

    def test_one_for_the_test_of_a_finished_run(self, trained, files, capsys):
        flags = ["--run", trained.run, "--test-source-file", files["source_file"]]
        assert refused(evaluate.main, flags, capsys) == (
            "error: --test-source-file and --test-target-file go together: one is missing"
        )


class TestRun:
    @pytest.mark.parametrize("main", [evaluate.main, predict.main])
    def test_none(self, main, folder, capsys):
        flags = ["--input", "one"] if main is predict.main else []
        line = refused(main, ["--run", "none", *flags], capsys)
        assert line == "error: there is no run none"
        line = refused(main, ["--run", "set", *flags], capsys)
        assert line == "error: set is not a run: it has no config.json"
        (folder / "config.json").write_text("{}")
        line = refused(main, ["--run", "set", *flags], capsys)
        assert line.startswith("error: the run set has no model.keras")

    def test_a_damaged_model(self, copied, capsys):
        path = copied / "model.keras"
        path.write_bytes(path.read_bytes()[:-1000])
        line = refused(evaluate.main, ["--run", copied], capsys)
        assert line.startswith(f"error: {path} cannot be read")

    def test_a_damaged_tokenizer(self, copied, capsys):
        (copied / "tokenizer.json").write_text('{"model": 1}')
        line = refused(predict.main, ["--run", copied, "--input", "one"], capsys)
        assert line.startswith(f"error: {copied / 'tokenizer.json'}")

    @pytest.mark.parametrize("content", ["{", '{"colour": 1}', '{"epochs": 0}', "[1]"])
    def test_a_damaged_configuration(self, copied, content, capsys):
        (copied / "config.json").write_text(content)
        line = refused(evaluate.main, ["--run", copied], capsys)
        assert line.startswith(f"error: {copied / 'config.json'} is no configuration")

    def test_a_data_set_that_has_gone(self, copied, capsys):
        config = json.loads((copied / "config.json").read_text())
        config["dataset"] = "./gone"
        (copied / "config.json").write_text(json.dumps(config))
        line = refused(evaluate.main, ["--run", copied], capsys)
        assert line == "error: there is no folder ./gone"


class TestInput:
    def test_no_such_file(self, trained, capsys):
        line = refused(predict.main, ["--run", trained.run, "--input", "none.txt"], capsys)
        assert line == "error: there is no file none.txt"

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "standard input is empty"), (b"one\n\xff", "standard input:2: not in UTF-8")],
    )
    def test_standard_input(self, trained, content, message, monkeypatch, capsys):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        assert refused(predict.main, ["--run", trained.run], capsys) == f"error: {message}"

    def test_an_output_that_is_a_file(self, trained, tmp_path, capsys):
        (tmp_path / "file").touch()
        flags = ["--run", trained.run, "--input", "one", "--output", tmp_path / "file"]
        line = refused(predict.main, flags, capsys)
        assert line == f"error: cannot make the folder {tmp_path / 'file'}: File exists"


def test_a_name_that_is_taken(folder, trained, monkeypatch, capsys):
    monkeypatch.chdir(trained.folder)
    before = (trained.run / "config.json").read_bytes()
    flags = tiny.flags(dataset=folder, name="tiny", **tiny.SETTINGS)
    line = refused(train.main, flags, capsys)
    assert line.startswith("error: there is a run runs/translation/tiny already")
    assert (trained.run / "config.json").read_bytes() == before
