import gzip

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import conll

CONLL_2003 = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

\t
-DOCSTART- -X- -X- O
BRUSSELS NNP I-NP I-LOC
"""
ROWS = [
    {
        "tokens": ["EU", "rejects", "Peter", "Blackburn"],
        "tags": ["B-ORG", "O", "B-PER", "I-PER"],
    },
    {"tokens": ["BRUSSELS"], "tags": ["B-LOC"]},
]


def write(folder, text, name="train.txt"):
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["train.conll", "train.txt.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_of_blanks(tmp_path, name, mark, line_end, capsys):
    path = write(tmp_path, mark + CONLL_2003.replace("\n", line_end), name)
    assert conll.read(path) == ROWS
    assert capsys.readouterr().out.count("3 I- tags with no B- before read as B-") == 1


def test_columns_of_tabs_and_tokens_of_any_kind(tmp_path, capsys):
    text = "1 000\tO\n\u00a0x\u2028y\tB-a b\n#\tO\n\n\n# x\tO\n日本\tI-x\tB-x "
    assert conll.read(write(tmp_path, text)) == [
        {"tokens": ["1 000", "x\u2028y", "#"], "tags": ["O", "B-a b", "O"]},
        {"tokens": ["# x", "日本"], "tags": ["O", "B-x"]},
    ]
    assert capsys.readouterr().out == ""


def test_comments_before_a_sentence_are_none_of_its_tokens(tmp_path):
    text = "# id 1 domain=train\n# 5\na  _ _  B-x\n# O\n\n# id 2\nb O"
    assert conll.read(write(tmp_path, text)) == [
        {"tokens": ["a", "#"], "tags": ["B-x", "O"]},
        {"tokens": ["b"], "tags": ["O"]},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\nb\nc O\n", ":2: the token 'b' has no tag"),
        ("a O\n\n\tO", ":3: the token 'O' has no tag"),
        ("a O\n# id b", ":2: the tag 'b' is none of O, B-TYPE and I-TYPE"),
        ("a\tO\n\nb\tO\nc\tPER", ":4: the tag 'PER' is none of O, B-TYPE and I-TYPE"),
        ("", " is empty"),
        ("-DOCSTART- O\n\n", " is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        conll.read(path)
    assert str(caught.value) == f"{path}{message}"
