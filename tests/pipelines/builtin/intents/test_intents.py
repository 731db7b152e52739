"""What holds for all three data sets: lines, splits and seeds."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pipelines.builtin import intents
from tests.pipelines.builtin.intents.lines import SIZES, TEXTS, read, words

SMALL = {"train": 211, "validation": 31, "test": 53}


@pytest.mark.parametrize("task", list(TEXTS))
class TestEverySet:
    def test_no_line_is_there_twice(self, sets, task):
        splits = sets[task]
        assert {split: len(rows) for split, rows in splits.items()} == SIZES
        texts = Counter(TEXTS[task](row).casefold() for rows in splits.values() for row in rows)
        assert max(texts.values()) == 1

    def test_the_names_of_a_split_are_in_no_other(self, sets, task):
        """What splits share are the words of the templates, and numbers."""
        found = [words(rows, task) for rows in sets[task].values()]
        sources = Path(intents.__file__).parent.glob("*.py")
        templates = set(re.findall("[a-z]+", " ".join(map(Path.read_text, sources)).casefold()))
        for one, other in ((0, 1), (0, 2), (1, 2)):
            shared = {word for word in found[one] & found[other] if not word[0].isdigit()}
            assert shared and shared <= templates
            assert len(found[other] - found[one]) > 200

    def test_the_same_in_another_process_and_by_seed(self, tmp_path, task):
        write = intents.WRITERS[task]
        code = (
            f"from pathlib import Path; from pipelines.builtin import intents; "
            f"intents.WRITERS[{task!r}](Path({str(tmp_path)!r}), **{SMALL!r})"
        )
        root = Path(__file__).parents[4]
        environment = os.environ | {"PYTHONHASHSEED": "13", "PYTHONPATH": str(root)}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        there = read(tmp_path)
        write(tmp_path, **SMALL)
        assert read(tmp_path) == there
        write(tmp_path, **SMALL, seed=1)
        assert read(tmp_path) != there
