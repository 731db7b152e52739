import gzip

import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.formats import parallel_text
from pipelines.data.formats.text_files import NOT_UTF8


@pytest.fixture
def read(tmp_path):
    """Writes the two files of a translation; their rows, and what was left out."""

    def write(source, target, names=("a.de", "a.en")):
        paths = [tmp_path / name for name in names]
        for path, text in zip(paths, (source, target), strict=True):
            data = text if isinstance(text, bytes) else text.encode()
            path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        tally = Tally("train")
        return list(parallel_text.read(*paths, tally)), tally._entries

    return write


def test_line_by_line(read):
    rows, left_out = read("ein Hund \r\nzwei\u2028Hunde\r\n", "a dog\ntwo dogs")
    assert rows == [
        {"source": "ein Hund", "target": "a dog"},
        {"source": "zwei\u2028Hunde", "target": "two dogs"},
    ]
    assert left_out == []


def test_one_may_be_packed(read):
    assert read("eins\n", "one\n", ("a.de.gz", "[a].en"))[0] == [
        {"source": "eins", "target": "one"}
    ]


def test_what_is_no_pair_is_counted(read, tmp_path):
    rows, left_out = read(b"a\n\nc\n\xff\ne\n", "A\nB\n \nD\nE\n")
    assert [row["source"] for row in rows] == ["a", "e"]
    path = tmp_path / "a.de"
    assert left_out == [
        (f"{path}:2", "blank in one of the two files"),
        (f"{path}:3", "blank in one of the two files"),
        (f"{path}:4", NOT_UTF8),
    ]


def test_files_of_different_length(read, tmp_path):
    with pytest.raises(UserError) as caught:
        read("a\n" * 7, "b\n" * 5)
    assert str(caught.value) == (
        f"{tmp_path / 'a.de'} has 7 lines, {tmp_path / 'a.en'} has 5: "
        "line N of one is to be the translation of line N of the other"
    )


def test_nothing_at_all(read, tmp_path):
    with pytest.raises(UserError, match=r"a\.de and .*a\.en are both empty"):
        read("", "\ufeff")
