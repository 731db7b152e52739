import csv
import gzip
import json

import pytest

from apps.understanding import data
from apps.understanding.config import Config
from apps.understanding.tasks.registry import task_of
from pipelines.builtin import intents
from pipelines.commands.errors import UserError
from pipelines.data import sources
from pipelines.text.lower_words import SHAPES
from pipelines.text.subwords import BytePairs, LowerCaseWords

SENTIMENT = [{"text": f"text {n}", "label": ("good", "bad")[n % 2]} for n in range(40)]
NER = [{"tokens": ["to", f"City{n}", "now"], "tags": ["O", "B-city", "O"]} for n in range(40)]
CONTEXT = "Ann lives in Rome. Bo lives in Oslo."
QA = [
    {
        "id": f"q{n}",
        "context": f"{CONTEXT} {n // 2}",
        "question": ("Where is Ann?", "Where is Bo?")[n % 2],
        "answers": [({"text": "Rome", "start": 13}, {"text": "Oslo", "start": 31})[n % 2]],
    }
    for n in range(40)
]
# Two questions are about each context: one never stands on both sides.
ROWS = {"sentiment": SENTIMENT, "ner": NER, "qa": QA}


def config(task, dataset, max_train=None):
    settings = {"dataset": str(dataset), "max_train": max_train}
    return Config(task=task, multi_label=task == "sentiment", **settings)


