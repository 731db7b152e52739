import pytest

from pipelines.data import labels


def test_labels_that_training_does_not_know_are_named_in_one_line(capsys):
    found = ["a", "x", "b", "x", "[/y]"]
    assert labels.report_unknown(found, {"a", "b", "c"}, "test") == 3
    assert capsys.readouterr().out == (
        "test has labels that training does not know: 'x' (2), '[/y]' (1); they count as wrong\n"
    )


def test_many_are_cut_short(capsys):
    found = [str(number) for number in range(7)] + ["5"]
    assert labels.report_unknown(iter(found), ["0"], "validation") == 7
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "know: '5' (2), '1' (1), " in out and "'4' (1), …; " in out


def test_all_known(capsys):
    assert labels.report_unknown(["a", "b"], ["b", "a"], "test") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("found", "names", "expected"),
    [
        (["1", "0", "2"], ["bad", "good", "so-so"], ["good", "bad", "so-so"]),
        (
            ["3", "2"],
            ["World", "Sports", "Business"],
            ["Business", "Sports"],
        ),
        (["2", "1"], ["bad", "good", "so-so"], ["so-so", "good"]),
        (["3", "0"], ["bad", "good", "so-so"], ["3", "0"]),
        (["1", "good"], ["bad", "good"], ["1", "good"]),
        ([], ["bad"], []),
    ],
)
def test_names_in_place_of_numbers(found, names, expected):
    assert labels.named(found, names) == expected
