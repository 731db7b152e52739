import logging
import math
from collections import Counter

import pytest

from pipelines.commands.errors import UserError
from pipelines.metrics import translation_scores

HYPOTHESES = [
    "A brown dog runs on the grass .",
    "Two boys are playing with a red ball .",
    "The man rides a bike near the sea .",
]
REFERENCES = [
    "A dog runs on the green grass .",
    "two boys are playing with a ball .",
    "The man rides a bike near the sea .",
]


def ngrams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(hypotheses, references):
    """Papineni et al., 2002, of texts whose words are apart already; one reference each."""
    logs = []
    for n in range(1, 5):
        right = total = 0
        for hypothesis, reference in zip(hypotheses, references, strict=True):
            given = ngrams(hypothesis.split(), n)
            right += (given & ngrams(reference.split(), n)).total()
            total += given.total()
        logs.append(math.log(right / total))
    given, wanted = (sum(len(text.split()) for text in side) for side in (hypotheses, references))
    return 100 * math.exp(sum(logs) / 4 + min(0, 1 - wanted / given))


def chrf(hypotheses, references):
    """Popović, 2015: F2 of characters' n-grams up to 6 without spaces, over the corpus."""
    values = []
    for n in range(1, 7):
        right = given = wanted = 0
        for hypothesis, reference in zip(hypotheses, references, strict=True):
            ours, theirs = (ngrams(text.replace(" ", ""), n) for text in (hypothesis, reference))
            right += (ours & theirs).total()
            given, wanted = given + ours.total(), wanted + theirs.total()
        values.append((right / given, right / wanted))
    precision, recall = (sum(side) / 6 for side in zip(*values, strict=True))
    return 100 * 5 * precision * recall / (4 * precision + recall)


def lower(texts):
    return [text.lower() for text in texts]


def test_scores_equal_the_definitions():
    scores = translation_scores.score(HYPOTHESES, REFERENCES)
    assert list(scores) == ["bleu", "bleu_lowercase", "chrf", "exact_match"]
    assert scores["bleu"] == pytest.approx(bleu(HYPOTHESES, REFERENCES))
    expected = bleu(lower(HYPOTHESES), lower(REFERENCES))
    assert scores["bleu_lowercase"] == pytest.approx(expected) and expected > scores["bleu"]
    assert scores["chrf"] == pytest.approx(chrf(HYPOTHESES, REFERENCES))
    assert scores["exact_match"] == pytest.approx(1 / 3)


def test_13a_takes_punctuation_off_words():
    attached = [text.replace(" .", ".") for text in HYPOTHESES]
    scores = translation_scores.score(attached, REFERENCES)
    assert scores["bleu"] == pytest.approx(bleu(HYPOTHESES, REFERENCES))
    assert translation_scores.score(attached, REFERENCES, "none")["bleu"] < scores["bleu"]


def test_equal_texts_score_everything_and_empty_ones_nothing():
    best = translation_scores.score(REFERENCES, REFERENCES)
    assert best == pytest.approx(
        {"bleu": 100, "bleu_lowercase": 100, "chrf": 100, "exact_match": 1}
    )
    worst = translation_scores.score(["", "", ""], REFERENCES)
    assert worst == {"bleu": 0, "bleu_lowercase": 0, "chrf": 0, "exact_match": 0}


def test_any_number_of_references():
    several = [[REFERENCES[0], HYPOTHESES[0]], [HYPOTHESES[1]], REFERENCES[2]]
    scores = translation_scores.score(HYPOTHESES, several)
    assert scores["bleu"] == pytest.approx(100) and scores["exact_match"] == 1
    single = translation_scores.score(HYPOTHESES, [[text] for text in REFERENCES])
    assert single == translation_scores.score(HYPOTHESES, REFERENCES)


def test_exact_match_leaves_white_space_around_out_but_not_case():
    scores = translation_scores.score(["2024-03-07 ", "A"], ["2024-03-07\n", "a"])
    assert scores["exact_match"] == 0.5


def test_exact_match_is_of_what_looks_equal():
    assert translation_scores.score(["cafe\u0301"], ["café"])["exact_match"] == 1


def test_chinese_is_split_by_its_own_tokenizer():
    hypotheses, references = ["我们今天去北京看长城"], ["我们明天去北京看长城"]
    assert translation_scores.score(hypotheses, references)["bleu"] == 0
    for name in ("zh", "char"):
        words = [[" ".join(text) for text in side] for side in (hypotheses, references)]
        scores = translation_scores.score(hypotheses, references, tokenize=name)
        assert scores["bleu"] == pytest.approx(bleu(*words))


def test_signatures_name_what_was_computed():
    found = translation_scores.signatures(HYPOTHESES, REFERENCES)
    version = found["bleu"].rpartition(":")[2]
    assert found == {
        "bleu": f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}",
        "bleu_lowercase": f"nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:{version}",
        "chrf": f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}",
    }
    varying = translation_scores.signatures(["a", "c"], [["a", "b"], "c"], tokenize="char")
    assert varying["bleu"].startswith("nrefs:var|case:mixed|eff:no|tok:char|")


def test_tokenized_text_is_no_reason_to_warn(caplog):
    with caplog.at_level(logging.WARNING):
        translation_scores.score(HYPOTHESES * 50, REFERENCES * 50)
    assert not caplog.records


def test_mistakes():
    with pytest.raises(ValueError, match="3 hypotheses, references of 2 examples"):
        translation_scores.score(HYPOTHESES, REFERENCES[:2])
    with pytest.raises(ValueError, match=r"needs a reference\. Received: 0 examples"):
        translation_scores.score([], [])
    with pytest.raises(ValueError, match=r"needs a reference\. Received: 2 examples"):
        translation_scores.score(["a", "b"], ["a", []])
    message = r"unknown tokenizer of BLEU '13b'; did you mean 13a\? The known ones are 13a, intl,"
    with pytest.raises(UserError, match=message):
        translation_scores.score(["a"], ["a"], tokenize="13b")
