"""Questions: each has one answer by the facts of its paragraph."""

import re
from collections import Counter, defaultdict

import numpy as np

WHO = r"(?P<p>[A-Z]\w+ [A-Z]\w+|He|She)"
FACTS = {
    "home": (rf"{WHO} (?:lives|has a house) in (?P<v>\w+)", r"The home of (.+) is in (?P<v>\w+)"),
    "birth": (rf"{WHO} (?:was born|came into the world) in (?P<v>\d+)",),
    "job": (rf"{WHO} (?:works as a|earns a living as a|is a) (?P<v>[a-z]+)(?: by trade)?",),
    "purchase": (
        rf"{WHO} bought a (?P<v>\w+) for \d+ dollars",
        rf"{WHO} paid \d+ dollars for a (?P<v>\w+)",
    ),
    "wage": (rf"{WHO} (?:earns|makes) (?P<v>\d+) dollars a week",),
    "move": (rf"{WHO} (?:left \w+ for|moved from \w+ to) (?P<v>\w+)",),
    "friend": (rf"{WHO} (?:is a friend of|went to school with) (?P<v>\w+ \w+)",),
}
ASKED = {
    "home": ("Where does {} live", "home of {}", "Who lives in {}", "Who has a house in {}"),
    "birth": ("was {} born", "Who was born in {}", "Who came into the world in {}"),
    "job": ("does {} do", "job of {}", "Who works as a {}", "Who is a {} by trade"),
    "purchase": ("did {} buy", "did {} pay for", "Who bought the {}", "Who paid for the {}"),
    "wage": ("does {} earn", "does {} make", "Who earns {} dollars", "Who makes {} dollars"),
    "move": ("did {} move", "did {} leave", "Who moved to {}", "Who left for {}"),
    "friend": ("friend is {}", "did {} go", "is a friend of {}", "went to school with {}"),
}


def facts(context):
    """What a paragraph tells: `(kind, person, value)`."""
    found, last = [], None
    for sentence in context.removesuffix(".").split(". "):
        matches = [
            (kind, match)
            for kind, patterns in FACTS.items()
            for pattern in patterns
            if (match := re.fullmatch(pattern, sentence))
        ]
        ((kind, match),) = matches
        last = last if match[1] in ("He", "She") else match[1]
        found.append((kind, last, match["v"]))
    return found


def solved(row):
    """All answers to a question, by the facts of its paragraph."""
    question = row["question"].removesuffix("?")
    return {
        answer
        for kind, person, value in facts(row["context"])
        for pattern in ASKED[kind]
        for key, answer in ((person, value), (value, person))
        if pattern.format(key) in question
        and ("{} " in pattern or question.endswith(pattern.format(key)))
        and question.startswith("Who ") == (answer == person)
    }


class TestQa:
    def test_each_question_has_one_answer_and_it_stands_in_the_context(self, sets):
        for rows in sets["qa"].values():
            for row in rows:
                (answer,) = row["answers"]
                assert row["context"].startswith(answer["text"], answer["start"])
                assert solved(row) == {answer["text"]}, row

    def test_only_the_question_tells(self, sets):
        answers = defaultdict(set)
        for rows in sets["qa"].values():
            for row in rows:
                found = facts(row["context"])
                assert Counter(kind for kind, _, _ in found).most_common()[-1][1] == 3
                assert len({person for _, person, _ in found}) == 3
                answers[row["context"]].add(row["answers"][0]["text"])
        assert np.mean([len(found) for found in answers.values()]) > 2.6

    def test_people_are_he_or_she_and_some_share_a_name(self, sets):
        rows = sets["qa"]["test"]
        said = [bool(re.search(r"\b(He|She)\b", row["context"])) for row in rows]
        assert np.mean(said) > 0.9
        people = [{person for _, person, _ in facts(row["context"])} for row in rows]
        shared = [len({name for p in some for name in p.split()}) == 5 for some in people]
        assert 0.15 < np.mean(shared) < 0.35

    def test_ids_are_unique(self, sets):
        ids = [row["id"] for rows in sets["qa"].values() for row in rows]
        assert len(set(ids)) == len(ids)
