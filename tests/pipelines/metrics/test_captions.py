import math
from collections import Counter

import numpy as np
import pytest

from pipelines.metrics import captions

HYPOTHESES = [
    "a brown dog runs on the grass",
    "two boys",
    "a man rides a red bike near the sea",
]
REFERENCES = [
    ["a dog runs on the green grass", "a brown dog is running on grass"],
    ["two boys play with a ball", "the two boys are playing", "boys play"],
    ["a man rides a bike by the sea", "a man on a red bike"],
]


def ngrams(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(hypotheses, references, order):
    """Papineni et al., 2002: clipped precisions of the corpus, closest reference length."""
    logs = []
    for n in range(1, order + 1):
        right = total = 0
        for hypothesis, captions_ in zip(hypotheses, references, strict=True):
            most = Counter()
            for caption in captions_:
                most |= ngrams(caption, n)
            right += (ngrams(hypothesis, n) & most).total()
            total += ngrams(hypothesis, n).total()
        logs.append(math.log(right / total))
    given = wanted = 0
    for hypothesis, captions_ in zip(hypotheses, references, strict=True):
        length = len(hypothesis.split())
        lengths = [len(caption.split()) for caption in captions_]
        given += length
        wanted += min(lengths, key=lambda other: (abs(other - length), other))
    return 100 * math.exp(sum(logs) / order) * math.exp(min(0, 1 - wanted / given))


def cider_d(hypotheses, references):
    """Vedantam et al., 2015, the equation of CIDEr-D."""
    scores = []
    for hypothesis, captions_ in zip(hypotheses, references, strict=True):
        total = 0.0
        for n in range(1, 5):
            frequency = Counter()
            for others in references:
                frequency.update(set().union(*(ngrams(other, n) for other in others)))
            idf = {gram: math.log(len(references) / count) for gram, count in frequency.items()}
            unseen = math.log(len(references))
            for caption in captions_:
                given, wanted = ngrams(hypothesis, n), ngrams(caption, n)
                grams = sorted(given | wanted)
                weight = np.array([idf.get(gram, unseen) for gram in grams])
                g = weight * [given[gram] for gram in grams]
                r = weight * [wanted[gram] for gram in grams]
                norm = np.linalg.norm(g) * np.linalg.norm(r)
                apart = len(hypothesis.split()) - len(caption.split())
                if norm:
                    cosine = np.minimum(g, r) @ r / norm
                    total += cosine * math.exp(-(apart**2) / (2 * 6**2)) / len(captions_)
        scores.append(10 * total / 4)
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A man's dog isn't here.", "a man 's dog is n't here"),
        ("He can't; won't and cannot.", "he ca n't wo n't and can not"),
        ("I'd've they'll we're I'm", "i 'd 've they 'll we 're i 'm"),
        ("the dogs ' ball , the boys' bikes", "the dogs ball the boys bikes"),
        ("man 's dog do n't", "man 's dog do n't"),
        ("don’t use ‘curly’ “quotes”", "do n't use curly quotes"),
        ('"Stop," she says: it\'s 3:30 p.m.', "stop she says it 's 3:30 p.m."),
        ("A t-shirt-clad boy (age 5) runs...", "a t-shirt-clad boy age 5 runs"),
        ("going to gonna wanna gotta", "going to gon na wan na got ta"),
        ("Mr. Smith and the U.S. flag", "mr. smith and the u.s. flag"),
        ("rock 'n' roll at 5 o'clock", "rock 'n' roll at 5 o'clock"),
        ("one;two, 1,000 of 3.5", "one two 1,000 of 3.5"),
        ("black/white -- half-full — cup", "black/white half-full cup"),
        ("#7 for $5.00 & 10%", "# 7 for $ 5.00 & 10 %"),
        ("Ein Mädchen , 小さな犬 собака !", "ein mädchen 小さな犬 собака"),
        ("कुत्ता घास पर दौड़ रहा है।", "कुत्ता घास पर दौड़ रहा है"),
        ("หมากำลังวิ่ง", "หมากำลังวิ่ง"),
        ("مُحَمَّدٌ، رَسُولُ؟", "مُحَمَّدٌ رَسُولُ"),
        ("Cafe\u0301 né l’e\u0301te\u0301", "café né l'été"),
        ("می\u200cروم അവന്\u200d.", "می\u200cروم അവന്\u200d"),
        ("«Да», — это я. М’ята „x“ 그 개.", "да это я м'ята x 그 개"),
        ("👩\u200d🚀 i ❤️ it", "👩\u200d🚀 i ❤️ it"),
        ("İzmir", "izmir"),
        ("the end .\n", "the end"),
        (" . ", ""),
        ("", ""),
    ],
)
def test_normalize_as_ptb_tokenizer(text, tokens):
    assert captions.normalize(text) == tokens
    assert captions.normalize(tokens) == tokens


