import copy
import gzip
import json

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import squad

CONTEXT = " Denver beat Carolina 24\u201310 at Levi's Stadium. "
FILE = {
    "version": "v2.0",
    "data": [
        {"title": "Empty", "paragraphs": []},
        {
            "title": "Bowl",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "a1",
                            "question": "Who won?",
                            "answers": [
                                {"answer_start": 1, "text": "Denver"},
                                {"answer_start": 0, "text": "Denver"},
                            ],
                            "is_impossible": False,
                        },
                        {
                            "id": 7,
                            "question": "Who drew?",
                            "answers": [],
                            "plausible_answers": [{"answer_start": 1, "text": "Denver"}],
                            "is_impossible": True,
                        },
                        {
                            "id": "a3",
                            "question": "Where?",
                            "answers": [{"answer_start": 31, "text": "Levi's Stadium"}],
                        },
                    ],
                }
            ],
        },
    ],
}
WON, WHERE = (
    {"id": "a1", "question": "Who won?", "answers": [{"text": "Denver", "start": 1}] * 2},
    {"id": "a3", "question": "Where?", "answers": [{"text": "Levi's Stadium", "start": 31}]},
)


@pytest.fixture
def write(tmp_path):
    def write(content, packed=False):
        path = tmp_path / ("train.json.gz" if packed else "train.json")
        data = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
        path.write_bytes(gzip.compress(data) if packed else data)
        return path

    return write


def without_context(rows):
    assert {row.pop("context") for row in rows} == {CONTEXT}
    return rows


@pytest.mark.parametrize("packed", [False, True])
def test_questions_and_where_their_answers_stand(write, packed, capsys):
    path = write(FILE, packed)
    assert without_context(squad.read(path)) == [WON, WHERE]
    assert capsys.readouterr().out == (
        f"{path}: 1 answer moved to where the text stands, 1 question without an answer left out\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", ":1: not in UTF-8"),
        (b'{\n"data": [\n}', ":3: not JSON: Expecting value"),
        (b"[" * 100_000, ": not JSON: nested too deep"),
        (b"9" * 5_000, ": not JSON: Exceeds the limit (4300 digits) for integer string conversion"),
        ([], " has no 'data' that is a list"),
        ({"data": {}}, " has no 'data' that is a list"),
        ({"data": [3]}, ": data 1 is no object"),
        ({"data": [{}]}, ": data 1 has no 'paragraphs' that is a list"),
        ({"data": []}, " has no question whose answer stands in its context"),
    ],
)
def test_what_is_no_such_file(write, content, message):
    path = write(content)
    with pytest.raises(UserError) as caught:
        squad.read(path)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("holder", "field", "value", "message"),
    [
        ("paragraph", "context", None, "has no 'context' that is a text"),
        ("question", "question", 3, "qas 3 has no 'question' that is a text"),
        ("question", "question", " ", "qas 3: 'question' is empty"),
        (
            "paragraph",
            "context",
            "\ud800",
            "'context' has an unpaired surrogate",
        ),
        ("answer", "answer_start", True, "answers 1 has no 'answer_start' that is a number"),
        ("question", "id", None, "qas 3 has no 'id' that is a text or a number"),
        ("answer", "answer_start", "31", "qas 3, answers 1 has no 'answer_start' that is a number"),
        ("answer", "text", None, "qas 3, answers 1 has no 'text' that is a text"),
    ],
)
def test_a_missing_field_is_named(write, holder, field, value, message):
    content = copy.deepcopy(FILE)
    paragraph = content["data"][1]["paragraphs"][0]
    question = paragraph["qas"][2]
    places = {"paragraph": paragraph, "question": question, "answer": question["answers"][0]}
    places[holder][field] = value
    with pytest.raises(UserError) as caught:
        squad.read(write(content))
    assert ": data 2, paragraphs 1" in str(caught.value)
    assert message in str(caught.value)
