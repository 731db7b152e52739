"""Sentiment: the labels follow from grammar, and not from a bag of words."""

import re
from collections import Counter

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import SGDClassifier

from pipelines.builtin.intents import opinions
from tests.pipelines.builtin.intents.lines import words

POLARITY = {word: value for value, group in opinions.ADJECTIVES.items() for word in group}
POLARITY |= {verb: value for value, group in opinions.VERBS.items() for v in group for verb in v}
ADJECTIVE = re.compile(rf"\b({'|'.join(POLARITY)})\b")
SUBJECT = r"(?:the|\w+'s) \w+(?: at \w+)? (?:was|is|turned|seemed|can|never|could|did|failed"
SUBJECT += rf"|{'|'.join(past for pairs in opinions.VERBS.values() for past, _ in pairs)})\b"
DENIALS = r"\b(not|hardly|never|neither|anything but|far from|by no means|failed to)\b"
NO_DENIALS = r"nothing (but|if not|less than)|never (anything but|stopped|failed to)|not only"


def judged(text):
    """The label of an opinion, by rules of their own."""
    text = text.casefold().rstrip(".!")
    values = [POLARITY[word] for word in ADJECTIVE.findall(text)]
    if re.search(r"i was wrong|but it was not$|i disagree|a lie|is mistaken|is not true", text):
        return values[0] if "nobody" in text else -values[0]
    if re.search(r"i was right|so it was$|i agree|it was true", text):
        return values[0]
    clauses = [match.start() for match in re.finditer(SUBJECT, text)]
    if len(clauses) == 1:
        return judged_clause(text)
    first, second = text[clauses[0] : clauses[1]], text[clauses[1] :]
    before, between = text[: clauses[0]], text[: clauses[1]].rstrip().rsplit(" ", 3)[-3:]
    connective = " ".join(between)
    if before.startswith("what counts") or connective.endswith(("although", "even though")):
        return judged_clause(first)
    return judged_clause(second)


def judged_clause(text):
    text = re.sub(
        r"(,? (but|yet|because|although|even though|not that)|[,.:])\s*$", "", text.strip()
    )
    values = [POLARITY[word] for word in ADJECTIVE.findall(text)]
    if "neither" in text or "as it was" in text:
        return 0 if values[0] != values[1] else -values[0]
    if re.search(r"not \w+ but (?!also)|, just ", text):
        return values[-1]
    if re.search(NO_DENIALS, text) or ", not " in text:
        return values[0]
    return -values[0] if re.search(DENIALS, text) else values[0]


class TestSentiment:
    def test_the_labels_are_what_grammar_tells(self, sets):
        for rows in sets["sentiment"].values():
            wrong = [row for row in rows if opinions.LABELS[judged(row["text"])] != row["label"]]
            assert wrong == []

    @pytest.mark.parametrize(
        ("text", "label"),
        [
            ("The food was not bad at all, but the service was awful.", -1),
            ("The food was nothing if not good.", 1),
            ("Even though the room was great, the view was neither good nor bad.", 0),
            ("I expected the bus to be terrible, but it was not.", 1),
            ("The film never failed to bore us although the music was great.", -1),
        ],
    )
    def test_the_rules_of_this_test(self, text, label):
        assert judged(text) == label

    def test_words_without_their_order_do_not_tell(self, sets):
        train, test = sets["sentiment"]["train"], sets["sentiment"]["test"]
        labels = [row["label"] for row in test]
        counts = Counter(labels)
        assert set(counts) == {"positive", "negative", "neutral"}
        assert min(counts.values()) > 150 and max(counts.values()) < 450
        for longest, most in ((1, 0.6), (2, 0.7)):
            vectors = CountVectorizer(ngram_range=(1, longest), token_pattern=r"\w+|[^\w\s]")
            x = vectors.fit_transform(row["text"] for row in train)
            # A logistic regression; this way of fitting it is the fastest here.
            model = SGDClassifier(loss="log_loss", random_state=0)
            model.fit(x, [row["label"] for row in train])
            accuracy = model.score(vectors.transform(row["text"] for row in test), labels)
            assert 0.4 < accuracy < most

    def test_the_things_of_a_split_are_its_own(self, sets):
        for split, things in opinions.THINGS.items():
            others = [rows for other, rows in sets["sentiment"].items() if other != split]
            assert all(words(rows, "sentiment").isdisjoint(things) for rows in others)
