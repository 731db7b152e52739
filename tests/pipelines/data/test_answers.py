import pytest

from pipelines.commands.errors import UserError
from pipelines.data import answers

CONTEXT = "Zoë met Ann. Ann met Bo. " + "x" * 200 + " Ann left. É."


def row(*found, **more):
    return {"context": CONTEXT, "answers": [{"text": t, "start": s} for t, s in found], **more}


def test_answers_that_hold_are_left_alone(capsys):
    rows = [row(("Ann", 8), ("Ann", 13), ("Zoë", 0), id="1"), row((CONTEXT, 0), id="2")]
    assert answers.place(rows, "here") == rows
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (("Ann", 9), 8),  # Counted in bytes.
        (("Ann", 12), 13),
        (("Ann", -1), 8),
        (("Ann", 300), 226),
        (("Bo", 9_999), 21),  # Far away, but there is no other.
        ((CONTEXT, 5), 0),
    ],
)
def test_an_answer_moves_to_its_nearest_place(given, start, capsys):
    text = given[0]
    assert CONTEXT.startswith(text, start)
    assert answers.place([row(given, ("Zoë", 0))], "a.json") == [row((text, start), ("Zoë", 0))]
    assert capsys.readouterr().out == "a.json: 1 answer moved to where the text stands\n"


def test_what_is_not_found_is_left_out_and_counted(capsys):
    rows = [
        row(("Eve", 0), ("Bo", 20), ("Ann", 8)),
        row(("Eve", 3), (" ", 7), ("Ann", 2_000)),
        row(("Ann", 8)),
        row(),
    ]
    assert answers.place(rows, "a.json") == [row(("Bo", 21), ("Ann", 8)), row(("Ann", 8))]
    assert capsys.readouterr().out == (
        "a.json: 1 answer moved to where the text stands, 4 answers not found in the context, "
        "1 question left out with them, 1 question without an answer left out\n"
    )


def test_nothing_is_left():
    with pytest.raises(UserError, match=r"^here has no question whose answer stands in its"):
        answers.place([row(("Eve", 1)), row()], "here")


@pytest.mark.parametrize(
    ("value", "is_list"),
    [
        (None, False),
        ({"text": ["Ann"], "answer_start": [8]}, False),
        (["Ann"], True),
        ([{"text": "Ann"}], True),
        ([{"text": "Ann", "start": "8"}], True),
        ([{"text": "Ann", "start": True}], True),
        ([{"text": None, "start": 8}], True),
    ],
)
def test_what_is_no_list_of_answers(value, is_list):
    expected = (
        "field 'answers' must hold objects with a 'text' and its 'start', a number"
        if is_list
        else "field 'answers' must be a list of objects"
    )
    assert answers.complaint({"answers": value}) == expected
    assert answers.complaint(row(("Ann", 8))) is None
    assert answers.complaint(row()) is None