def test_bleu_equals_the_formula():
    scores = captions.score(HYPOTHESES, REFERENCES)
    for order in range(1, 5):
        expected = bleu(HYPOTHESES, REFERENCES, order)
        assert scores[f"bleu_{order}"] == pytest.approx(expected, rel=1e-6)


def test_bleu_by_hand():
    # 3 of 4 words and 1 of 3 pairs are right; 4 words against the closest length, 5.
    scores = captions.score(
        ["a dog the cat"], [["a dog runs to the", "dog one two three a four b"]]
    )
    penalty = math.exp(1 - 5 / 4)
    assert scores["bleu_1"] == pytest.approx(100 * penalty * 3 / 4)
    assert scores["bleu_2"] == pytest.approx(100 * penalty * math.sqrt(3 / 4 * 1 / 3))


def test_bleu_takes_the_shorter_of_two_lengths_as_close():
    scores = captions.score(["a b c"], [["a b c d", "a b"]])
    assert scores["bleu_1"] == pytest.approx(100)


def test_bleu_clips_repeated_words():
    scores = captions.score(["the the the the"], [["the cat the mat"]])
    assert scores["bleu_1"] == pytest.approx(50)


def test_cider_equals_the_formula():
    scores = captions.score(HYPOTHESES, REFERENCES)
    assert scores["cider"] == pytest.approx(cider_d(HYPOTHESES, REFERENCES), rel=1e-9)


def test_scripts_without_spaces_are_scored_by_character():
    scores = captions.score(["一只狗跑", "หมา"], [["一只猫跑。"], ["หมา"]])
    assert scores["bleu_1"] == pytest.approx(100 * 6 / 7)
    assert scores["bleu_2"] == pytest.approx(100 * math.sqrt(6 / 7 * 3 / 5))
    same = captions.score(
        ["कुत्ता घास पर है", "एक बिल्ली वहाँ बैठी है"], [["कुत्ता घास पर है"], ["एक बिल्ली वहाँ बैठी है।"]]
    )
    assert same["bleu_4"] == pytest.approx(100) and same["cider"] == pytest.approx(10)


def test_perfect_captions_reach_the_top():
    texts = ["a dog runs on grass", "two boys play with balls"]
    scores = captions.score(texts, [[text] for text in texts])
    assert [scores[f"bleu_{n}"] for n in range(1, 5)] == pytest.approx([100] * 4)
    assert scores["cider"] == pytest.approx(10)


def test_equal_to_pycocoevalcap(capsys):
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider

    hypotheses = [f"{text.capitalize()} ." for text in HYPOTHESES]
    scores = captions.score(hypotheses, REFERENCES)
    assert capsys.readouterr() == ("", "")
    given = {image: [text] for image, text in enumerate(HYPOTHESES)}
    bleus, _ = Bleu(4).compute_score(dict(enumerate(REFERENCES)), given)
    cider, _ = Cider().compute_score(dict(enumerate(REFERENCES)), given)
    assert list(scores) == ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider"]
    assert list(scores.values()) == pytest.approx([*(100 * np.array(bleus)), cider], rel=1e-12)


def test_both_sides_are_normalized():
    plain = captions.score(["the man 's dog", "a cat"], [["the man 's dog"], ["a bird"]])
    raw = captions.score(["The man's dog.", "A cat!"], [["the man 's dog ."], ["A bird"]])
    assert raw == plain


def test_empty_hypotheses_score_zero():
    empty = captions.score(["", " . "], [["a dog"], ["a cat"]])
    assert empty == {"bleu_1": 0, "bleu_2": 0, "bleu_3": 0, "bleu_4": 0, "cider": 0}
    half = captions.score(["a dog", ""], [["a dog"], ["a cat"]])
    assert half["bleu_1"] == pytest.approx(100 * math.exp(1 - 4 / 2))


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        (["a"], [["a"], ["b"]], "1 hypotheses, 2 lists"),
        (["a", "b"], [["a"], []], r"\[\] for image 1"),
        (["a"], ["a dog"], "'a dog' for image 0"),
        (["a"], [["."]], "no words"),
        ([], [], "no words"),
    ],
)
def test_bad_input(hypotheses, references, message):
    with pytest.raises(ValueError, match=message):
        captions.score(hypotheses, references)
