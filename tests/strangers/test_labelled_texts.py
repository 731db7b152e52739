"""Labelled texts as public data sets hold them."""

import json

import pytest

from pipelines.commands.errors import UserError
from tests.strangers.trees import read, sentiment, write

TEXTS = (
    "what, a film",
    "so bad that I left",
    "good and long",
    "not good",
    "the best of all",
    "worst",
)
NAMED, NUMBERED = ("pos", "neg") * 3, ("1", "0") * 3


def table(*columns, head=None, delimiter=",", quote='"'):
    """A table of columns, each a list or a value that all rows have."""
    rows = [[c if isinstance(c, str) else c[n] for c in columns] for n in range(6)]
    rows = ([head] if head else []) + rows
    return "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in rows)


IDS = [f"{n}4611" for n in range(6)]


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("IMDB Dataset.csv", table(TEXTS, NAMED, head=["review", "sentiment"]), NAMED),
        ("train.csv", table(NUMBERED, TEXTS), NUMBERED),  # Yelp polarity.
        (
            "training.1600000.csv",
            table(NUMBERED, IDS, "Mon Apr 06", "NO_QUERY", "some_body", TEXTS),
            NUMBERED,
        ),
        (
            "train.tsv",
            table("gj04", NUMBERED, "", TEXTS, delimiter="\t", quote=""),
            NUMBERED,
        ),  # CoLA.
        (
            "train.tsv",
            table(TEXTS, NUMBERED, head=["sentence", "label"], delimiter="\t", quote=""),
            NUMBERED,
        ),
        (
            "twitter-2016train.txt",
            table(IDS, NAMED, TEXTS, delimiter="\t", quote=""),
            NAMED,
        ),  # SemEval.
        ("SMSSpamCollection", table(NAMED, TEXTS, delimiter="\t", quote=""), NAMED),
        ("spam.csv", table(NAMED, TEXTS, "", "", "", head=["v1", "v2", "", "", ""]), NAMED),
        ("train.txt", table(TEXTS, NAMED, delimiter=";", quote=""), NAMED),  # Emotions.
        ("all-data.csv", table(NAMED, TEXTS), NAMED),  # Financial phrases.
        ("train.csv", table(TEXTS, NAMED, head=["text", "category"]), NAMED),  # Banking77.
        (
            "Tweets.csv",
            table(
                IDS,
                NAMED,
                "1.0",
                TEXTS,
                head=["tweet_id", "airline_sentiment", "confidence", "text"],
            ),
            NAMED,
        ),
        (
            "Reviews.csv",
            table(
                IDS,
                "B001",
                NUMBERED,
                "Summary",
                TEXTS,
                head=["Id", "ProductId", "Score", "Summary", "Text"],
            ),
            NUMBERED,
        ),
        (
            "train.csv",
            "sep=;\n" + table(TEXTS, NAMED, head=["text", "label"], delimiter=";"),
            NAMED,
        ),
        (
            "train.json",
            [{"text": t, "label": int(n)} for t, n in zip(TEXTS, NUMBERED, strict=True)],
            NUMBERED,
        ),
        ("train.json", {"text": dict(enumerate(TEXTS)), "label": dict(enumerate(NAMED))}, NAMED),
        ("train.json", {"text": TEXTS, "label": NAMED}, NAMED),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_one_file(tmp_path, name, content, labels, alone):
    write(tmp_path, {name: content})
    alone = alone or "." not in name  # Only a file that is named is read without an ending.
    splits, reasons = read(tmp_path / name if alone else tmp_path, sentiment())
    assert splits == {"train": list(zip(TEXTS, labels, strict=True))} and reasons == []


def test_ag_news_joins_title_and_description(tmp_path):
    write(tmp_path, {"train.csv": table(NUMBERED, "A title", TEXTS)})
    splits, _ = read(tmp_path, sentiment())
    assert splits["train"][0] == ("A title what, a film", "1")


def test_a_test_set_of_glue_has_no_labels(tmp_path, capsys):
    good = table(TEXTS, NUMBERED, head=["sentence", "label"], delimiter="\t", quote="")
    bare = table(IDS, TEXTS, head=["index", "sentence"], delimiter="\t", quote="")
    splits, _ = read(
        write(tmp_path, {"train.tsv": good, "dev.tsv": good, "test.tsv": bare}), sentiment()
    )
    assert list(splits) == ["train", "validation"]
    assert "test.tsv is not used: it has no 'label'" in capsys.readouterr().out