def write(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path.parent


def write_splits(folder, rows, test=()):
    write(folder / "train.jsonl", rows[:20])
    write(folder / "dev.jsonl.gz", rows[20:30])
    return write(folder / "test.jsonl", [*rows[30:], *test])


@pytest.mark.parametrize("task", list(ROWS))
class TestEveryTask:
    def test_the_open_layout(self, tmp_path, task, capsys):
        rows, folder = ROWS[task], write_splits(tmp_path, ROWS[task])
        read = data.read(config(task, folder))
        assert read == {"train": rows[:20], "validation": rows[20:30], "test": rows[30:]}
        (folder / "train.jsonl").write_text("no JSON")
        assert data.read(config(task, folder), ["test"]) == {"test": rows[30:]}
        assert capsys.readouterr().out == ""

    def test_a_column_tells_the_splits(self, tmp_path, task):
        named = {"train": ROWS[task][:20], "dev": ROWS[task][20:30], "test": ROWS[task][30:]}
        rows = [{**row, "split": name} for name, some in named.items() for row in some]
        write(tmp_path / "all.jsonl", rows)
        read = data.read(config(task, tmp_path))
        found = {
            split: [{key: row[key] for key in ROWS[task][0]} for row in some]
            for split, some in read.items()
        }
        assert found == dict(zip(("train", "validation", "test"), named.values(), strict=True))

    def test_a_share_of_the_training_rows(self, tmp_path, task):
        read = data.read(config(task, write_splits(tmp_path, ROWS[task]), max_train=7))
        assert [len(rows) for rows in read.values()] == [7, 10, 10]

    def test_splits_are_cut(self, tmp_path, task):
        read = data.read(config(task, write(tmp_path / "train.jsonl", ROWS[task])))
        assert [len(rows) for rows in read.values()] == [32, 4, 4]
        whole = [{row.get("context", str(row)) for row in rows} for rows in read.values()]
        assert sum(map(len, whole)) == len(set.union(*whole))

    def test_the_built_in_set(self, task, monkeypatch):
        counts = {"train": 11, "validation": 5, "test": 7}
        writer = intents.WRITERS[task]
        monkeypatch.setattr(intents, "VERSION", "test")
        small = {task: lambda folder: writer(folder, **counts)}
        monkeypatch.setattr(intents, "WRITERS", small)
        read = data.read(config(task, "intents"))
        assert {split: len(rows) for split, rows in read.items()} == counts
        assert all(set(row) == set(ROWS[task][0]) for row in read["test"])

    def test_an_unknown_set(self, task):
        with pytest.raises(UserError, match=r"unknown data set 'intent'. Did you mean intents\?"):
            data.read(config(task, "intent"))

    def test_no_file(self, tmp_path, task):
        fields = {
            "sentiment": "text and label",
            "ner": "tokens and tags",
            "qa": "context, question and answers",
        }
        with pytest.raises(UserError) as caught:
            data.read(config(task, tmp_path))
        said = str(caught.value)
        assert said.startswith(f"{tmp_path} has no train.jsonl: expected ") and fields[task] in said


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("sentiment", {"text": " ", "label": "good"}, "field 'text' is empty"),
        ("sentiment", {"text": "a"}, "field 'label' is missing"),
        ("sentiment", {"text": "a", "label": {}}, "field 'label' must be a text, not an object"),
        ("ner", {"tokens": ["a", "b"], "tags": ["O"]}, "not as many tags as tokens"),
        ("ner", {"tokens": ["a"], "tags": ["city"]}, "the tag 'city' is none of O, B-TYPE"),
        ("ner", {"tokens": [], "tags": []}, "it has no 'tags' that are a list of texts or numbers"),
        ("qa", {"question": "a", "answers": []}, "it has no 'context' that is a text"),
        ("qa", {"context": "a", "question": "", "answers": []}, "'question' is empty"),
        ("qa", {"context": "a", "question": "b"}, "it has no 'answers'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, task, line, message):
    folder = write_splits(tmp_path, ROWS[task], [line, line])
    with pytest.raises(UserError) as caught:
        data.read(config(task, folder), ["test"])
    first = f"test: 2 of 12 left out, the first is {folder / 'test.jsonl'}:11 ("
    assert str(caught.value).startswith(first) and message in str(caught.value)
    write_splits(tmp_path, ROWS[task], [line])
    assert data.read(config(task, folder), ["test"]) == {"test": ROWS[task][30:]}


class TestOtherFormats:
    def test_tables(self, tmp_path):
        for name, delimiter in (("train.csv", ","), ("valid.csv", ";"), ("test.csv", "\t")):
            with open(tmp_path / name, "w", newline="") as file:
                writer = csv.writer(file, delimiter=delimiter)
                writer.writerow(["Review", "Sentiment"])
                writer.writerows([row["text"], row["label"]] for row in SENTIMENT)
        read = data.read(config("sentiment", tmp_path))
        assert read == dict.fromkeys(sources.SPLITS, SENTIMENT)  # Equal splits stay as they are.

    @pytest.mark.parametrize("name", ["train.conll", "train.txt", "train.tsv.gz"])
    def test_columns(self, tmp_path, name):
        text = "".join(
            "".join(map("{}\t{}\n".format, row["tokens"], row["tags"])) + "\n" for row in NER
        )
        is_packed = name.endswith(".gz")
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
        read = data.read(config("ner", tmp_path))
        assert sorted(str(row) for rows in read.values() for row in rows) == sorted(map(str, NER))

    def test_articles(self, tmp_path):
        paragraphs = [
            {
                "context": context,
                "qas": [
                    {
                        "id": row["id"],
                        "question": row["question"],
                        "answers": [
                            {"text": a["text"], "answer_start": a["start"]} for a in row["answers"]
                        ],
                    }
                    for row in QA
                    if row["context"] == context
                ],
            }
            for context in dict.fromkeys(row["context"] for row in QA)
        ]
        content = {"version": "1.1", "data": [{"title": "a", "paragraphs": paragraphs}]}
        for name in ("train-v1.1.json", "dev-v1.1.json"):
            (tmp_path / name).write_text(json.dumps(content))
        read = data.read(config("qa", tmp_path))
        assert len(read["train"]) == 36 and len(read["test"]) == 4
        assert read["train"] == [row for row in QA if row not in read["test"]]
        assert read["validation"] == QA  # Equal splits stay as they are.


class TestSentiment:
    def test_several_labels(self, tmp_path, capsys):
        rows = [{"text": f"t{n}", "label": ["a", "b"][: n % 3]} for n in range(40)]
        test = [{"text": "t", "label": ["a", "c"]}]
        read = data.read(config("sentiment", write_splits(tmp_path, rows, test)))
        assert read["train"] == rows[:20] and read["test"] == rows[30:] + test
        task_of(Config()).report_unknown(read["test"], "test", ["a", "b"])
        said = "test has labels that training does not know: 'c' (1); they count as wrong\n"
        assert capsys.readouterr().out == said

    def test_a_rare_label_stays_in_train(self, tmp_path):
        rows = [*SENTIMENT, {"text": "rare", "label": ["rare", "good"]}]
        read = data.read(config("sentiment", write(tmp_path / "train.jsonl", rows)))
        assert rows[-1] in read["train"]

    def test_a_text_is_in_one_split(self, tmp_path):
        rows = [{"text": f"text {n % 20}", "label": ("good", "bad")[n % 3 == 0]} for n in range(60)]
        read = data.read(config("sentiment", write(tmp_path / "train.jsonl", rows)))
        texts = [{row["text"] for row in split} for split in read.values()]
        assert sum(map(len, texts)) == 20 and [*map(len, texts)] == [16, 2, 2]


def test_unknown_labels_stay_and_are_named(tmp_path, capsys):
    strange = {"tokens": ["a", "b", "c"], "tags": ["B-film", "I-film", "B-city"]}
    read = data.read(config("ner", write_splits(tmp_path, NER, [strange, strange])))
    assert read["test"] == [*NER[30:], strange, strange]
    task = task_of(Config(task="ner"))
    for split, rows in read.items():
        task.report_unknown(rows, split, task.classes(read["train"]))
    said = "test has labels that training does not know: 'film' (2); they count as wrong\n"
    assert capsys.readouterr().out == said


def test_tags_become_bio(tmp_path, capsys):
    row = {"tokens": ["a", "b", "c"], "tags": ["O", "I-city", "I-city"]}
    read = data.read(config("ner", write_splits(tmp_path, NER, [row])))
    assert read["test"][-1] == {**row, "tags": ["O", "B-city", "I-city"]}
    said = f"{tmp_path / 'test.jsonl'}: 1 I- tag with no B- before read as B-\n"
    assert capsys.readouterr().out == said


def test_questions_without_an_id_are_numbered(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "id"} for row in QA]
    read = data.read(config("qa", write_splits(tmp_path, rows, [{**QA[0], "id": 3}])), ["test"])
    assert [row["id"] for row in read["test"]] == [*map(str, range(10)), "3"]


def test_a_very_long_context(tmp_path):
    context = "word " * 20_000 + "Rome"
    long = {"context": context, "question": "?", "answers": [{"text": "Rome", "start": 100_000}]}
    read = data.read(config("qa", write_splits(tmp_path, QA, [long])), ["test"])
    assert read["test"][-1] == {**long, "id": "10"}


@pytest.mark.parametrize(
    ("task", "row", "expected"),
    [
        ("sentiment", {"text": "An U.S. film"}, [["Title", "A", "signs", "A", "signs", "lower"]]),
        (
            "ner",
            {"tokens": ["see", "McDuff!", "?"]},
            [["lower", "mIxed", "mIxed", "signs"]],
        ),
        (
            "qa",
            {"context": "ANN is 7", "question": "Who?"},
            [["Title", "signs", "none", "UPPER", "lower", "digits"]],
        ),
    ],
)
def test_words_without_case_come_with_their_shapes(task, row, expected):
    tokenizer = LowerCaseWords.train(["mcduff is a film"] * 2, 50)
    chosen = task_of(Config(task=task, max_length=32, overlap=8, max_question=8))
    examples, _ = chosen.encode([row], tokenizer, [])
    shapes = [[SHAPES[i] for i in each[1:-1]] for each in examples.features["shapes"]]
    assert shapes == expected and examples.padding["shapes"] == 0
    assert [len(each) for each in examples.features["shapes"]] == examples.lengths.tolist()
    without, _ = chosen.encode([row], BytePairs.train(["a film"], 300), [])
    assert "shapes" not in without.features
