import copy
import gzip
import json

import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.formats import squad

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


def read(path):
    """The rows of a file, and what was left out."""
    tally = Tally("train")
    rows = list(squad.read(path, tally))
    return rows, [(where.removeprefix(f"{path}: "), reason) for where, reason in tally._entries]


def without_context(rows):
    assert {row.pop("context") for row in rows} == {CONTEXT}
    return rows


@pytest.mark.parametrize("packed", [False, True])
def test_questions_and_where_their_answers_stand(write, packed, capsys):
    path = write(FILE, packed)
    rows, left_out = read(path)
    assert without_context(rows) == [WON, WHERE] and left_out == []
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
        (3, " has no 'data' that is a list of articles or questions"),
        ({"data": {}}, " has no 'data' that is a list of articles or questions"),
        ({"a": [], "b": []}, " has no 'data' that is a list of articles or questions"),
        ({"data": []}, " has no question whose answer stands in its context"),
        ([], " has no question whose answer stands in its context"),
    ],
)
def test_what_is_no_such_file(write, content, message):
    path = write(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("holder", "field", "value", "reason"),
    [
        ("question", "question", 3, "it has no 'question' that is a text"),
        ("question", "question", " ", "'question' is empty"),
        ("question", "question", "\ud800", "an unpaired surrogate"),
        ("question", "answers", 3, "its 'answers' are no list"),
        ("answer", "answer_start", True, "an answer has no 'start' that is a number"),
        ("answer", "answer_start", "x", "an answer has no 'start' that is a number"),
        ("answer", "text", None, "an answer has no 'text' that is a text"),
    ],
)
def test_a_wrong_question_is_left_out(write, holder, field, value, reason):
    content = copy.deepcopy(FILE)
    question = content["data"][1]["paragraphs"][0]["qas"][2]
    {"question": question, "answer": question["answers"][0]}[holder][field] = value
    rows, left_out = read(write(content))
    assert without_context(rows) == [WON]
    assert left_out == [("data 2, paragraphs 1, qas 3", reason)]


def test_wrong_articles_and_paragraphs_are_left_out(write):
    content = copy.deepcopy(FILE)
    paragraph = content["data"][1]["paragraphs"][0]
    content["data"] += [3, {"title": "a"}, {"paragraphs": 5}]
    content["data"][0]["paragraphs"] = [7, {**paragraph, "context": None}]
    rows, left_out = read(write(content))
    assert without_context(rows) == [WON, WHERE]
    no_context = "it has no 'context' that is a text"
    assert left_out == [
        ("data 1, paragraphs 1", "it is no object"),
        *((f"data 1, paragraphs 2, qas {n}", no_context) for n in (1, 2, 3)),
        ("data 3", "it is no object"),
        ("data 4", no_context),
        ("data 5", no_context),
    ]


FLAT = [
    {
        "id": f"{n}",
        "title": "a",
        "context": f"{n} Ada lives in Oslo.",
        "question": "Where?",
        "answers": {"text": ["Oslo"], "answer_start": [15]},
    }
    for n in range(5)
]
FLAT_ROWS = [
    {
        "id": f"{n}",
        "context": f"{n} Ada lives in Oslo.",
        "question": "Where?",
        "answers": [{"text": "Oslo", "start": 15}],
    }
    for n in range(5)
]


@pytest.mark.parametrize(
    "content",
    [
        FLAT,
        {"version": "1", "data": FLAT},
        {"train": FLAT},
        {"rows": [{"row_idx": 3, "row": row} for row in FLAT]},
        [{"context": f["context"], "qas": [{
            "id": f["id"], "question": "Where?", "is_impossible": False,
            "answers": [{"text": "Oslo", "answer_start": 15}]}]} for f in FLAT],
        "\n".join(map(json.dumps, FLAT)).encode(),
    ],
)  # fmt: skip
def test_questions_of_one_record_each(write, content, capsys):
    assert read(write(content)) == (FLAT_ROWS, [])
    assert capsys.readouterr().out == ""


def test_a_record_is_named(write):
    content = [FLAT[0], {**FLAT[1], "question": ""}, {**FLAT[2], "answers": None}]
    assert read(write(content)) == (FLAT_ROWS[:1], [("record 2", "'question' is empty")])


ARRAYS = {"text": np.array(["Oslo"], dtype=object), "answer_start": np.array([15], "int32")}


@pytest.mark.parametrize(
    "more",
    [
        {"answers": {"text": ["Oslo"], "answer_start": [15]}},
        {"answers": {"text": "Oslo", "answer_start": 15}},
        {"answers": {"Text": ["Oslo"], "Start": [15]}},
        {"answers": [{"text": "Oslo", "start": 15}]},
        {"answers": [{"text": "Oslo", "answer_start": 15.0}]},
        {"answers": ARRAYS},
        {"answers": repr(ARRAYS)},
        {"answers": "{'text': ['Oslo'], 'answer_start': [15]}"},
        {"answers": '[{"text": "Oslo", "start": 15}]'},
        {"answer": "Oslo", "answer_start": "15"},
        {"answer_text": "Oslo", "answer_start": 15.0},
        {"answers.text": "['Oslo']", "answers.answer_start": "[15]"},
        {"Answer": {"text": "Oslo", "answer_start": 15}, "is_impossible": "False"},
    ],
)
def test_answers_of_a_record(more):
    record = {"Context": "0 Ada lives in Oslo.", "question": "Where?", "ID": 0, **more}
    assert squad.row_of(record) == FLAT_ROWS[0]


@pytest.mark.parametrize(
    ("more", "answers"),
    [
        ({"answers": ["Oslo", "Ada"]}, [("Oslo", None), ("Ada", None)]),
        ({"answers": "Ada [of Oslo]"}, [("Ada [of Oslo]", None)]),
        ({"answer": "[Oslo"}, [("[Oslo", None)]),
        ({"answer": "[15]"}, [("[15]", None)]),
        ({"answers": {"text": ["[15]"]}}, [("[15]", None)]),
        ({"answer_text": "Oslo", "answer_start": float("nan")}, [("Oslo", None)]),
        ({"answers": {"text": ["Oslo"]}}, [("Oslo", None)]),
        ({"answers": {"text": [], "answer_start": []}}, []),
        ({"answers": []}, []),
        ({"answers": ""}, []),
        ({"answers": float("nan"), "answer_start": float("nan")}, []),
        ({"answers": ["Oslo"], "is_impossible": True}, []),
    ],
)
def test_answers_without_a_start_and_none(more, answers):
    row = squad.row_of({"context": "a", "question": "b", **more})
    assert row["answers"] == [{"text": text, "start": start} for text, start in answers]
    assert "id" not in row


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (["a"], "it is no object"),
        ({"question": "b", "answers": []}, "it has no 'context' that is a text"),
        ({"context": "a", "question": "b"}, "it has no 'answers'"),
        (
            {"context": "a", "question": "b", "answers": {"text": ["a"], "answer_start": [0, 1]}},
            "not as many starts as answers",
        ),
        ({"context": "a", "question": "b", "answers": [["a"]]},
         "an answer has no 'text' that is a text"),
    ],
)  # fmt: skip
def test_what_is_no_question(record, reason):
    with pytest.raises(ValueError) as caught:
        squad.row_of(record)
    assert str(caught.value) == reason
