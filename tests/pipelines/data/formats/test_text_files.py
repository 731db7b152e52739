import gzip
import os

import pytest

from pipelines.commands.errors import UserError
from pipelines.data.formats import text_files
from pipelines.data.formats.text_files import lines, read_lines

TEXT = ["Grüße", "", " zwei ", "日本"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "A.TXT.GZ"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_encodings_ends_and_packing(tmp_path, encoding, name, end, last):
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    data = (mark + end.join(TEXT) + end * last).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.lower().endswith("gz") else data)
    assert read_lines(tmp_path / name) == TEXT


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85", "\r", "\0"])
def test_nothing_else_ends_a_line(tmp_path, inside):
    (tmp_path / "a").write_bytes(f"one{inside}still one\ntwo\n".encode())
    assert read_lines(tmp_path / "a") == [f"one{inside}still one", "two"]


def test_a_carriage_return_does_where_there_is_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"one\rtwo\r")
    assert read_lines(tmp_path / "a") == ["one", "two"]


def test_blank_lines_at_the_end_and_an_empty_file(tmp_path):
    (tmp_path / "a").write_bytes(b"one\n\n\n")
    assert read_lines(tmp_path / "a") == ["one", "", ""]
    (tmp_path / "a").write_bytes(b"")
    assert read_lines(tmp_path / "a") == []


def test_lines_come_one_at_a_time(tmp_path):
    (tmp_path / "a").write_bytes(b"one\n" + b"\xff" * 99_999)
    found = lines(tmp_path / "a")
    assert next(found) == "one"
    assert not text_files.is_utf8(next(found))


def test_a_file_that_cannot_be_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "no.txt", f"there is no file {tmp_path / 'no.txt'}"),
        (tmp_path, f"{tmp_path} is a folder, not a text file"),
        (tmp_path / "pipe", f"{tmp_path / 'pipe'} is no file"),
    ):
        with pytest.raises(UserError) as caught:
            read_lines(path)
        assert str(caught.value) == message
    (tmp_path / "a").write_bytes("eins\nzwei\r\nGr\xfc\xdfe\n".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        read_lines(tmp_path / "a")
    said = "not in UTF-8; if it is Latin-1, iconv -f latin1 -t utf-8 converts it"
    assert str(caught.value) == f"{tmp_path / 'a'}:3: {said}"


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"text" * 99, mtime=0)[:-9]])
def test_a_broken_archive(tmp_path, data):
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(UserError, match=r"^cannot read .*a\.gz: "):
        read_lines(tmp_path / "a.gz")


@pytest.mark.parametrize(
    ("name", "stem", "ending"),
    [
        ("train.jsonl", "train", ".jsonl"),
        ("Train.JSONL.GZ", "Train", ".jsonl"),
        ("train-v1.1.json", "train-v1.1", ".json"),
        ("a/SMSSpamCollection", "SMSSpamCollection", ""),
    ],
)
def test_names(name, stem, ending):
    assert (text_files.stem(name), text_files.ending(name)) == (stem, ending)
