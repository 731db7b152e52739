import random
import re
from collections import Counter

from pipelines.builtin.intents.names import Names, split_of
from tests.pipelines.builtin.intents.lines import SIZES


def test_names_are_those_of_their_split_and_skewed():
    for split in SIZES:
        names = Names(split, random.Random(3))
        drawn = Counter(names.draw() for _ in range(5_000))
        assert {split_of(name) for name in drawn} == {split}
        assert all(re.fullmatch("[A-Z][a-z]{4,}", name) for name in drawn)
        assert max(drawn.values()) > 10 and min(drawn.values()) == 1
        some = names.draw_some(97)
        assert len(set(some)) == 97
