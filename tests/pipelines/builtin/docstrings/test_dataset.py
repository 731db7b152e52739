import json
import re

import pytest

from pipelines.builtin.docstrings import dataset as docstrings
from pipelines.builtin.docstrings import near_duplicates
from tests.pipelines.builtin import rows as rows_of

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

DOCUMENTED = '''
"""Tools that count sheep.

Whoever counts sheep long enough with these tools falls asleep sooner or later, they say.
"""

raise RuntimeError("never imported")

class Flock:
    """A flock of sheep.

    It has a shepherd, a dog, some more sheep than anyone can count, and a place where they graze.
    """

    async def graze(self):
        """Moves the sheep to where they graze.

        The sheep stay there until the shepherd calls them, or until there is nothing to graze on.
        """

        def hidden():
            """Counts what is hidden inside.

            What is hidden inside of a function is of no use to anybody else, so it is not counted.
            """

    def too_short(self):
        """Counts the sheep there are.

        All the sheep there are.
        """

    def foretold(self):
        """Frobnicates every widget twice.

        Nothing of what this text holds tells anybody what this function could possibly be for.
        """

    def signature(self, sheep):
        """signature(sheep) -> grazing sheep

        The sheep graze, and the signature says it again, as it was written for another language.
        """

    def heading(self, sheep):
        """
        Parameters
        ----------
        sheep : sheep or None
            The sheep to heed.

        The sheep are parameters, and what stands first is a heading with what stands under it.
        """
'''


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Has the data set made of modules with the sources that it is given."""

    def install(**modules):
        paths = {name: tmp_path / f"{name}.py" for name in modules}
        for name, path in paths.items():
            path.write_text(modules[name], encoding="utf-8")
        monkeypatch.setattr(docstrings, "_sources", lambda: list(paths.items()))

    return install


def function(name, summary, document):
    return f'def {name}():\n    """{summary}\n\n    {document}\n    """\n'


def unlike(word):
    """A document that has no run of three words in common with that of another word."""
    return " ".join(f"{word} {number}" for number in NUMBERS) + "."


def test_docstrings_that_count(tmp_path, packages):
    packages(flock=DOCUMENTED, broken='"""(\n\n""" def', plain="x = 1\n")
    docstrings.write(tmp_path, validation=0, test=0)
    rows = rows_of.read_split(tmp_path, "train")
    assert {(row["summary"], row["document"]) for row in rows} == {
        (
            "Tools that count sheep.",
            "Whoever counts sheep long enough with these tools falls asleep sooner or later, they "
            "say.",
        ),
        (
            "A flock of sheep.",
            "It has a shepherd, a dog, some more sheep than anyone can count, and a place where "
            "they graze.",
        ),
        (
            "Moves the sheep to where they graze.",
            "The sheep stay there until the shepherd calls them, or until there is nothing to "
            "graze on.",
        ),
    }
    assert {row["module"] for row in rows} == {"flock"}


def test_equal_lines_are_one(tmp_path, packages):
    source = function("f", "Counts the sheep.", unlike("sheep"))
    packages(first=source, second=source)
    docstrings.write(tmp_path, validation=0, test=0)
    assert [row["module"] for row in rows_of.read_split(tmp_path, "train")] == ["first"]


def test_near_duplicates_are_in_one_split(tmp_path, packages):
    alike = [
        function(f"{word}_{i}", f"Counts the {word} {i} times.", f"{unlike(word)} {number}.")
        for word in ("sheep", "goats", "horses", "cattle", "chickens")
        for i, number in enumerate(NUMBERS[:2])
    ]
    same = [
        function(f"same_{word}", "Counts The Geese.", unlike(f"geese {word}")) for word in NUMBERS
    ]
    packages(farm="\n".join(alike + same))
    docstrings.write(tmp_path, validation=100, test=200)
    splits = {}
    for split in rows_of.SPLITS:
        for line in (tmp_path / f"{split}.jsonl").read_text("utf-8").splitlines():
            summary = json.loads(line)["summary"]
            splits.setdefault(re.sub(r" \d times", "", summary), []).append(split)
    assert {summary: len(found) for summary, found in splits.items()} == {
        "Counts The Geese.": 10,
        **{f"Counts the {w}.": 2 for w in ("sheep", "goats", "horses", "cattle", "chickens")},
    }
    assert all(len(set(found)) == 1 for found in splits.values())
    assert set(splits["Counts The Geese."]) == {"train"}, "a large group"
    assert set(splits["Counts the sheep."]) == {"test"}, "two of 200 fit"


def test_the_held_out_splits_are_full(tmp_path, packages):
    words = [f"{one}{two}" for one in NUMBERS for two in NUMBERS]
    packages(farm="\n".join(function(f"f_{w}", f"Counts all {w}.", unlike(w)) for w in words))
    docstrings.write(tmp_path, validation=7, test=13)
    first = {split: rows_of.read_split(tmp_path, split) for split in rows_of.SPLITS}
    assert {split: len(rows) for split, rows in first.items()} == {
        "train": 80,
        "validation": 7,
        "test": 13,
    }
    words.reverse()
    packages(farm="\n".join(function(f"f_{w}", f"Counts all {w}.", unlike(w)) for w in words))
    docstrings.write(tmp_path, validation=7, test=13)
    again = {split: rows_of.read_split(tmp_path, split) for split in rows_of.SPLITS}
    assert again == first, "the split is by content"


def test_sources_are_those_of_the_pinned_packages_and_the_standard_library():
    found = docstrings._sources()
    names = [name for name, _ in found]
    assert {"json", "json.decoder", "keras.src.layers.layer", "numpy.ma.core"} <= set(names)
    assert len(set(names)) == len(names) and all(path.is_file() for _, path in found)
    assert not [name for name in names if re.search(r"\btests?\.|^_pytest|^ruff|_pb2$", name)]


@pytest.mark.slow
def test_the_whole_set(tmp_path):
    docstrings.write(tmp_path)
    splits = {split: rows_of.read_split(tmp_path, split) for split in rows_of.SPLITS}
    assert len(splits["validation"]) == 1_000 and len(splits["test"]) == 1_500
    assert 12_000 < len(splits["train"]) < 40_000
    for row in (row for rows in splits.values() for row in rows):
        assert 12 <= len(row["document"].split()) <= 40
        assert 3 <= len(row["summary"].split()) <= 20
    documents = [row["document"] for rows in splits.values() for row in rows]
    summaries = [row["summary"].casefold() for rows in splits.values() for row in rows]
    where = [split for split, rows in splits.items() for _ in rows]
    pairs = [*near_duplicates.similar_pairs(documents), *near_duplicates.equal_pairs(summaries)]
    assert len(pairs) > 1_000
    assert all(where[i] == where[j] for i, j in pairs)
