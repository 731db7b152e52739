import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import answers

CONTEXT = "Zoë met Ann. Ann met Bo. " + "x" * 200 + " Ann left. É."


def row(*found, **more):
    return {"context": CONTEXT, "answers": [{"text": t, "start": s} for t, s in found], **more}


def place(rows, path):
    """The rows, and what was left out."""
    tally = Tally("train")
    return list(answers.place(rows, path, tally)), tally._entries


def test_answers_that_hold_are_left_alone(capsys):
    rows = [row(("Ann", 8), ("Ann", 13), ("Zoë", 0), id="1"), row((CONTEXT, 0), id="2")]
    assert place(rows, "here") == (rows, [])
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
    found = place([row(given, ("Zoë", 0))], "a.json")
    assert found == ([row((text, start), ("Zoë", 0))], [])
    assert capsys.readouterr().out == "a.json: 1 answer moved to where the text stands\n"


def test_what_is_not_found_is_left_out_and_counted(capsys):
    rows = [
        row(("Eve", 0), ("Bo", 20), ("Ann", 8)),
        row(("Eve", 3), (" ", 7), ("Ann", 2_000), id="q"),
        row(("Eve", None)),
        row(("Ann", 8)),
        row(),
    ]
    reason = "the answer does not stand in the context"
    assert place(rows, "a.json") == (
        [row(("Bo", 21), ("Ann", 8)), row(("Ann", 8))],
        [("a.json: question q", reason), ("a.json: question 3", reason)],
    )
    assert capsys.readouterr().out == (
        "a.json: 1 answer moved to where the text stands, 5 answers not found in the context, "
        "1 question without an answer left out\n"
    )


def test_an_answer_without_a_start(capsys):
    rows = [row(("Bo", None), ("Ann", None)), row(("Zoë", None))]
    assert place(rows, "a.csv") == ([row(("Bo", 21), ("Ann", 8)), row(("Zoë", 0))], [])
    assert capsys.readouterr().out == (
        "a.csv: 1 answer without a start taken at the first of several places\n"
    )


@pytest.mark.parametrize("given", [" Zoë ", "Zoe\u0308", "\u00c9.\n"])
def test_an_answer_becomes_that_of_its_context(given, capsys):
    (found,), left_out = place([row((given, 0 if given[0] == "Z" else 231))], "a")
    (answer,) = found["answers"]
    assert left_out == [] and CONTEXT.startswith(answer["text"], answer["start"])
    assert answer["text"] == ("Zoë" if "Z" in given else "É.")


def test_nothing_is_left():
    with pytest.raises(UserError, match=r"^here has no question whose answer stands in its"):
        place([row(), row()], "here")
    rows, left_out = place([row(("Eve", 1)), row()], "here")
    assert rows == [] and len(left_out) == 1
