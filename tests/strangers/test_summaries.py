"""Documents and summaries as public data sets hold them."""

import json

import pytest

from tests.strangers.trees import SUMMARIZATION, read, write

ONE, TWO = ("A long text, about dogs.", "dogs"), ("Another one.", "else")


def lines(document, summary, **more):
    rows = [{document: text, summary: short, **more} for text, short in (ONE, TWO)]
    return rows, "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    "files",
    [
        {
            "cnn_dailymail/train.csv": 'id,article,highlights\n1,"A long text, about dogs.",dogs\n'
            "2,Another one.,else\n"
        },
        {"train.json": lines("dialogue", "summary", id="13818513")[0]},
        {"us_train_data_final_OFFICIAL.jsonl": lines("text", "summary", title="a bill")[1]},
        {"train.jsonl": lines("document", "summary")[1]},
        {
            "train.source": "A long text, about dogs.\nAnother one.\n",
            "train.target": "dogs\nelse\n",
        },
        {
            "train.article.txt": "A long text, about dogs.\nAnother one.\n",
            "train.title.txt": "dogs\nelse\n",
        },
        {
            "train.src.txt": "A long text, about dogs.\nAnother one.\n",
            "train.tgt.txt": "dogs\nelse\n",
        },
        {
            "wikihowAll.csv": 'headline,title,text\ndogs,How to,"A long text, about dogs."\n'
            "else,How,Another one.\n"
        },
        {
            "news_summary.csv": "headlines,text\n"
            'dogs,"A long text, about dogs."\nelse,Another one.\n'
        },
        {"tldr.ndjson": lines("content", "summary", subreddit="x")[1]},
    ],
    ids=lambda files: next(iter(files)),
)
def test_pairs(tmp_path, files):
    assert read(write(tmp_path, files), SUMMARIZATION) == ({"train": [ONE, TWO]}, [])


def test_of_two_sets_to_test_on_the_one_named_like_the_training_set_is_used(tmp_path, capsys):
    names = ("us_train_data_final", "us_test_data_final", "ca_test_data_final")
    write(tmp_path, {f"{name}.jsonl": json.dumps({"text": name, "summary": "s"}) for name in names})
    splits, _ = read(tmp_path, SUMMARIZATION)
    assert splits == {"train": [(names[0], "s")], "test": [(names[1], "s")]}
    said = "us_test_data_final.jsonl only us_test_data_final.jsonl is used, for test"
    assert said in capsys.readouterr().out


def test_a_list_of_summaries_and_a_text_in_brackets(tmp_path):
    rows = [
        {"document": "a", "summary": ["one", "", "two"]},
        {"document": "b", "summary": "[one] two"},
    ]
    write(tmp_path, {"train.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    splits, _ = read(tmp_path, SUMMARIZATION)
    assert splits["train"] == [("a", ["one", "two"]), ("b", "[one] two")]
