import csv
import gzip

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import tables

COLUMNS = {"text": ("text", "sentence", "review"), "label": ("label", "sentiment", "class")}
TEXTS = ('He said "no", twice;\nthen left', "caf\u00e9\u2028 \u65e5\u672c", "tab\there", "plain")
ROWS = [{"text": text, "label": str(number)} for number, text in enumerate(TEXTS)]


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_a_writer_of_csv_wrote(tmp_path, name, mark, delimiter, quoting):
    plain = tmp_path / "plain.csv"
    with open(plain, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
        writer.writerow(["id", " Sentiment", "REVIEW", "a,b;c"])
        writer.writerows([n, row["label"], f" {row['text']} ", ""] for n, row in enumerate(ROWS))
    path = write(tmp_path / name, mark + plain.read_bytes().decode())
    assert tables.read(path, COLUMNS) == ROWS


def test_tabs_part_a_tsv_and_nothing_is_quoted(tmp_path):
    path = write(tmp_path / "dev.tsv", 'sentence\tlabel\n"it \'s, so \t1\r\n\nb" "c"\t0')
    assert tables.read(path, COLUMNS) == [
        {"text": "\"it 's, so", "label": "1"},
        {"text": 'b" "c"', "label": "0"},
    ]
    packed = write(tmp_path / "dev.tsv.gz", 'text\tclass\n"a\tb\n')
    assert tables.read(packed, COLUMNS) == [{"text": '"a', "label": "b"}]


def test_the_first_heading_of_several_counts(tmp_path):
    path = write(tmp_path / "a.csv", "class,review,label,text\n1,2,3,4\n")
    assert tables.read(path, COLUMNS) == [{"text": "4", "label": "3"}]


def test_a_text_longer_than_the_limit_of_python(tmp_path):
    text = "word " * 60_000 + "end"
    path = write(tmp_path / "a.csv", f'text,label\n"{text}",x\n')
    assert tables.read(path, COLUMNS) == [{"text": text, "label": "x"}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", " is empty"),
        ("a.csv", "\n \n", " is empty"),
        (
            "a.csv",
            '""\n',
            " has no column for 'text' (looked for text, sentence, review): its columns are ",
        ),
        ("a.csv", "text,label\n\n", " has a header alone"),
        (
            "a.csv",
            '"title","text"\na,b\n',
            " has no column for 'label' (looked for label, sentiment, class): "
            "its columns are title, text",
        ),
        (
            "a.tsv",
            "text,label\na,b\n",
            " has no column for 'text' (looked for text, sentence, review): "
            "its columns are text,label",
        ),
        ("a.csv", 'text,label\n"a\nb",c\nd,e,f\n', ":4: 3 columns, where the header has 2"),
        ("a.tsv", "text\tlabel\na\tb\nc\n", ":3: 1 columns, where the header has 2"),
        ("a.csv", "review,label\na,b\n ,c\n", ":3: column 'review' is empty"),
        ("a.csv", "text,label\na,\n", ":2: column 'label' is empty"),
        ("a.csv", 'text,label\na,b\n"c,d\n', ":3: unexpected end of data"),
        ("a.csv", 'text,label\n"a" b,c\n', ":2: ',' expected after '\"'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    with pytest.raises(UserError) as caught:
        tables.read(path, COLUMNS)
    assert str(caught.value) == f"{path}{message}"
