import pytest

from pipelines.data import fields
from pipelines.data.fields import Field

TEXTS = {"text": Field(("text", "review text", "body/raw")), "tags": Field(("tags",), kind=list)}
NAN = float("nan")


class TestFind:
    @pytest.mark.parametrize("name", ["Text", " text ", '"text"', "Review-Text", "review_text"])
    def test_a_column_by_its_name_however_it_is_written(self, name):
        assert fields.find(["id", name, "tags"], TEXTS) == {"text": name, "tags": "tags"}

    def test_the_first_name_that_is_there_counts(self):
        assert fields.find(["review text", "text", "TEXT"], TEXTS) == {"text": "text"}

    def test_a_path_goes_into_an_object(self):
        assert fields.find(["body"], TEXTS) == {"text": "body/raw"}
        row = fields.row({"body": {"raw": "a", "n": 1}, "tags": ["x"], "more": 2}, TEXTS)
        assert row == {"text": "a", "tags": ["x"], "more": 2}
        listed = {"texts": Field(("body/raw",), kind=list)}
        assert fields.row({"body": [{"raw": "a"}, {"raw": "b"}]}, listed) == {"texts": ["a", "b"]}

    def test_what_is_missing(self):
        some = {**TEXTS, "id": Field(("id",), optional=True)}
        assert fields.missing(["tags"], some) == ["text"]
        with pytest.raises(ValueError, match=r"^field 'text' is missing$"):
            fields.row({"tags": ["x"]}, some)
        assert fields.row({"text": "a", "tags": ["x"]}, some) == {"text": "a", "tags": ["x"]}


def test_a_row_keeps_what_else_a_record_holds_but_not_under_two_names():
    record = {"Review text": "a", "tags": "x", "objects": [1], "id": 7}
    assert fields.row(record, TEXTS) == {"text": "a", "tags": ["x"], "objects": [1], "id": 7}


@pytest.mark.parametrize("value", [None, 3, "text", ["a"], True])
def test_a_record_is_an_object(value):
    kinds = {None: "null", 3: "a number", "text": "a text", True: "true"}
    kind = "a list" if isinstance(value, list) else kinds[value]
    with pytest.raises(ValueError, match=f"^expected an object, found {kind}$"):
        fields.row(value, TEXTS)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (Field(("x",)), " a ", " a "),
        (Field(("x",), kind=list), "a", ["a"]),
        (Field(("x",), kind=list), ["a", "", None, NAN, "b"], ["a", "b"]),
        (Field(("x",), kind=list), ("a",), ["a"]),
        (Field(("x",), kind=list), '["a", "b"]', ["a", "b"]),
        (Field(("x",), kind=list), "['a' 'b\\'s'\n 'c']", ["a", "b's", "c"]),
        (Field(("x",), kind=list), "[laughs] and goes", ["[laughs] and goes"]),
        (Field(("x",), kind=list), [{"raw": "a", "tokens": ["a"]}, {"text": "b"}], ["a", "b"]),
        (Field(("x",), kind=(str, list)), "a", "a"),
        (Field(("x",), kind=(str, list)), "[a] b", "[a] b"),
        (Field(("x",), kind=(str, list)), ["a", "b"], ["a", "b"]),
        (Field(("x",), is_file=True), "1.png", "1.png"),
        (Field(("x",), is_file=True), 42, "42"),
        (Field(("x",), is_file=True), {"path": "1.png", "bytes": None}, "1.png"),
        (Field(("x",), is_label=True), 7.0, "7"),
        (Field(("x",), is_label=True), False, "false"),
        (Field(("x",), is_label=True), " cafe\u0301 ", "caf\u00e9"),
        (Field(("x",), is_label=True, kind=(str, list)), [1, "a"], ["1", "a"]),
        (Field(("x",), is_label=True, kind=(str, list)), "[1, 2]", ["1", "2"]),
        (Field(("x",), is_label=True, kind=(str, list)), [], []),
        (Field(("x",), is_label=True), "[1]", "[1]"),
    ],
)
def test_values_of_every_kind(field, value, expected):
    assert fields.row({"x": value}, {"x": field}) == {"x": expected}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (Field(("x",)), "", "field 'x' is empty"),
        (Field(("x",)), "\u00a0\n", "field 'x' is empty"),
        (Field(("x",)), NAN, "field 'x' is empty"),
        (Field(("x",)), 3, "field 'x' must be a text, not a number"),
        (Field(("x",)), ["a"], "field 'x' must be a text, not a list"),
        (Field(("x",)), "\ud83d", "field 'x' has an unpaired surrogate"),
        (Field(("x",), kind=list), [], "field 'x' is empty"),
        (Field(("x",), kind=list), ["", None], "field 'x' is empty"),
        (Field(("x",), kind=list), ["a", 3], "field 'x' must be a text, not a number"),
        (Field(("x",), kind=list), {"n": 1}, "field 'x' must be a text, not an object"),
        (Field(("x",), is_file=True), {"bytes": None}, "field 'x' is empty"),
        (Field(("x",), is_file=True), True, "field 'x' must be a text, not true"),
        (Field(("x",), is_label=True), 0.5, "field 'x' is a number between classes"),
        (Field(("x",), is_label=True), None, "field 'x' is empty"),
        (Field(("x",), is_label=True), ["a"], "field 'x' must be a text, not a list"),
    ],
)
def test_what_is_no_value(field, value, reason):
    with pytest.raises(ValueError) as caught:
        fields.row({"x": value}, {"x": field})
    assert str(caught.value) == reason
