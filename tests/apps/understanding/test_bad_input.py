"""Bad input gets one line on standard error and exit status 2, and no traceback."""

import json
import re

import pytest

from apps.understanding import evaluate, predict, train
from tests.apps.understanding import tiny
from tests.apps.understanding.tiny import refused


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("main", "flags", "message"),
    [
        (train.main, "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
        (train.main, "--task sentimen", "--task takes .*; did you mean sentiment"),
        (train.main, "--preset sst3", "--preset takes .*; did you mean sst2"),
        (train.main, "--dataset intent", "unknown data set .*intents"),
        (train.main, "--dataset ./nowhere", "there is no folder"),
        (train.main, "--vectors a --backbone b", "--vectors start a model from scratch"),
        (evaluate.main, "--run nowhere", ".*nowhere"),
        (predict.main, "--run nowhere --input a", ".*nowhere"),
    ],
)
def test_flags(main, flags, message, capsys):
    assert re.match(f"error: {message}", refused(main, flags.split(), capsys))


def test_no_preset_or_vectors(folders, capsys):
    settings = {"dataset": folders["sentiment"], **tiny.SETTINGS}
    line = refused(train.main, tiny.flags(**settings, vectors="no.txt"), capsys)
    assert line == "error: cannot read no.txt: No such file or directory"
    line = refused(train.main, tiny.flags(**settings, backbone="./nowhere"), capsys)
    assert line.startswith("error: cannot open the tokenizer of the preset ./nowhere")


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("ner", {"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens, but 1 tags"),
        ("ner", {"tokens": ["a"], "tags": ["X"]}, "the tag 'X' is none of"),
        ("sentiment", {"text": "a"}, "field 'label' is missing"),
        ("qa", {"context": "a", "question": "b", "answers": "a"}, "field 'answers' must be"),
    ],
)
def test_a_bad_line_is_named(task, line, message, folders, tmp_path, capsys):
    rows = tiny.read_lines(folders[task] / "train.jsonl")
    tiny.write_lines(tmp_path / "train.jsonl", [*rows[:2], line])
    arguments = tiny.flags(task=task, dataset=tmp_path)
    said = refused(train.main, arguments, capsys)
    assert said.startswith(f"error: {tmp_path / 'train.jsonl'}:3: ") and message in said


def run_of(task, folder):
    """A folder that passes for a run until its model is to be read."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"task": task}))
    (folder / "model.keras").write_text("")
    return folder


@pytest.mark.parametrize(
    ("task", "flags", "message"),
    [
        ("sentiment", {"input": " "}, "--input is empty"),
        ("sentiment", {"input": "empty.txt"}, "empty.txt is empty"),
        ("sentiment", {"input": "nowhere.txt"}, "there is no file nowhere.txt"),
        ("ner", {"input": "a", "question": "b"}, "--question goes with a run of qa; this one is"),
        ("qa", {"input": "a"}, "--question is missing"),
        ("qa", {"input": "a", "question": " "}, "--question is empty"),
        ("qa", {"input": "no.jsonl"}, "there is no file no.jsonl"),
        ("qa", {"input": "bad.jsonl"}, "bad.jsonl:1: field 'question' is missing"),
    ],
)
def test_what_cannot_be_read(task, flags, message, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bad.jsonl").write_text('{"context": "a"}\n')
    run = run_of(task, tmp_path / "run")
    said = refused(predict.main, tiny.flags(run=run, **flags), capsys)
    assert said.startswith(f"error: {message}")


def test_a_damaged_run(tmp_path, capsys):
    run = run_of("sentiment", tmp_path / "run")
    said = refused(predict.main, tiny.flags(run=run, input="a"), capsys)
    assert str(run) in said


@pytest.mark.parametrize("content", ["null", "[3]", "{"])
def test_classes_that_are_none(content, copied, capsys):
    run = copied("sentiment")
    (run / "classes.json").write_text(content)
    said = refused(predict.main, tiny.flags(run=run, input="a"), capsys)
    assert said.startswith(f"error: {run / 'classes.json'} ")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_list_of_labels_in_any_split(split, folders, tmp_path, capsys):
    for name in ("train", "validation", "test"):
        rows = tiny.read_lines(folders["sentiment"] / f"{name}.jsonl")
        if name == split:
            rows[1]["label"] = ["good", "bad"]
        tiny.write_lines(tmp_path / f"{name}.jsonl", rows)
    said = refused(train.main, tiny.flags(dataset=tmp_path), capsys)
    assert said.startswith(f"error: some label of {split} is a list: --multi-label")
