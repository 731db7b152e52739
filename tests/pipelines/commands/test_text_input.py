import gzip
import io
import json
import sys

import pytest

from pipelines.commands import text_input
from pipelines.commands.errors import UserError


def test_nfc():
    assert text_input.nfc("Cafe\u0301 हि") == "Café हि"


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def pipe(monkeypatch):
    def pipe(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return pipe


def complaint(argument, **options):
    with pytest.raises(UserError) as caught:
        text_input.read(argument, **options)
    return str(caught.value)


class TestArgument:
    @pytest.mark.parametrize(
        "text",
        [
            "one",
            "Ein Satz, mit Punkt.",
            "und / oder",
            "see notes.txt",
            "3.14",
            "7/3/2024",
            "2024/3/7(木)",
            "٧/٣/٢٠٢٤",
            "صباح الخير 👋🏽",
            "a" * 100_000,
            "nul\0",
            "N/A",
            "TCP/IP",
            "nowhere/no",
            "2024/x",
            "/s",
            "and/or",
            "km/h,",
            "https://example.org/a.txt",
            "$HOME",
        ],
    )
    def test_a_text_is_itself(self, text):
        assert text_input.read(text) == text_input.read(text, by_line=False) == [text]

    def test_of_several_lines(self):
        assert text_input.read("one\n\ntwo") == ["one", "", "two"]
        assert text_input.read("one\n\ntwo", by_line=False) == ["one\n\ntwo"]

    @pytest.mark.parametrize("text", ["", "  ", "\n\t"])
    def test_a_blank_one(self, text):
        assert complaint(text) == (
            "--input is empty: a text, a file of texts, or - for standard input"
        )

    @pytest.mark.parametrize(
        "name",
        ["no.txt", "no.jsonl", "no/a.csv", "/no/a.tsv", "no.en.gz", "./no", "../no/a", "~/no"],
    )
    def test_what_looks_like_a_path_must_be_one(self, name):
        assert complaint(name) == f"there is no file {name}"


class TestFile:
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", [True, False])
    def test_blank_lines_keep_their_place(self, write, mark, end, last):
        path = write(mark + end.join(["Grüße", "", " zwei "]) + end * last)
        assert text_input.read(path) == ["Grüße", "", " zwei "]

    def test_blank_lines_at_both_ends(self, write):
        assert text_input.read(write("\n\none\n\n")) == ["", "", "one", ""]

    @pytest.mark.parametrize("inside", ["\u2028", "\x0b", "\x85", "\r"])
    def test_nothing_else_ends_a_line(self, write, inside):
        assert text_input.read(write(f"one{inside}still one\ntwo\n")) == [
            f"one{inside}still one",
            "two",
        ]

    def test_as_one_text(self, write):
        assert text_input.read(write("one\n\ntwo\n"), by_line=False) == ["one\n\ntwo\n"]

    def test_any_name_will_do(self, write):
        assert text_input.read(write("one", "no ending")) == ["one"]

    def test_packed(self, write):
        assert text_input.read(write(gzip.compress(b"one\ntwo\n"), "a.en.gz")) == ["one", "two"]
        packed = gzip.compress(b'{"source": "one"}')
        assert text_input.read(write(packed, "a.jsonl.gz")) == ["one"]

    @pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"text" * 99, mtime=0)[:-9]])
    def test_a_broken_archive(self, write, data):
        path = write(data, "a.gz")
        assert complaint(path).startswith(f"cannot read {path}: ")

    @pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n\n"])
    def test_empty(self, write, content):
        path = write(content)
        assert complaint(path) == f"{path} is empty"

    def test_not_in_utf8(self, write):
        path = write("eins\nzwei\r\nGrüße\n".encode("latin-1"))
        assert complaint(path) == f"{path}:3: not in UTF-8"

    def test_a_folder(self, tmp_path):
        assert complaint(str(tmp_path)) == f"cannot read {tmp_path}: Is a directory"

    def test_a_word_that_is_also_a_folder_here(self, tmp_path, monkeypatch):
        (tmp_path / "house").mkdir()
        monkeypatch.chdir(tmp_path)
        assert text_input.read("house") == ["house"]
        assert complaint("./house") == "there is no file ./house"

    def test_at_home(self, write, monkeypatch, tmp_path):
        write("one")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert text_input.read("~/a.txt") == ["one"]


class TestJsonLines:
    @pytest.mark.parametrize("by_line", [True, False])
    def test_a_text_of_each_line(self, write, by_line):
        rows = [
            {"source": "one\nand more", "target": "eins"},
            {"text": "two"},
            {"text": "no", "source": "no", "document": "three"},
        ]
        path = write("\n\n".join(map(json.dumps, rows)) + "\n", "a.jsonl")
        assert text_input.read(path, by_line) == ["one\nand more", "", "two", "", "three"]

    @pytest.mark.parametrize(
        "line",
        ["{", "7", "[]", "null", '"document"', "{}", '{"document": 7}', '{"target": "one"}', "one"],
    )
    def test_a_bad_line(self, write, line):
        path = write(f'{{"text": "one"}}\n\n{line}\n', "a.jsonl")
        expected = "expected an object with a text in one of 'document', 'source', 'text'"
        assert complaint(path) == f"{path}:3: {expected}"

    def test_half_a_surrogate_pair(self, write):
        path = write('{"text": "one \\ud800"}', "a.jsonl")
        assert complaint(path) == f"{path}:1: an unpaired surrogate"


class TestStandardInput:
    def test_line_by_line_or_whole(self, pipe):
        pipe("één\r\n\nzwei\n".encode())
        assert text_input.read("-") == ["één", "", "zwei"]
        pipe(b"one\ntwo\n")
        assert text_input.read("-", by_line=False) == ["one\ntwo\n"]

    @pytest.mark.parametrize("content", [b"", b"\n \n"])
    def test_empty(self, pipe, content):
        pipe(content)
        assert complaint("-") == "standard input is empty"

    def test_not_in_utf8(self, pipe):
        pipe(b"one\n\xff")
        assert complaint("-") == "standard input:2: not in UTF-8"

    def test_closed(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", None)
        assert complaint("-") == (
            "standard input is closed: give a text, or a file of texts, as --input"
        )

    def test_a_terminal_is_told_that_it_is_read(self, monkeypatch, capsys):
        class Terminal(io.BytesIO):
            def isatty(self):
                return True

        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Terminal(b"one\n")))
        assert text_input.read("-") == ["one"]
        assert capsys.readouterr().err == "reading from the terminal, up to Ctrl-D\n"
