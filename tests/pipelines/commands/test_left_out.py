import pytest

from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally


@pytest.fixture(autouse=True)
def begin(monkeypatch):
    monkeypatch.setattr(left_out, "NAMED", 7)
    left_out.begin(0.5)
    yield
    left_out.begin()


def fill(reasons):
    tally = Tally("train")
    for number, reason in enumerate(reasons):
        tally.add(reason, f"a:{number}")
    return tally


def test_of_very_many_the_first_are_named_and_the_others_counted(capsys):
    tally = fill(["empty"] * 6 + ["no label"] + ["empty"] * 4 + [f"at {n}" for n in range(13)])
    assert len(tally) == 24
    tally.close(100)
    assert capsys.readouterr().out == (
        "train: 24 of 124 left out, the first is a:0 (for other reasons: 13; empty: 10; "
        "no label: 1); 100 remain\n"
    )
    named = left_out.rows()
    assert [row["where"] for row in named] == [*(f"a:{n}" for n in range(7)), "17 others"]
    assert named[-1] == {"split": "train", "where": "17 others", "reason": "not named"}


def test_too_many_end_the_command_whether_or_not_they_are_named():
    with pytest.raises(UserError, match=r"^train: 24 of 31 left out, .*--max-skipped 0\.78 would"):
        fill(["empty"] * 24).close(7)
    assert left_out.rows() == []
