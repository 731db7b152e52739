import gzip

import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.formats import conll

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
ADA = [["Ada/B-PER", "Byron/I-PER", "ran/O"], ["We/O", "saw/O", "Oslo/B-LOC"]]


@pytest.fixture
def read(tmp_path, capsys):
    """Reads a text: sentences as "token/tag", what was left out, and what was said."""

    def read(text, name="train.txt"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        tally = Tally("train")
        rows = list(conll.read(path, tally))
        left_out = [(where.removeprefix(f"{path}:"), reason) for where, reason in tally._entries]
        said = capsys.readouterr().out.replace(f"{path}: ", "").splitlines()
        pairs = [zip(row["tokens"], row["tags"], strict=True) for row in rows]
        return [["/".join(pair) for pair in each] for each in pairs], left_out, said

    return read


@pytest.mark.parametrize("name", ["train.conll", "train.txt.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_of_blanks(read, name, mark, line_end):
    sentences = [["/".join(pair) for pair in zip(*row.values(), strict=True)] for row in ROWS]
    said = ["3 I- tags with no B- before read as B-"]
    assert read(mark + CONLL_2003.replace("\n", line_end), name) == (sentences, [], said)


def test_columns_of_tabs_and_tokens_of_any_kind(read):
    text = "1 000\tO\n\u00a0x\u2028y\tB-a b\n#\tO\n\n\n# x\tO\n日本\tI-x\tB-x "
    sentences = [["1 000/O", "x\u2028y/B-a b", "#/O"], ["# x/O", "日本/B-x"]]
    assert read(text) == (sentences, [], [])


def test_comments_before_a_sentence_are_none_of_its_tokens(read):
    text = "# id 1 domain=train\n# 5\na  _ _  B-x\n# O\n\n# id 2\nb O"
    assert read(text) == ([["a/B-x", "#/O"], ["b/O"]], [], [])


# Each layout with five tokens or more; what a line says of it.
LAYOUTS = {
    "WNUT": (
        "Ada\tB-PER\nByron\tI-PER\nran\tO\n\nWe\tO\nsaw\tO\nOslo\tB-LOC\n",
        [],
    ),
    "GermEval": (
        "#\thttp://example.org [2009]\n1\tAda\tB-PER\tO\n2\tByron\tI-PER\tB-PER\n3\tran\tO\tO\n"
        "\n#\tn-tv.de\n1\tWe\tO\tO\n2\tsaw\tO\tO\n3\tOslo\tB-LOC\tO\n",
        ["tokens in column 2, tags in column 3; the further tags in column 4 are not read"],
    ),
    "CoNLL-U": (
        "# sent_id = 1\n# text = Ada Byron ran\n"
        "1\tAda\t_\tPROPN\t_\t_\t0\troot\t_\tname=B-PER|SpaceAfter=No\n"
        "2-3\tByronran\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "2\tByron\t_\tPROPN\t_\t_\t1\tflat\t_\tname=I-PER\n"
        "3\tran\t_\tVERB\t_\tTense=Past\t0\troot\t_\tname=O\n"
        "3.1\tran\t_\tVERB\t_\t_\t_\t_\t_\t_\n\n"
        "1\tWe\t_\tPRON\t_\tCase=Nom\t2\tnsubj\t_\t_\n"
        "2\tsaw\t_\tVERB\t_\t_\t0\troot\t_\tname=O\n"
        "3\tOslo\t_\tPROPN\t_\t_\t2\tobj\t_\tname=B-LOC\n",
        ["tokens in column 2, tags in column 10 (as name=)"],
    ),
    "MultiCoNER": (
        "# id 1 domain=en\nAda _ _ B-PER\nByron _ _ I-PER\nran _ _ O\n\n"
        "# id 2 domain=en\nWe _ _ O\nsaw _ _ O\nOslo _ _ B-LOC\n",
        [],
    ),
    "MIT": (
        "B-PER\tAda\nI-PER\tByron\nO\tran\n\nO\tWe\nO\tsaw\nB-LOC\tOslo\n",
        ["tokens in column 2, tags in column 1"],
    ),
    "documents": (
        "bc/a 0 Ada NNP B-PER\nbc/a 0 Byron NNP I-PER\nbc/a 0 ran VBD O\n\n"
        "bc/a 1 We PRP O\nbc/a 1 saw VBD O\nbc/a 1 Oslo NNP B-LOC\n",
        ["tokens in column 3, tags in column 5"],
    ),
    "WikiNER": (
        "Ada|NNP|B-PER Byron|NNP|I-PER ran|VBD|O\nWe|PRP|O saw|VBD|O Oslo|NNP|B-LOC\n",
        [],
    ),
    "Kaggle": (
        "Sentence #,Word,POS,Tag\nSentence: 1,Ada,NNP,B-PER\n,Byron,NNP,I-PER\n,ran,VBD,O\n"
        "Sentence: 2,We,PRP,O\n,saw,VBD,O\n,Oslo,NNP,B-LOC\n",
        ["tokens in column 2, tags in column 4"],
    ),
    "pandas": (
        ",sentence_id,word,labels\n0,0.0,Ada,B-PER\n1,0.0,Byron,I-PER\n2,0.0,ran,O\n"
        "3,1.0,We,O\n4,1.0,saw,O\n5,1.0,Oslo,B-LOC\n",
        ["tokens in column 3, tags in column 4"],
    ),
    "numbered": (
        "no;Wort;Etikett\n1;Ada;B-PER\n2;Byron;I-PER\n3;ran;O\n1;We;O\n2;saw;O\n3;Oslo;B-LOC\n",
        ["tokens in column 2, tags in column 3"],
    ),
    "lists": (
        "Sentence #,Sentence,POS,Tag\n"
        "1,Ada Byron ran,\"['NNP', 'NNP', 'VBD']\",\"['B-PER', 'I-PER', 'O']\"\n"
        "2,We saw Oslo,\"['PRP', 'VBD', 'NNP']\",\"['O', 'O', 'B-LOC']\"\n",
        [],
    ),
    "texts": ("text,labels\nAda Byron ran,B-PER I-PER O\nWe saw Oslo,O O B-LOC\n", []),
    "header": ("Word\tTag\nAda\tB-PER\nByron\tI-PER\nran\tO\n\nWe\tO\nsaw\tO\nOslo\tB-LOC\n", []),
    "commas": ("Ada,B-PER\nByron,I-PER\nran,O\n\nWe,O\nsaw,O\nOslo,B-LOC\n", []),
    "suffixes": (
        "Ada PER-B\nByron PER-I\nran O\n\nWe O\nsaw O\nOslo LOC-B\n",
        ["tags such as 'PER-B' read as BIO"],
    ),
    "types": (
        "Ada PER\nByron PER\nran O\n\nWe O\nsaw O\nOslo LOC\n",
        ["tags without B- and I- such as 'PER' read as BIO: neighbours of one type are one entity"],
    ),
    "outside": (
        "Ada\tB-PER\nByron\tI-PER\nran\t_\n\nWe\t_\nsaw\t_\nOslo\tB-LOC\n",
        ["'_' read as O"],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(read, layout):
    text, said = LAYOUTS[layout]
    is_csv = layout in ("Kaggle", "pandas", "numbered", "lists", "texts")
    assert read(text, "train.csv" if is_csv else "train.txt") == (ADA, [], said)


def test_phrases_count_where_there_is_nothing_else(read):
    text = "We PRP B-NP\nsaw VBD B-VP\na DT B-NP\nhouse NN I-NP\n. . O\n"
    assert read(text)[0] == [["We/B-NP", "saw/B-VP", "a/B-NP", "house/I-NP", "./O"]]


def test_a_quoted_comma_and_a_column_of_tags_by_its_name(read):
    text = 'Token,Pos,ner,Tag\nAda,N,B-PER,X\n",",P,O,O\n"a ""b""",N,B-x,Y\n'
    assert read(text, "a.csv") == (
        [["Ada/B-PER", ",/O", 'a "b"/B-x']],
        [],
        ["tokens in column 1, tags in column 3"],
    )


def test_a_token_without_a_visible_character(read):
    text = "Ada\tB-x\n\tO\n\u200b\tO\nran\tO\n\na\tO\n\tB-x\n\n\u3000\tO\n\nb\tO\n"
    assert read(text) == (
        [["Ada/B-x", "ran/O"], ["b/O"]],
        [
            ("7", "a token without a visible character is tagged"),
            ("9", "no token has a visible character"),
        ],
        ["2 tokens without a visible character left out"],
    )
    assert read("Ada B-x\n O\nran O\n")[0] == [["Ada/B-x", "ran/O"]]


def test_a_wrong_sentence_is_left_out(read):
    text = "a O\nb\nc O\n\nd B-x\n\ne O\n# id f\n\ng\tO\nh\tPER\n\ni I-x\n"
    assert read(text) == (
        [["d/B-x"], ["i/B-x"]],
        [
            ("2", "a token has no tag"),
            ("8", "the tag 'f' is none of O, B-TYPE and I-TYPE"),
            ("11", "the tag 'PER' is none of O, B-TYPE and I-TYPE"),
        ],
        ["1 I- tag with no B- before read as B-"],
    )


@pytest.mark.parametrize(
    "ids", [[1, 2, 3, 1, 2, 1], [7, 7, 7, 8, 8, 9], ["s1", "", "", "s2", "", "s3"]]
)
def test_a_column_parts_sentences(read, ids):
    words = zip(ids, "abcdef", ["B-x", "I-x", "O", "O", "B-x", "I-x"], strict=True)
    sentences, _, said = read("".join(f"{n}\t{token}\t{tag}\n" for n, token, tag in words))
    assert sentences == [["a/B-x", "b/I-x", "c/O"], ["d/O", "e/B-x"], ["f/B-x"]]
    assert said[0] == "tokens in column 2, tags in column 3"


def test_no_blank_line_ends_a_sentence(read):
    text = "Dr.\tB-x\n.\tI-x\nNo\tI-x\nran\tO\n.\tO\n" * 41
    sentences, _, said = read(text)
    assert sentences == [["Dr./B-x", "./I-x", "No/I-x", "ran/O", "./O"]] * 41
    assert said == [
        "no blank line ends a sentence: its 205 tokens are cut behind ., ! and ? into 41 sentences"
    ]


def test_numbers_have_names_in_the_folder(read, tmp_path):
    text = "Ada 1\nByron 2\nran 0\n"
    with pytest.raises(UserError, match=r"train.txt: the tags are numbers, and nothing says what"):
        read(text)
    (tmp_path / "labels.txt").write_text("O\nB-PER\nI-PER\n")
    assert read(text) == ([["Ada/B-PER", "Byron/I-PER", "ran/O"]], [], [])
    table = "tokens,ner_tags\n\"['Ada', 'ran']\",\"[1, 0]\"\n"
    assert read(table, "a.csv")[0] == [["Ada/B-PER", "ran/O"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty"),
        ("-DOCSTART- O\n\n", " is empty"),
        ("# nothing\n\n# else\n", " is empty"),
        (
            "The cat sat\nA dog ran\nWe \x1bfell it\n",
            ": no column looks like tags (O, B-PER, I-PER); its columns are 1 ('The', 'A', 'We'), "
            "2 ('cat', 'dog', '\\x1bfell'), 3 ('sat', 'ran', 'it')",
        ),
        (
            "1\tAda\tPROPN\n2\tran\tVERB\n",
            ": no column looks like tags (O, B-PER, I-PER); its columns are 1 ('1', '2'), "
            "2 ('Ada', 'ran'), 3 ('PROPN', 'VERB')",
        ),
    ],
)
def test_what_has_no_tags(read, tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        read(text)
    assert str(caught.value) == f"{tmp_path / 'train.txt'}{message}"
