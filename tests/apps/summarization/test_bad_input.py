import pytest

from tests.apps.contract import BadInput
from tests.apps.summarization import tiny


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_documents(tmp_path / "set", train=8, validation=2, test=2)


class TestBadInput(BadInput):
    application = "summarization"
    built_in = "docstrings"
    settings = tiny.SETTINGS
    tfds = ("cnn_dailymails", "cnn_dailymail")
    public = "tfds:xsum"
    wrong_flags = (
        ("train", "--coverages", "unknown flag --coverages; .* is --coverage"),
        ("train", "--attention aditive", "--attention takes .*; did you mean additive"),
        ("train", "--preset aesl", "--preset takes .*; did you mean aeslc"),
        ("train", "--model rnn --attention multi_head", ".*multi_head has heads, .* rnn"),
        ("train", "--model rnn --encoder-attention local", "--encoder-attention .* rnn"),
        ("train", "--attention local", "--attention local is self-attention, .*"),
        (
            "train",
            "--model transformer --dim 10 --num-heads 4",
            "--dim 10 must be a multiple of --num-heads 4",
        ),
        ("train", "--min-length 9 --max-target 9", "--min-length must be less than"),
        (
            "train",
            "--vectors a.txt --tokenizer subwords",
            "--vectors are of words: they go with --tokenizer words",
        ),
        ("train", "--coverage-weight nan", "--coverage-weight must be at least 0, not nan"),
    )
    bad_lines = (
        ('{"document": "a"}', "field 'summary' is missing"),
        ('{"document": "a", "summary": {"a": 1}}', "field 'summary' must be a text, not an object"),
    )

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_a_number_out_of_range_for_a_finished_run(self, refuse, trained, command):
        for flag in ("--beams 0", "--top-p 2", "--min-length 99"):
            line = refuse(command, *flag.split(), run=trained.run)
            assert line.startswith(f"error: {flag.split()[0]} must be ")

    def test_vectors_that_cannot_be_read_or_do_not_fit(self, refuse, folder, tmp_path):
        settings = {**tiny.MODEL, "dataset": folder}
        line = refuse("train", **settings, vectors="none.txt")
        assert line == "error: cannot read none.txt: No such file or directory"
        (tmp_path / "long.txt").write_text(f"saw{' 1' * 17}\n")
        line = refuse("train", **settings, vectors="long.txt")
        assert line == "error: long.txt:1: a vector of 17 numbers, more than the 16 of the model"

    @pytest.mark.parametrize("content", ["[", '["a", "b"]'])
    def test_damaged_words(self, refuse, copied, content):
        (copied / "words.json").write_text(content)
        line = refuse("evaluate", run=copied)
        assert line.startswith(f"error: {copied / 'words.json'}")

    def test_a_configuration_out_of_range(self, refuse, copied):
        (copied / "config.json").write_text('{"coverage_epochs": -1}')
        line = refuse("evaluate", run=copied)
        assert line.startswith(f"error: {copied / 'config.json'} is no configuration")
