import pytest

from pipelines.commands.errors import UserError
from pipelines.data.formats import column_files


@pytest.fixture
def read(tmp_path):
    def read(text, name="a.txt"):
        (tmp_path / name).write_text(text)
        return [
            [(number, *cells) for number, cells in lines]
            for lines in column_files.read(tmp_path / name)
        ]

    return read


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\tO\t\nb c\tO\t\n", [[(1, "a", "O", ""), (2, "b c", "O", "")]]),
        ("a\tO\nb\tO\t\n\tO\n", [[(1, "a", "O"), (2, "b", "O"), (3, "", "O")]]),
        ("a  O\n  b O\n O\n", [[(1, "a", "O"), (2, "b", "O"), (3, "", "O")]]),
        ("a O\n \n\u200b\n\n-DOCSTART- O\nb O\n", [[(1, "a", "O")], [(6, "b", "O")]]),
        ("a;O\n\nb;O\n", [[(1, "a", "O")], [(3, "b", "O")]]),
        (
            "a|b|O c|d|O\n||||O e|f|O\n",
            [[(1, "a", "b", "O"), (1, "c", "d", "O")], [(2, "||", "", "O"), (2, "e", "f", "O")]],
        ),
        ("a|O b|O\n", [[(1, "a", "O"), (1, "b", "O")]]),
        ("", []),
        ("\n \n", []),
    ],
)
def test_lines(read, text, lines):
    assert read(text) == lines


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables(read, delimiter):
    text = 'w,t\n"a, ""b""",O\n,\n"c\nd",O\n'.replace(",", delimiter)
    cell = f'a{delimiter} "b"'
    found = [[(1, "w", "t"), (2, cell, "O")], [(5, "c\nd", "O")]]
    assert read(text, "a.csv") == found
    assert column_files.is_csv("a.CSV.gz") and not column_files.is_csv("a.csv.d/b.tsv")


def test_a_cell_that_cannot_be_read(read, tmp_path):
    with pytest.raises(UserError, match=r"a\.csv:1: new-line character"):
        read("a,O\nb\rc,O\n", "a.csv")
