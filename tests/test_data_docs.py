"""The examples of docs/data.md are whole data sets, and each is read as the page says."""

import itertools
import re
from pathlib import Path

import pytest

from tests.strangers import trees

PAGE = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
CAPTIONS = ["a dog runs", "two boys play", "a red bus", "a cat sleeps", "snow falls"]
LABELS = ["dog", "cat", "dog", "cat", "dog"]
EN = ["a dog", "two boys", "a red bus", "a cat", "snow"]
DE = ["ein Hund", "zwei Jungen", "ein roter Bus", "eine Katze", "Schnee"]
TEXTS = ["what a film", "so bad that I left", "good and long", "not good", "the best"]
NUMBERS = ["1", "2", "3", "4", "5"]


def pairs(*columns):
    return sorted(zip(*columns, strict=True))


ROWS = {
    "Captioning": pairs(NUMBERS, ([text] for text in CAPTIONS)),
    "Vision": pairs(NUMBERS, LABELS),
    "Translation": pairs(EN, DE),
    "Summarization": pairs((f"{text} all day" for text in CAPTIONS), CAPTIONS),
    "Speech": pairs(NUMBERS, CAPTIONS),
    "Understanding: sentiment": pairs(TEXTS, ["pos", "neg", "pos", "neg", "pos"]),
    "Understanding: ner": pairs(
        [["EU", "votes"], ["Kim", "left"], ["in", "Rome"], ["for", "NATO"], ["Ann", "came"]],
        [["B-ORG", "O"], ["B-PER", "O"], ["O", "B-LOC"], ["O", "B-ORG"], ["B-PER", "O"]],
    ),
    "Understanding: qa": pairs(
        [
            "The EU votes.",
            "Kim left Rome.",
            "A cat sleeps here.",
            "Snow falls in May.",
            "Ann came by bus.",
        ],
        ["Who votes?", "Who left?", "Who sleeps?", "What falls?", "Who came?"],
        [[{"text": text, "start": 0}] for text in ("The EU", "Kim", "A cat", "Snow", "Ann")],
    ),
}
DATA_SETS = {
    "Captioning": trees.CAPTIONING,
    "Vision": trees.VISION,
    "Translation": trees.pairs(),
    "Summarization": trees.SUMMARIZATION,
    "Speech": trees.SPEECH,
    "Understanding: sentiment": trees.understanding("sentiment"),
    "Understanding: ner": trees.understanding("ner"),
    "Understanding: qa": trees.understanding("qa"),
}


def examples():
    """Each application with the titles and texts of its examples."""
    for section in PAGE.split("\n## ")[1:]:
        application = section.partition("\n")[0]
        for title, text in re.findall(r"\n### (.+?)\n.*?```\n(.*?)```", section, re.DOTALL):
            yield pytest.param(application, text, id=f"{application}: {title}")


def expanded(name):
    """`{1..5}` as a shell has it."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", name)
    if not found:
        return [name]
    numbers = range(int(found[1]), int(found[2]) + 1)
    return [name.replace(found[0], str(number)) for number in numbers]


def files(text):
    """The files of an example by name: media, which hold something of their own, and the others."""
    media, *others = re.split(r"(?:^|\n)==> (.+?) <==\n", text)
    names = itertools.chain.from_iterable(map(expanded, media.split()))
    return {**dict.fromkeys(names), **dict(zip(others[::2], others[1::2], strict=True))}


@pytest.mark.parametrize(("application", "text"), examples())
def test_an_example_of_the_page(tmp_path, application, text):
    data_set = DATA_SETS[application]
    trees.write(tmp_path, files(text))
    splits, reasons = trees.read(tmp_path, data_set)
    rows = [row for part in splits.values() for row in part]
    if data_set.wanted.file_field:
        rows = [(Path(row[0]).stem, *row[1:]) for row in rows]
    assert sorted(rows) == ROWS[application] and reasons == []
    assert splits["train"] and set(splits) <= {"train", "validation", "test"}


def test_every_application_has_its_examples():
    counts = {}
    for example in examples():
        counts[example.values[0]] = counts.get(example.values[0], 0) + 1
    assert counts.keys() == ROWS.keys() and sum(counts.values()) >= 40
