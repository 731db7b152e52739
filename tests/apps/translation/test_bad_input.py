import io
import sys
from types import SimpleNamespace

import keras
import pytest

from pipelines.text.tokenizer import Tokenizer
from tests.apps.contract import BadInput
from tests.apps.translation import tiny


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_dates(tmp_path / "set", train=11, validation=2, test=2)


@pytest.fixture
def files(tmp_path):
    """Plain text of both sides, as flags."""
    return tiny.write_texts(tmp_path, tiny.make_dates(11))


class TestBadInput(BadInput):
    application = "translation"
    built_in = "dates"
    settings = tiny.SETTINGS
    tfds = ("ted_hrlr_translat", "ted_hrlr_translate")
    public = "tfds:ted_hrlr_translate/ru_to_en"
    wrong_flags = (
        ("train", "--attention aditive", "--attention takes .*; did you mean additive"),
        ("train", "--attention Bahdanau", "--attention takes .*; did you mean additive"),
        ("train", "--model rnn --attention multi_head", "--attention multi_head has heads"),
        ("train", "--attention local", "--attention local is self-attention"),
        ("train", "--model rnn --encoder-attention local", "--encoder-attention is that"),
        ("train", "--preset multi30", "--preset takes .*; did you mean multi30k"),
        ("train", "--dim 10 --num-heads 4", "--dim 10 must be a multiple of --num-heads 4"),
        ("train", "--min-length 9 --max-target 9", "--min-length must be less than --max-target"),
        ("train", "--bleu-tokenize jp", "--bleu-tokenize takes .*zh"),
        ("train", "--source-language de", "--source-language and --target-language go"),
        (
            "train",
            "--source-language de --target-language en",
            "--source-language chooses in a folder or tfds:NAME, not in dates",
        ),
        *(
            (
                "train",
                f"--{prefix}{side}-file a",
                f"--{prefix}source-file and --{prefix}target-file go together: one is missing",
            )
            for prefix in ("", "validation-", "test-")
            for side in ("source", "target")
        ),
    )
    bad_lines = (
        ('{"source": "one"}', "field 'target' is missing"),
        ('{"source": ["one"], "target": "eins"}', "must be a text, not a list"),
        ('{"source": "one", "target": ""}', "field 'target' is empty"),
    )

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_a_number_out_of_range_for_a_finished_run(self, refuse, trained, command):
        for flag in ("--beams 0", "--temperature 0", "--min-length 13"):
            line = refuse(command, *flag.split(), run=trained.run)
            assert line.startswith(f"error: {flag.split()[0]} must be ")

    def test_a_damaged_tokenizer(self, refuse, copied):
        (copied / "tokenizer.json").write_text('{"model": 1}')
        line = refuse("predict", run=copied, input="one")
        assert line.startswith(f"error: {copied / 'tokenizer.json'}")

    def test_a_tokenizer_of_another_model(self, refuse, copied):
        Tokenizer.train(["one two three"] * 3, 300).save(copied)
        line = refuse("predict", run=copied, input="one")
        assert line.startswith(f"error: the files of {copied} do not belong together: there are 2")

    def test_a_model_of_another_kind(self, refuse, copied):
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(copied / "model.keras")
        line = refuse("predict", run=copied, input="one")
        path = copied / "model.keras"
        assert line == f"error: {path} cannot be read as a model: it holds a Sequential"

    def test_too_few_lines_to_cut_a_split_from(self, refuse, folder):
        (folder / "test.jsonl").unlink()
        path = folder / "train.jsonl"
        path.write_text(path.read_text().splitlines()[0])
        line = refuse("train", dataset=folder)
        assert line == f"error: {folder}: too few lines in train to cut a test split from it"

    def test_a_plain_file_that_is_missing(self, refuse, files):
        line = refuse("train", **{**files, "target_file": "none.txt"})
        assert line == "error: there is no file none.txt"

    def test_plain_files_of_different_lengths(self, refuse, files, tmp_path):
        (tmp_path / "a.iso").write_text("one\ntwo\n")
        assert refuse("train", **files) == (
            f"error: {files['source_file']} has 11 lines, {files['target_file']} has 2: "
            "line N of one is to be the translation of line N of the other"
        )

    def test_empty_plain_files(self, refuse, files, tmp_path):
        for name in ("a.en", "a.iso"):
            (tmp_path / name).write_text("")
        line = refuse("train", **files)
        assert line == f"error: {files['source_file']} and {files['target_file']} are both empty"

    def test_a_plain_file_that_is_not_in_utf_8(self, refuse, files, tmp_path):
        (tmp_path / "a.en").write_bytes("one\nzwölf\nfünf\n".encode("latin-1"))
        (tmp_path / "a.iso").write_text("1\n12\n5\n")
        said = f"error: train: 2 of 3 left out, the first is {files['source_file']}:2 (not in UTF-8"
        assert refuse("train", **files).startswith(said)

    def test_one_plain_file_for_the_test_of_a_finished_run(self, refuse, trained, files):
        line = refuse("evaluate", run=trained.run, test_source_file=files["source_file"])
        assert line == (
            "error: --test-source-file and --test-target-file go together: one is missing"
        )

    def test_an_input_that_is_no_file(self, refuse, trained):
        line = refuse("predict", run=trained.run, input="none.txt")
        assert line == "error: there is no file none.txt"

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "standard input is empty"), (b"one\n\xff", "standard input:2: not in UTF-8")],
    )
    def test_standard_input(self, refuse, trained, content, message, monkeypatch):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        assert refuse("predict", run=trained.run) == f"error: {message}"
