import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.annotations.tagged_records import read, row_of

TOKENS = ["Ada", "Byron", "saw", "New", "Oslo"]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"]
TEXT = "Ada Byron saw New Oslo."
SPANS = [{"start": 0, "end": 9, "label": "PER"}, {"start": 14, "end": 22, "label": "LOC"}]
ROW = {"tokens": TOKENS, "tags": TAGS}
OF_TEXT = {"tokens": [*TOKENS, "."], "tags": [*TAGS, "O"]}


@pytest.mark.parametrize(
    "record",
    [
        ROW,
        {"id": "3", "Words": TOKENS, "NER": TAGS},
        {"tokens": TOKENS, "pos_tags": [1, 2, 3, 1, 2], "ner_tags": TAGS, "tags": [0] * 5},
        {"text": " ".join(TOKENS), "labels": " ".join(TAGS)},
        {"Sentence": " ".join(TOKENS), "Tag": str(TAGS)},
        {"tokens": repr(TOKENS), "ner_tags": repr(np.array(TAGS))},
        {"tokens": np.array(TOKENS), "tags": np.array(TAGS)},
        {"tokens": TOKENS, "tags": TAGS, "spans": ["PER: Ada Byron", "LOC: New Oslo"]},
        {
            "tokens": TOKENS,
            "entities": [
                {"type": "PER", "start": 0, "end": 2},
                {"type": "LOC", "start": 3, "end": 5},
            ],
        },
        {"tokenized_text": TOKENS, "ner": [[0, 1, "PER"], [3, 4, "LOC"]]},
    ],
)
def test_layouts_of_tokens(record):
    assert row_of(record) == ROW


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "entities": SPANS},
        {"text": TEXT, "label": [[0, 9, "PER"], [14, 22, "LOC"]], "Comments": []},
        {"text": TEXT, "spans": SPANS, "tokens": [{"text": t, "id": 3} for t in TOKENS]},
        {
            "text": TEXT,
            "entities": [
                {"start_offset": 14, "end_offset": 22, "label": "LOC"},
                {"start_offset": 0, "end_offset": 9, "label": "PER"},
            ],
            "relations": [],
        },
        {
            "text": TEXT,
            "label": [
                {"start": s["start"], "end": s["end"], "text": "", "labels": [s["label"]]}
                for s in SPANS
            ],
        },
        {
            "id": 1,
            "data": {"text": TEXT},
            "annotations": [
                {
                    "result": [
                        *(
                            {
                                "value": {
                                    "start": s["start"],
                                    "end": s["end"],
                                    "labels": [s["label"]],
                                },
                                "id": "a",
                                "type": "labels",
                            }
                            for s in SPANS
                        ),
                        {"from_id": "a", "to_id": "b", "type": "relation"},
                    ]
                }
            ],
        },
        {
            "content": TEXT,
            "annotation": [
                {"label": ["PER"], "points": [{"start": 0, "end": 8, "text": "Ada Byron"}]},
                {"label": ["LOC"], "points": [{"start": 14, "end": 21, "text": "New Oslo"}]},
            ],
        },
        {"text": TEXT, "label": {"PER": {"Ada Byron": [[0, 8]]}, "LOC": {"New Oslo": [[14, 21]]}}},
        (TEXT, {"entities": [(0, 9, "PER"), (14, 22, "LOC")]}),
        {"text": TEXT, "entities": str([(0, 9, "PER"), (14, 22, "LOC")])},
        {"text": TEXT, "entities": [*SPANS, {"start": 18, "end": 22, "label": "INNER"}]},
    ],
)
def test_layouts_of_entities(record):
    assert row_of(record) == OF_TEXT


def test_words_as_the_caller_finds_them():
    record = {"text": "AB cd", "entities": [[1, 4, "x"]]}
    row = row_of(record, words=lambda text: [(n, n + 1) for n in range(5) if text[n] != " "])
    assert row == {"tokens": ["A", "B", "c", "d"], "tags": ["O", "B-x", "I-x", "O"]}
    assert row_of(record) == {"tokens": ["AB", "cd"], "tags": ["B-x", "I-x"]}


