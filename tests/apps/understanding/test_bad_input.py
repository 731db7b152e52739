import json
import shutil

import pytest

from tests.apps.contract import BadInput
from tests.apps.understanding import tiny


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write("sentiment", tmp_path / "set", train=11, validation=2, test=2)


@pytest.fixture
def run_of(tmp_path):
    """Makes a folder that passes for a run of a task until its model is to be read."""

    def run_of(task):
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"task": task}))
        (folder / "model.keras").write_text("")
        return folder

    return run_of


class TestBadInput(BadInput):
    application = "understanding"
    built_in = "intents"
    settings = tiny.SETTINGS
    tfds = ("imdb_review", "imdb_reviews")
    public = "tfds:imdb_reviews"
    wrong_flags = (
        ("train", "--task sentimen", "--task takes .*; did you mean sentiment"),
        ("train", "--preset sst3", "--preset takes .*; did you mean sst2"),
        ("train", "--attention aditive", "--attention takes .*; did you mean additive"),
        ("train", "--matching local", "--matching takes additive, luong_dot"),
        ("train", "--vectors a --backbone b", "--vectors start a model from scratch"),
        ("train", "--backbone a --tokenizer words", "--tokenizer words does not go"),
        ("train", "--freeze", "--freeze keeps the weights of a --backbone"),
        ("train", "--task ner --multi-label", "--multi-label goes with --task sentiment"),
        ("train", "--attention linear", "--attention linear goes with --model transformer"),
        ("train", "--dim 10", "--dim 10 must be even, and a multiple of --num-heads 4"),
        ("train", "--task qa --overlap 250", "--max-length 256 must be more than"),
    )
    bad_lines = (
        ('{"text": "a"}', "field 'label' is missing"),
        ('{"text": " ", "label": "a"}', "field 'text' is empty"),
        ('{"text": "a", "label": {}}', "field 'label' must be a text, not an object"),
    )

    @pytest.fixture
    def trained(self, trained):
        return trained("sentiment")

    @pytest.fixture
    def copied(self, trained, tmp_path):
        return shutil.copytree(trained.run, tmp_path / "copied")

    @pytest.mark.parametrize(
        ("task", "line", "message"),
        [
            ("ner", {"tokens": ["a", "b"], "tags": ["O"]}, "not as many tags as tokens"),
            ("ner", {"tokens": ["a"], "tags": ["X"]}, "the tag 'X' is none of"),
            ("qa", {"context": "a", "question": "b", "answers": 3}, "its 'answers' are no list"),
        ],
    )
    def test_a_bad_line_of_another_task(self, refuse, folders, tmp_path, task, line, message):
        rows = tiny.read_lines(folders[task] / "train.jsonl")
        tiny.write_lines(tmp_path / "train.jsonl", [*rows[:2], line, line])
        said = refuse("train", task=task, dataset=tmp_path)
        first = f"train: 2 of 4 left out, the first is {tmp_path / 'train.jsonl'}:3 ("
        assert said.startswith(f"error: {first}") and message in said

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_a_list_of_labels_in_any_split(self, refuse, folder, split):
        path = folder / f"{split}.jsonl"
        rows = tiny.read_lines(path)
        rows[1]["label"] = ["good", "bad"]
        tiny.write_lines(path, rows)
        said = refuse("train", dataset=folder)
        assert said.startswith(f"error: some label of {split} is a list: --multi-label")

    def test_a_single_label(self, refuse, folder):
        rows = tiny.read_lines(folder / "train.jsonl")
        tiny.write_lines(folder / "train.jsonl", [{**row, "label": "good"} for row in rows])
        said = refuse("train", dataset=folder)
        assert said == "error: training needs at least two labels; there is 1"

    def test_vectors_and_presets_that_are_not_there(self, refuse, folder):
        settings = {"dataset": folder, **tiny.SETTINGS}
        said = refuse("train", **settings, vectors="no.txt")
        assert said == "error: cannot read no.txt: No such file or directory"
        said = refuse("train", **settings, backbone="./nowhere")
        assert said.startswith("error: cannot open the tokenizer of the preset ./nowhere")

    @pytest.mark.parametrize(
        ("task", "asked", "message"),
        [
            ("sentiment", {"input": " "}, "--input is empty"),
            ("sentiment", {"input": "empty.txt"}, "empty.txt is empty"),
            ("sentiment", {"input": "nowhere.txt"}, "there is no file nowhere.txt"),
            ("ner", {"input": "a", "question": "b"}, "--question goes with a run of qa; this one"),
            ("qa", {"input": "a"}, "--question is missing"),
            ("qa", {"input": "a", "question": " "}, "--question is empty"),
            ("qa", {"input": "bad.jsonl", "question": "b"}, "--question goes with a text"),
            ("qa", {"input": "no.jsonl"}, "there is no file no.jsonl"),
            ("qa", {"input": "bad.jsonl"}, "bad.jsonl:1: field 'question' is missing"),
        ],
    )
    def test_what_cannot_be_read(self, refuse, run_of, tmp_path, task, asked, message):
        (tmp_path / "empty.txt").write_text("\n")
        (tmp_path / "bad.jsonl").write_text('{"context": "a"}\n')
        assert refuse("predict", run=run_of(task), **asked).startswith(f"error: {message}")

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_a_number_out_of_range_for_a_finished_run(self, refuse, run_of, command):
        asked = self.asked if command == "predict" else {}
        line = refuse(command, run=run_of("qa"), max_answer=0, **asked)
        assert line == "error: --max-answer must be at least 1, not 0"

    @pytest.mark.parametrize("content", ["null", "[3]", "{"])
    def test_classes_that_are_none(self, refuse, copied, content):
        (copied / "classes.json").write_text(content)
        said = refuse("predict", run=copied, input="a")
        assert said.startswith(f"error: {copied / 'classes.json'} ")

    def test_a_damaged_tokenizer(self, refuse, copied):
        (copied / "subwords.json").write_text('{"kind": 1}')
        said = refuse("predict", run=copied, input="a")
        assert said.startswith(f"error: {copied / 'subwords.json'} cannot be read as a tokenizer")
