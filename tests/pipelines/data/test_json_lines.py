import gzip
import json

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import json_lines

FIELDS = {"file_name": str, "captions": list}


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class TestRead:
    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n \n"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_line_ends_blank_lines_and_byte_order_mark(self, tmp_path, ending, mark):
        rows = [{"text": "Zürich\u2028\u0085 line"}, {"text": "日本"}]
        text = mark + "".join(json.dumps(row, ensure_ascii=False) + ending for row in rows)
        path = tmp_path / "a.jsonl"
        path.write_bytes(text.encode())
        assert json_lines.read(path, {"text": str}) == rows

    def test_gzip_and_no_newline_at_the_end(self, tmp_path):
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(b'{"text": "a"}\n{"text": "b"}'))
        assert json_lines.read(path, {"text": str}) == [{"text": "a"}, {"text": "b"}]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b'{"file_name": "a.png", "captions": ["a"]', "not JSON: Expecting ',' delimiter"),
            (b"[" * 100_000, "not JSON"),
            (b'"text"', "expected an object, found a text"),
            (b'{"captions": ["a"]}', "field 'file_name' is missing"),
            (b'{"file_name": 3, "captions": ["a"]}', "'file_name' must be a text, not a number"),
            (b'{"file_name": " ", "captions": ["a"]}', "'file_name' has an empty text"),
            (b'{"file_name": "a.png", "captions": "a"}', "must be a list of texts, not a text"),
            (b'{"file_name": "a.png", "captions": []}', "'captions' is an empty list"),
            (b'{"file_name": "a.png", "captions": ["a", ""]}', "'captions' has an empty text"),
            (b'{"file_name": "a.png", "captions": [null]}', "'captions' must hold texts, not null"),
            (
                b'{"file_name": "a.png", "captions": ["\\ud83d"]}',
                "'captions' has an unpaired surrogate",
            ),
            (
                b'{"file_name": "a.png", "captions": ["a"], "of": {"b": "\\uDE00\\ud83d"}}',
                "field 'of' has an unpaired surrogate",
            ),
            (b'{"file_name": "a.png", "captions": ["\xff"]}', "not in UTF-8"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, line, message):
        good = b'{"file_name": "a.png", "captions": ["a"]}'
        path = tmp_path / "train.jsonl"
        path.write_bytes(good + b"\n\n" + line + b"\n" + good)
        with pytest.raises(UserError) as caught:
            json_lines.read(path, FIELDS)
        assert str(caught.value).startswith(f"{path}:3: ")
        assert message in str(caught.value)

    def test_a_text_or_a_list_of_texts(self, tmp_path):
        rows = [{"summary": "one"}, {"summary": ["one", "two"]}]
        path = write_lines(tmp_path / "a.jsonl", rows)
        assert json_lines.read(path, {"summary": (str, list)}) == rows

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (3, "must be a text or a list of texts, not a number"),
            (None, "must be a text or a list of texts, not null"),
            ([], "is an empty list"),
            (["one", 2], "must hold texts, not a number"),
            (["one", " "], "has an empty text"),
            ("", "has an empty text"),
        ],
    )
    def test_neither_a_text_nor_a_list_of_texts(self, tmp_path, value, message):
        path = write_lines(tmp_path / "a.jsonl", [{"summary": "one"}, {"summary": value}])
        with pytest.raises(UserError) as caught:
            json_lines.read(path, {"summary": (str, list)})
        assert str(caught.value) == f"{path}:2: field 'summary' {message}"

    def test_a_field_that_may_be_blank(self, tmp_path, capsys):
        fields, path = {"text": str, "id": str}, tmp_path / "a.jsonl"
        texts = ["one", "", " ", "two", "\t"]
        write_lines(path, [{"text": text, "id": f"{i}"} for i, text in enumerate(texts)])
        rows = json_lines.read(path, fields, may_be_blank="text")
        assert [row["id"] for row in rows] == ["0", "3"]
        said = f"3 of 5 lines have an empty 'text', the first is {path}:2: skipped\n"
        assert capsys.readouterr().out == said
        for field in (None, "id"):
            with pytest.raises(UserError, match=r"a\.jsonl:2: field 'text' has an empty text"):
                json_lines.read(path, fields, may_be_blank=field)
        write_lines(path, [{"text": "", "id": "1"}])
        with pytest.raises(UserError, match=r"a\.jsonl has no 'text'$"):
            json_lines.read(path, fields, may_be_blank="text")

    def test_an_emoji_may_be_escaped(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text(r'{"text": "\ud83d\ude00 \\ud83d"}')
        assert json_lines.read(path, {"text": str}) == [{"text": "\U0001f600 \\ud83d"}]

    def test_an_empty_file_and_a_truncated_one(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text("\n \n")
        with pytest.raises(UserError, match=r"a\.jsonl is empty"):
            json_lines.read(path, FIELDS)
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(b'{"file_name": "a.png"}' * 99)[:-9])
        with pytest.raises(UserError, match=r"cannot read .*a\.jsonl\.gz"):
            json_lines.read(path, FIELDS)

    def test_a_complaint_names_the_line(self, tmp_path):
        path = write_lines(tmp_path / "any.jsonl", [{"n": 1}, {"n": 2}])
        assert json_lines.read(path, {}) == [{"n": 1}, {"n": 2}]
        with pytest.raises(UserError) as caught:
            json_lines.read(path, {}, lambda row: "too much" if row["n"] > 1 else None)
        assert str(caught.value) == f"{path}:2: too much"