def test_no_entities_are_no_tags():
    row = {"tokens": ["[", "Ada", "]"], "tags": ["O"] * 3}
    assert row_of({"text": "[Ada]", "label": []}) == row
    assert row_of({"text": "[Ada]", "label": None, "entities": []}) == row


@pytest.mark.parametrize("numbers", [[1, 0], ["1", "0"], [1.0, 0.0], "[1 0]", np.array([1, 0])])
def test_numbers(numbers):
    record = {"tokens": ["Ada", "ran"], "ner_tags": numbers}
    assert row_of(record) == {"tokens": ["Ada", "ran"], "tags": [1, 0]}
    assert row_of(record, names=["O", "B-x"]) == {"tokens": ["Ada", "ran"], "tags": ["B-x", "O"]}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (3, "it is no object"),
        ({"tags": ["O"]}, "it has no 'tokens' that are a list of texts"),
        ({"tokens": [1], "tags": ["O"]}, "it has no 'tokens' that are a list of texts"),
        ({"tokens": ["a"]}, "it has no 'tags' that are a list of texts or numbers"),
        ({"tokens": ["a"], "tags": [None]}, "it has no 'tags' that are a list of texts or numbers"),
        ({"tokens": ["a"], "tags": [True]}, "it has no 'tags' that are a list of texts or numbers"),
        ({"tokens": [], "tags": []}, "it has no 'tags' that are a list of texts or numbers"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "not as many tags as tokens"),
        ({"tokens": ["a\ud800"], "tags": ["O"]}, "an unpaired surrogate"),
        (
            {"text": "a", "entities": [[0, 1]]},
            "an entity is neither [start, end, type] nor an object with these",
        ),
        (
            {"text": "a", "entities": [[0, 1.5, "x"]]},
            "an entity has no start and end that are numbers",
        ),
        ({"text": "a", "entities": [{"start": 0, "end": 1}]}, "an entity has no type"),
        ({"text": "a", "entities": [[1, 1, "x"]]}, "an entity ends before it starts"),
        ({"text": "a", "entities": [[7, 9, "x"]]}, "an entity stands outside of the words"),
        ({"text": 3, "entities": [[7, 9, "x"]]}, "it has entities, but no 'text' that is a text"),
    ],
)
def test_what_is_no_row(record, reason):
    with pytest.raises(ValueError) as caught:
        row_of(record)
    assert str(caught.value) == reason


def test_a_number_without_a_name():
    with pytest.raises(ValueError, match="the tag number 2 has no name"):
        row_of({"tokens": ["a"], "tags": [2]}, names=["O", "B-x"])


def test_records_of_a_file(tmp_path):
    records = [
        ("a:1", {"tokens": ["Ada", "ran"], "tags": [1, 0]}),
        ("a:2", {"tokens": ["Ada"], "tags": [3]}),
        ("a:3", ValueError("not JSON")),
        ("a:4", {"tokens": ["Ada"]}),
    ]
    with pytest.raises(UserError, match="the tags are numbers, and nothing says what they stand"):
        list(read(records, tmp_path / "a", Tally("train")))
    (tmp_path / "labels.txt").write_text("O\nB-x\n")
    tally = Tally("train")
    row = {"tokens": ["Ada", "ran"], "tags": ["B-x", "O"]}
    assert list(read(records, tmp_path / "a", tally)) == [row]
    assert tally._entries == [
        ("a:3", "not JSON"),
        ("a:4", "it has no 'tags' that are a list of texts or numbers"),
        ("a:2", "the tag '3' is none of O, B-TYPE and I-TYPE"),
    ]
    assert list(read(records[:1], "a", Tally("train"), folder=tmp_path)) == [row]
