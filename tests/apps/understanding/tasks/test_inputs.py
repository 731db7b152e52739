"""What `predict --input` means for each task."""

import gzip
import json

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


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # Split by spaces: as it is.
        (
            "U.N. official Rolf Ekeus isn't in Baghdad .",
            ["U.N.", "official", "Rolf", "Ekeus", "isn't", "in", "Baghdad", "."],
        ),
        ("He said , `` Hi ''", ["He", "said", ",", "``", "Hi", "''"]),
        ("SOCCER - JAPAN 1,000.50 10:30", ["SOCCER", "-", "JAPAN", "1,000.50", "10:30"]),
        ("AT&T bought Time-Warner", ["AT&T", "bought", "Time-Warner"]),
        ("Mr. Lee met #kim @home", ["Mr.", "Lee", "met", "#kim", "@home"]),
        ("東京 に 行く", ["東京", "に", "行く"]),
        # Marks hang on words: they are found.
        ("Kim, Lee", ["Kim", ",", "Lee"]),
        ("(Kim) met “Lee”", ["(", "Kim", ")", "met", "“", "Lee", "”"]),
        ("Ann met Lee.", ["Ann", "met", "Lee", "."]),
        ("Kim, qui est Lee ?", ["Kim", ",", "qui", "est", "Lee", "?"]),
        ("東京です", ["東", "京", "で", "す"]),
        ("[Kim] met", ["[", "Kim", "]", "met"]),
        ("[1]", ["[", "1", "]"]),
    ],
)
def test_a_sentence_that_is_split_by_spaces_stays_as_it_is(text, tokens):
    assert inputs.read("ner", text) == [{"text": text, "tokens": tokens}]


def test_tokens_may_be_given(tmp_path):
    tokens = ["New York", "U.N.", "don't", "Łódź."]
    dumped = json.dumps(tokens)
    for text in (dumped, json.dumps({"tokens": tokens, "tags": []}), json.dumps(tokens, indent=0)):
        assert inputs.read("ner", " ".join(text.splitlines())) == [{"tokens": tokens}]
    tiny.write_lines(tmp_path / "a.jsonl", [{"tokens": tokens}, {"text": "Ann met Lee."}])
    expected = [{"tokens": tokens}, inputs.sentence_row("Ann met Lee.")]
    assert inputs.read("ner", str(tmp_path / "a.jsonl")) == expected
    (tmp_path / "a.txt").write_text(f"{dumped}\n\nAnn met Lee.\n", "utf-8")
    assert inputs.read("ner", str(tmp_path / "a.txt")) == [expected[0], None, expected[1]]


@pytest.mark.parametrize("tokens", [[], "Ann", ["Ann", " "], ["Ann", 3], None, {}])
def test_tokens_that_are_none(tokens, tmp_path):
    with pytest.raises(UserError, match="'tokens' must be a list of texts, none of them blank"):
        inputs.read("ner", json.dumps({"tokens": tokens}))
    tiny.write_lines(tmp_path / "a.jsonl", [{"tokens": tokens}])
    with pytest.raises(UserError, match=r"a\.jsonl:1: .* or a list of texts in 'tokens'"):
        inputs.read("ner", str(tmp_path / "a.jsonl"))


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
