import random
import unicodedata
from collections import Counter

import pytest
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenize import tokenize

from pipelines.metrics import rouge

HYPOTHESES = ["The cat sat on the mat", "police killed the gunman", "nothing"]
REFERENCES = ["a cat was sitting on the mat", "the gunman kill police", "shared words: none"]


def test_scores_counted_by_hand():
    # Porter's stems: polic kill the gunman / the gunman kill polic.
    scores = rouge.score(["police killed the gunman"], ["the gunman kill police"])
    assert scores == pytest.approx({"rouge_1": 100, "rouge_2": 100 / 3, "rouge_l": 50})
    # 3 of 4 and 3 of 6 unigrams: F1 = 2 * 0.75 * 0.5 / 1.25.
    scores = rouge.score(["a b c x"], ["a b q c r s"])
    assert scores == pytest.approx({"rouge_1": 60, "rouge_2": 25, "rouge_l": 60})


def test_equal_to_rouge_score_with_its_stemmer():
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    found = rouge.score(HYPOTHESES, REFERENCES)
    pairs = zip(HYPOTHESES, REFERENCES, strict=True)
    theirs = [scorer.score(reference, hypothesis) for hypothesis, reference in pairs]
    for ours, name in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        expected = 100 * sum(score[name].fmeasure for score in theirs) / 3
        assert found[ours] == pytest.approx(expected) and expected > 0


LATIN = (
    "The Café's naïve résumé — don't, it’s 3.5 × 10² “quotes” of T-shirts; running runners RAN",
    "Der Ärger über die größte Straße: 1.000 Mädchen, l'été à Łódź, İzmir'de ışık, Ünïcödé ﬁne",
    "snake_case x_1 u.s. 5% a/b \u200b e\u2060f",
)


def test_latin_text_is_cut_as_by_rouge_score():
    ours, stemmer = rouge._Tokenizer(), PorterStemmer()
    rng = random.Random(0)
    words = " ".join(LATIN).split()
    for text in (*LATIN, *(" ".join(rng.choices(words, k=9)) for _ in range(50))):
        assert ours.tokenize(text) == tokenize(unicodedata.normalize("NFC", text), stemmer)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("Глеб купила книгу.", "Глеб купила яблоки.", (200 / 3, 50, 200 / 3)),
        ("कुत्ता पानी पी रहा है", "कुत्ता पानी पी रही है।", (80, 50, 80)),
        ("我爱北京", "我爱上海。", (50, 100 / 3, 50)),
        ("小さな犬", "小さな猫", (75, 200 / 3, 75)),
        ("หมาวิ่ง", "แมววิ่ง", (60, 25, 60)),
        ("مُحَمَّدٌ هنا", "مُحَمَّدٌ هناك", (50, 0, 50)),
        ("우리 집", "우리 개", (50, 0, 50)),
        ("й й", "и\u0306 й", (100, 100, 100)),
        ("café noir", "cafe\u0301 noir", (100, 100, 100)),
        ("ở", "ở", (100, 0, 100)),
        ("میروم", "می\u200cروم", (0, 0, 0)),
        ("iPhone手机", "the iphone 手表", (400 / 7, 40, 400 / 7)),
    ],
)
def test_other_scripts(hypothesis, reference, expected):
    found = rouge.score([hypothesis], [reference])
    assert tuple(found.values()) == pytest.approx(expected)
    assert rouge.score([reference], [reference])["rouge_1"] == 100


def test_the_signature_names_the_tokenizer():
    assert rouge.signature() == "case:lower|stem:porter|tok:rouge+words+characters|version:0.1.2"


def test_of_several_references_each_metric_takes_its_best():
    one, other = "a b c d", "d x c y b z a"
    hypothesis = "d c b a"
    alone = [rouge.score([hypothesis], [[reference]]) for reference in (one, other)]
    both = rouge.score([hypothesis], [[one, other]])
    assert both == {name: max(score[name] for score in alone) for name in both}
    assert alone[0]["rouge_1"] > alone[1]["rouge_1"] and alone[0]["rouge_l"] < alone[1]["rouge_l"]


def test_empty_texts_score_nothing():
    assert rouge.score(["", "a"], ["a", ""]) == {"rouge_1": 0, "rouge_2": 0, "rouge_l": 0}


def test_mistakes():
    with pytest.raises(ValueError, match="1 hypotheses, references of 2 documents"):
        rouge.score(["a"], ["a", "b"])
    with pytest.raises(ValueError, match=r"needs a reference\. Received: 0 documents"):
        rouge.score([], [])
    with pytest.raises(ValueError, match=r"needs a reference\. Received: 1 documents"):
        rouge.score(["a"], [[]])


DOCUMENTS = [
    "The numpy.ndarray holds numbers. Mr. Smith made it. It is fast. Nobody knows why.",
    "Only one sentence",
    "",
]


def test_lead_is_the_first_sentences():
    assert rouge.lead(DOCUMENTS, 1) == ["The numpy.ndarray holds numbers.", "Only one sentence", ""]
    three = "The numpy.ndarray holds numbers. Mr. Smith made it. It is fast."
    assert rouge.lead(DOCUMENTS, 3) == [three, "Only one sentence", ""]


def test_scores_of_leads():
    references = ["the ndarray holds numbers", ["one sentence", "a sentence"], "nothing"]
    found = rouge.score_leads(DOCUMENTS, references)
    assert list(found) == [
        f"{prefix}_rouge_{kind}" for prefix in ("lead", "lead_3") for kind in ("1", "2", "l")
    ]
    for prefix, count in (("lead", 1), ("lead_3", 3)):
        expected = rouge.score(rouge.lead(DOCUMENTS, count), references)
        assert {name: found[f"{prefix}_{name}"] for name in expected} == expected
    assert found["lead_rouge_1"] > found["lead_3_rouge_1"]


def test_a_word_is_stemmed_once(monkeypatch):
    stemmed = Counter()
    original = PorterStemmer.stem

    def stem(self, word):
        stemmed[word] += 1
        return original(self, word)

    monkeypatch.setattr(PorterStemmer, "stem", stem)
    rouge.score(["running runners run"] * 3, ["runners running away"] * 3)
    assert stemmed == {"running": 1, "runners": 1, "away": 1}


def test_repetition():
    assert rouge.repetition(["a b c a b c"]) == 1 / 4  # abc bca cab ABC
    assert rouge.repetition(["a b c A B C"]) == 1 / 4
    assert rouge.repetition(["a b c a b c", "a b c d"]) == 1 / 6  # Within a text alone.
    assert rouge.repetition(["a a a a"], n=1) == 3 / 4
    assert rouge.repetition(["我爱我爱"], n=1) == 1 / 2
    assert rouge.repetition(["a b", ""]) == 0
    assert rouge.repetition([]) == 0
