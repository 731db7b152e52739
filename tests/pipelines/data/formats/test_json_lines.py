import gzip
import json

import pytest

from pipelines.commands.errors import UserError
from pipelines.data.formats import json_lines
from pipelines.data.formats.text_files import NOT_UTF8


def write(path, content):
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def shown(records):
    return [str(each) if isinstance(each, ValueError) else each for _, each in records]


class TestRecords:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n \n"])
    def test_line_ends_blank_lines_and_byte_order_mark(self, tmp_path, end, encoding):
        rows = [{"text": "Zürich\u2028\u0085 line"}, {"text": "日本"}]
        text = "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
        path = tmp_path / "a.jsonl"
        path.write_bytes(text.encode(encoding))
        second = 1 + end.count("\n") + 1 - 1
        assert list(json_lines.records(path)) == [
            (f"{path}:1", rows[0]),
            (f"{path}:{second}", rows[1]),
        ]

    def test_gzip_and_no_newline_at_the_end(self, tmp_path):
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(b'{"text": "a"}\n{"text": "b"}'))
        assert shown(json_lines.records(path)) == [{"text": "a"}, {"text": "b"}]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b'{"a": ["b"]', "not JSON: Expecting ',' delimiter: line 1 column 12 (char 11)"),
            (b"[" * 100_000, "not JSON: nested too deep"),
            (b'{"a": "\\ud83d"}', "an unpaired surrogate"),
            (b'{"of": {"b": "\\uDE00\\ud83d"}}', "an unpaired surrogate"),
            (b'{"a": "\xff"}', NOT_UTF8),
        ],
    )
    def test_a_wrong_line_takes_its_own_place_alone(self, tmp_path, line, message):
        path = tmp_path / "a.jsonl"
        path.write_bytes(b'{"a": 1}\n' + line + b"\n" + b'{"a": 2}')
        assert shown(json_lines.records(path)) == [{"a": 1}, message, {"a": 2}]

    def test_an_emoji_may_be_escaped(self, tmp_path):
        path = write(tmp_path / "a.jsonl", r'{"text": "\ud83d\ude00 \\ud83d"}')
        assert shown(json_lines.records(path)) == [{"text": "\U0001f600 \\ud83d"}]


ROWS = [{"a": "x", "b": 1}, {"a": "y", "b": 2}]


class TestRecordsOfWhole:
    @pytest.mark.parametrize(
        "content",
        [
            ROWS,
            {"data": ROWS},
            {"info": {}, "rows": ROWS},
            {"a": ["x", "y"], "b": [1, 2]},
            {"a": {"0": "x", "1": "y"}, "b": {"0": 1, "1": 2}},
            '{"a": "x", "b": 1}\n{"a": "y", "b": 2}\n',
        ],
        ids=["list", "data", "rows", "columns", "pandas", "lines"],
    )
    def test_however_it_holds_them(self, tmp_path, content):
        path = write(tmp_path / "a.json", content)
        assert shown(json_lines.records_of_whole(path)) == ROWS

    def test_by_split(self, tmp_path):
        path = write(tmp_path / "a.json", {"train": ROWS[:1], "dev": ROWS[1:], "info": []})
        assert shown(json_lines.records_of_whole(path)) == [
            {"split": "train", **ROWS[0]},
            {"split": "dev", **ROWS[1]},
        ]

    def test_by_the_name_of_a_file(self, tmp_path):
        path = write(tmp_path / "a.json", {"1.png": {"a": "x"}, "2.png": {"a": "y"}})
        assert shown(json_lines.records_of_whole(path)) == [
            {"file_name": "1.png", "a": "x"},
            {"file_name": "2.png", "a": "y"},
        ]

    def test_one_object_is_one_record(self, tmp_path):
        path = write(tmp_path / "a.json", {"a": "x"})
        assert list(json_lines.records_of_whole(path)) == [(f"{path}: 1", {"a": "x"})]

    @pytest.mark.parametrize("content", ["", "{", "[1, 2", "a,b\n1,2\n", "[" * 100_000])
    def test_what_is_no_json(self, tmp_path, content):
        path = write(tmp_path / "a.json", content)
        with pytest.raises(UserError) as caught:
            list(json_lines.records_of_whole(path))
        assert str(caught.value).startswith(f"{path}: not JSON, neither as a whole (")

    def test_a_wrong_line_is_one_of_several(self, tmp_path):
        path = write(tmp_path / "a.json", '{"a": 1}\n{"a"\n{"a": 2}')
        found = shown(json_lines.records_of_whole(path))
        assert found[::2] == [{"a": 1}, {"a": 2}] and found[1].startswith("not JSON: ")
