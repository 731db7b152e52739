"""What `predict --input` means for each task."""

import gzip

import pytest

from apps.understanding.tasks import inputs
from pipelines.commands.errors import UserError
from tests.apps.understanding import tiny

WORDS = ["Ann", "is", "n't", "in", "Łódź", "."]


def test_a_text_for_each_line_and_nothing_for_a_blank_one(tmp_path):
    expected = [{"text": "Fine food"}, None, {"text": "Dull 🙂"}]
    (tmp_path / "a.txt").write_text(" Fine food\n \nDull 🙂\n", "utf-8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("Fine food\n\nDull 🙂".encode()))
    for wanted in ("Fine food\n\nDull 🙂", tmp_path / "a.txt", tmp_path / "b.txt.gz"):
        assert inputs.read("sentiment", str(wanted)) == expected


def test_a_sentence_comes_in_words():
    for text in ("Ann isn't in Łódź.", " ".join(WORDS)):
        assert inputs.read("ner", text) == [{"text": text, "tokens": WORDS}]
    assert inputs.read("ner", "a\n\nb")[1:] == [None, {"text": "b", "tokens": ["b"]}]


def test_a_context_is_a_whole_file(tmp_path):
    (tmp_path / "a.txt").write_text("Ann is here.\n\nBob is there.\n")
    (row,) = inputs.read("qa", str(tmp_path / "a.txt"), "Where?")
    assert row == {"context": "Ann is here.\n\nBob is there.\n", "question": "Where?"}


def test_questions_of_a_file_may_have_more_fields(tmp_path):
    row = {"context": "Ann is here.", "question": "Where?"}
    tiny.write_lines(tmp_path / "a.jsonl", [{**row, "answers": [], "id": 3}] * 2)
    assert inputs.read("qa", str(tmp_path / "a.jsonl")) == [row, row]


def test_a_question_is_for_answers_alone():
    with pytest.raises(UserError, match="--question goes with a run of qa; this one is of ner"):
        inputs.read("ner", "Ann", "Who?")
