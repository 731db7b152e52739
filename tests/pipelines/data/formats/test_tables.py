import csv
import gzip

import pytest

from pipelines.commands.errors import UserError
from pipelines.data.fields import Field
from pipelines.data.formats import tables
from pipelines.data.formats.text_files import NOT_UTF8

FIELDS = {
    "label": Field(("label", "sentiment", "class"), is_label=True),
    "text": Field(("text", "sentence", "review")),
}
TEXTS = ('He said "no", twice;\nthen left', "caf\u00e9\u2028 \u65e5\u672c", "tab\there", "plain")
ROWS = [{"text": text, "label": str(number)} for number, text in enumerate(TEXTS)]


def write(path, text):
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path, headerless=None):
    """The records of a table, errors as texts, with the numbers of their lines."""
    found = tables.records(path, FIELDS, headerless)
    return [
        (int(where.removeprefix(f"{path}:")), str(each) if isinstance(each, ValueError) else each)
        for where, each in found
    ]


def records(path):
    return [{key: each[key] for key in ("text", "label")} for _, each in read(path)]


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_a_writer_of_csv_wrote(tmp_path, name, mark, delimiter, quoting):
    plain = tmp_path / "plain.csv"
    with open(plain, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
        writer.writerow(["id", "label", "text", "a,b;c"])
        writer.writerows([n, row["label"], f" {row['text']} ", ""] for n, row in enumerate(ROWS))
    assert records(write(tmp_path / name, mark + plain.read_bytes().decode())) == ROWS


def test_tabs_part_a_tsv_and_nothing_is_quoted(tmp_path):
    path = write(tmp_path / "dev.tsv", 'text\tlabel\n"it \'s, so \t1\r\n\nb" "c"\t0')
    assert read(path) == [
        (2, {"text": "\"it 's, so", "label": "1"}),
        (4, {"text": 'b" "c"', "label": "0"}),
    ]


def test_a_space_behind_the_comma(tmp_path):
    path = write(tmp_path / "a.csv", '"label", "text"\n1, "a, b"\n')
    assert read(path) == [(2, {"label": "1", "text": "a, b"})]


def test_a_text_that_comes_last_may_hold_commas(tmp_path):
    path = write(tmp_path / "a.csv", "label,text\nx,one, two,three\n")
    assert read(path) == [(2, {"label": "x", "text": "one, two,three"})]


def test_of_two_headings_with_one_name_the_first_counts(tmp_path):
    path = write(tmp_path / "a.csv", "label,text,text,\n1,2,3,\n")
    assert read(path) == [(2, {"label": "1", "text": "2", "text.2": "3"})]


def test_what_excel_writes_first(tmp_path):
    path = write(tmp_path / "a.csv", "sep=;\r\nlabel;text\r\n1;a,b,c,d\r\n")
    assert read(path) == [(3, {"label": "1", "text": "a,b,c,d"})]


def test_a_text_longer_than_the_limit_of_python(tmp_path):
    text = "word " * 60_000 + "end"
    path = write(tmp_path / "a.csv", f'text,label\n"{text}",x\n')
    assert records(path) == [{"text": text, "label": "x"}]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # A quote spoils its own line alone.
        (
            '"c,d\nx,y\n"z",w\n',
            [(2, "not as many columns as the header, 2"), (3, "x", "y"), (4, "z", "w")],
        ),
        ('a,"b\n', [(2, "a", "b")]),
        ('"a" b,c\n', [(2, "a b", "c")]),
        ('"He said \\"no\\", twice",c\nx,y\n', [(2, 'He said "no", twice', "c"), (3, "x", "y")]),
        ("a,b\nc\n", [(2, "a", "b"), (3, "not as many columns as the header, 2")]),
        ('"a\nb",c\nd,e\n', [(2, "a\nb", "c"), (4, "d", "e")]),
        (b"caf\xe9,c\nd,e\n", [(2, NOT_UTF8), (3, "d", "e")]),
        ("a\0b,c\n", [(2, "a\0b", "c")]),
        ("a,b,,\n", [(2, "a", "b")]),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path, table, expected):
    head = b"text,label\n"
    path = write(tmp_path / "a.csv", head + (table if isinstance(table, bytes) else table.encode()))
    found = [
        (number, each) if isinstance(each, str) else (number, each["text"], each["label"])
        for number, each in read(path)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", " is empty"),
        ("a.csv", "\n \n", " is empty"),
        (
            "a.csv",
            '"title","text"\na,b\n',
            " has no column for 'label' (looked for label, sentiment, class): "
            "its columns are title, text",
        ),
        (
            "a.tsv",
            "text,label\na,b\n",
            " has no column for 'label' (looked for label, sentiment, class): "
            "its columns are text,label",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value) == f"{path}{message}"


def test_a_table_without_a_header(tmp_path):
    seen = []

    def headerless(sample):
        seen.append(sample)
        return ({"label": [0], "text": [1, 2]}, 1) if len(sample[0]) == 3 else None

    path = write(tmp_path / "a.csv", "x;y,y;z\n1;a, b;c\n2;d;\n3;e\n")
    assert read(path, headerless) == [
        (2, {"label": "1", "text": "a, b c"}),
        (3, {"label": "2", "text": "d"}),
        (4, "fewer than 3 columns"),
    ]
    assert seen[-1][0] == ["x", "y,y", "z"]


def test_quotes_and_commas_of_a_text_between_tabs(tmp_path):
    lines = [f'"No", she said {n}.\t"Non", dit-elle {n}.' for n in range(3)]
    path = write(tmp_path / "fra.txt", "\n".join([*lines, '"Go.\t"Va !']))
    assert read(path, lambda sample: ({"label": [0], "text": [1]}, 0)) == [
        (1, {"label": '"No", she said 0.', "text": '"Non", dit-elle 0.'}),
        (2, {"label": '"No", she said 1.', "text": '"Non", dit-elle 1.'}),
        (3, {"label": '"No", she said 2.', "text": '"Non", dit-elle 2.'}),
        (4, {"label": '"Go.', "text": '"Va !'}),
    ]
