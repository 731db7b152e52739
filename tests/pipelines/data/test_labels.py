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


@pytest.mark.parametrize("label", ["good", ["good"], ["good", "cheap"], []])
def test_a_label_is_a_text_or_texts(label):
    assert labels.complaint({"label": label}) is None


@pytest.mark.parametrize("label", [1, None, "", " ", ["good", ""], [1], {"good": 1}])
def test_a_label_is_nothing_else(label):
    said = "field 'label' must be a text or a list of texts, none of them empty"
    assert labels.complaint({"label": label}) == said
    assert labels.complaint({"text": "a"}) == "field 'label' is missing"
