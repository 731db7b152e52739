import gzip

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import parallel_text


@pytest.fixture
def files(tmp_path):
    """Writes the two files of a translation and returns their paths."""

    def write(source, target, names=("a.de", "a.en")):
        paths = [tmp_path / name for name in names]
        for path, text in zip(paths, (source, target), strict=True):
            data = text if isinstance(text, bytes) else text.encode()
            path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return paths

    return write


class TestReadLines:
    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    @pytest.mark.parametrize("ending", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", [True, False])
    def test_marks_endings_and_packing(self, tmp_path, name, mark, ending, last):
        data = (mark + ending.join(["Grüße", "", " zwei "]) + ending * last).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        assert parallel_text.read_lines(tmp_path / name) == ["Grüße", "", " zwei "]

    @pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85", "\r"])
    def test_nothing_else_ends_a_line(self, tmp_path, inside):
        (tmp_path / "a").write_bytes(f"one{inside}still one\ntwo\n".encode())
        assert parallel_text.read_lines(tmp_path / "a") == [f"one{inside}still one", "two"]

    def test_blank_lines_at_the_end_and_an_empty_file(self, tmp_path):
        (tmp_path / "a").write_bytes(b"one\n\n\n")
        assert parallel_text.read_lines(tmp_path / "a") == ["one", "", ""]
        (tmp_path / "a").write_bytes(b"")
        assert parallel_text.read_lines(tmp_path / "a") == []

    def test_a_file_that_cannot_be_read(self, tmp_path):
        with pytest.raises(UserError) as caught:
            parallel_text.read_lines(tmp_path / "no.txt")
        assert str(caught.value) == f"there is no file {tmp_path / 'no.txt'}"
        with pytest.raises(UserError) as caught:
            parallel_text.read_lines(tmp_path)
        assert str(caught.value) == f"{tmp_path} is a folder, not a text file"
        (tmp_path / "a").write_bytes(
            "\ufeffeins\nzwei\r\nGr\xfc\xdfe\n".encode("latin-1", "ignore")
        )
        with pytest.raises(UserError) as caught:
            parallel_text.read_lines(tmp_path / "a")
        assert str(caught.value) == f"{tmp_path / 'a'}:3: not in UTF-8"

    @pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"text" * 99, mtime=0)[:-9]])
    def test_a_broken_archive(self, tmp_path, data):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(UserError, match=r"^cannot read .*a\.gz: "):
            parallel_text.read_lines(tmp_path / "a.gz")


class TestRead:
    def test_line_by_line(self, files, capsys):
        rows = parallel_text.read(*files("ein Hund \r\nzwei\u2028Hunde\r\n", "a dog\ntwo dogs"))
        assert rows == [
            {"source": "ein Hund", "target": "a dog"},
            {"source": "zwei\u2028Hunde", "target": "two dogs"},
        ]
        assert capsys.readouterr().out == ""

    def test_one_may_be_packed(self, files):
        rows = parallel_text.read(*files("eins\n", "one\n", ("a.de.gz", "[a].en")))
        assert rows == [{"source": "eins", "target": "one"}]

    def test_blank_sides_are_left_out_and_counted(self, files, capsys):
        paths = files("a\n\nc\n\u00a0\ne\n", "A\nB\n \nD\nE\n", ("a.de", "[a].en"))
        rows = parallel_text.read(*paths)
        assert [row["source"] for row in rows] == ["a", "e"]
        said = f"{paths[0]}, {paths[1]}: 3 lines left out, blank in one of the two\n"
        assert capsys.readouterr().out == said

    def test_files_of_different_length(self, files):
        source, target = files("a\n" * 7, "b\n" * 5)
        with pytest.raises(UserError) as caught:
            parallel_text.read(source, target)
        assert str(caught.value) == (
            f"{source} has 7 lines, {target} has 5: "
            "line N of one is to be the translation of line N of the other"
        )

    @pytest.mark.parametrize(
        ("texts", "message"),
        [
            (("", "\ufeff"), "are both empty"),
            (("a\n\n", "\nb\n"), "have no line with text in both"),
        ],
    )
    def test_nothing_left(self, files, texts, message):
        source, target = files(*texts)
        with pytest.raises(UserError) as caught:
            parallel_text.read(source, target)
        assert str(caught.value) == f"{source} and {target} {message}"