def test_tweet_eval_has_texts_and_labels_line_by_line(tmp_path):
    write(
        tmp_path,
        {
            "train_text.txt": "joy \nnot joy\n",
            "train_labels.txt": "1\n0\n",
            "val_text.txt": "so\n",
            "val_labels.txt": "1\n",
            "mapping.txt": "0\tanger\n1\tjoy\n",
        },
    )
    assert read(tmp_path, sentiment()) == (
        {"train": [("joy", "joy"), ("not joy", "anger")], "validation": [("so", "joy")]},
        [],
    )


@pytest.mark.parametrize(
    "root", ["aclImdb/{}/", "20news-bydate/20news-bydate-{}/"], ids=["imdb", "newsgroups"]
)
def test_folders_of_texts(tmp_path, root, capsys):
    train, test = root.format("train"), root.format("test")
    end = ".txt" if "Imdb" in root else ""
    write(
        tmp_path,
        {
            f"{train}pos/0_9{end}": "good\nfilm",
            f"{train}neg/1_1{end}": "bad",
            f"{test}pos/2{end}": "ok",
        },
    )
    write(
        tmp_path,
        {
            f"{train}unsup/0_0.txt": "film",
            root.partition("/")[0] + "/README": "about",
            f"{train}neg/2_1{end}": b"caf\xe9",
        },
    )
    splits, reasons = read(tmp_path, sentiment())
    assert splits == {"train": [("bad", "neg"), ("good\nfilm", "pos")], "test": [("ok", "pos")]}
    assert reasons == ["not in UTF-8"]
    assert "unsup is no class: not used" in capsys.readouterr().out


def test_lists_of_labels(tmp_path):
    rows = [
        {"text": "a", "labels": [2, 5]},
        {"text": "b", "labels": []},
        {"text": "c", "labels": "joy"},
    ]
    write(
        tmp_path,
        {
            "train.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
            "test.csv": "text,labels\na,\"['x', 'y']\"\nb,[7]\nc,[]\n",
        },
    )
    splits, _ = read(tmp_path, sentiment())
    assert splits["train"] == [("a", ["2", "5"]), ("b", []), ("c", "joy")]
    assert splits["test"] == [("a", ["x", "y"]), ("b", ["7"]), ("c", [])]


@pytest.mark.parametrize(
    ("value", "label", "reason"),
    [
        (1, "1", None),
        (1.0, "1", None),
        (True, "true", None),
        (0, "0", None),
        (" Caf\u0065\u0301 ", "Caf\u00e9", None),
        (0.73, None, "field 'label' is a number between classes"),
        (None, None, "field 'label' is empty"),
        (float("nan"), None, "field 'label' is empty"),
        ("", None, "field 'label' is empty"),
        ({"a": 1}, None, "field 'label' must be a text, not an object"),
    ],
)
def test_labels_of_every_kind(tmp_path, value, label, reason):
    rows = [{"text": "a", "label": value}, {"text": "b", "label": "b"}]
    write(tmp_path, {"train.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    splits, reasons = read(tmp_path, sentiment())
    assert splits["train"] == [("a", label)] * (label is not None) + [("b", "b")]
    assert reasons == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"train.txt": "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\nGerman JJ B-MISC\n"},
            "train.txt looks like CoNLL: TASK=ner of understanding reads it",
        ),
        (
            {"train.csv": "a,b\nc,d\n"},
            "train.csv has no column for 'text' (looked for text, sentence,",
        ),
        ({"train.csv": ""}, "train.csv is empty"),
        ({"train.csv": "text,label\n"}, "train.csv holds no examples"),
        ({"train.jsonl": ""}, "train.jsonl is empty"),
        ({"reviews.xlsx": b"PK"}, "reviews.xlsx is a spreadsheet: save it as CSV"),
        ({"a.png": b""}, "It holds images, and this application reads text."),
        ({"train.jsonl/x": "a"}, "Found: train.jsonl/."),
        ({}, "Found: nothing."),
    ],
)
def test_what_is_refused(tmp_path, files, said):
    write(tmp_path, files)
    with pytest.raises(UserError) as caught:
        read(tmp_path, sentiment())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
