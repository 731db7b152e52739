"""Summary metrics: ROUGE by rouge-score, also of the Lead baselines, and n-gram repetition."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from itertools import islice

import regex

from pipelines.commands.text_input import nfc
from pipelines.text import scripts
from pipelines.text import sentences as prose

_TYPES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
# All but letters, digits and what belongs to a letter parts words.
_WORD = regex.compile(
    rf"{scripts.CHARACTER}|[[\p{{L}}\p{{Nd}}]--{scripts.UNSPACED}]"
    rf"[[\p{{L}}\p{{Nd}}\p{{Mn}}\p{{Mc}}{scripts.JOINERS}]--{scripts.UNSPACED}--\p{{VS}}]*",
    regex.V1,
)
_LATIN = regex.compile(rf"[\p{{Latin}}0-9\p{{M}}{scripts.JOINERS}]+")
_KNOWN = re.compile("[a-z0-9]+")  # All that rouge-score's own tokenizer lets through.


def score(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """Scores one summary per document: the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L.

    The numbers are those of rouge-score with Porter's stemmer, to which accents part words. It
    knows the Latin script alone. Words of others are compared as they are, with their marks; what
    is written without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) is cut by
    character. With several references, each metric takes the one with the best F1.

    Args:
        hypotheses: one text per document; an empty one scores zero.
        references: per document one text, or one or more of them.

    Returns:
        `rouge_1`, `rouge_2` and `rouge_l`, between 0 and 100.

    Raises:
        ValueError: if the lengths differ, nothing is given, or a document has no reference.

    References:
        [Lin, 2004](https://aclanthology.org/W04-1013).
    """
    from rouge_score.rouge_scorer import RougeScorer

    if len(hypotheses) != len(references):
        raise ValueError(
            "Give references for every hypothesis. "
            f"Received: {len(hypotheses)} hypotheses, references of {len(references)} documents."
        )
    lists = [[given] if isinstance(given, str) else list(given) for given in references]
    if not lists or not all(lists):
        raise ValueError(f"Every document needs a reference. Received: {len(lists)} documents.")
    scorer = RougeScorer(list(_TYPES.values()), tokenizer=_Tokenizer())
    totals = Counter()
    for hypothesis, texts in zip(hypotheses, lists, strict=True):
        for name, value in scorer.score_multi(texts, hypothesis).items():
            totals[name] += float(value.fmeasure)
    return {name: 100 * totals[theirs] / len(lists) for name, theirs in _TYPES.items()}


def signature() -> str:
    """What `score` computes, to be printed beside the numbers.

    Returns:
        Such as "case:lower|stem:porter|tok:rouge+words+characters|version:0.1.2": Latin text is cut
        by rouge-score's tokenizer, other scripts into words, or characters where no spaces stand.
    """
    version = metadata.version("rouge-score")
    return f"case:lower|stem:porter|tok:rouge+words+characters|version:{version}"


def lead(documents: Sequence[str], sentences: int) -> list[str]:
    """The first sentences of each document, the summary that a model has to beat."""
    return [" ".join(islice(prose.split(document), sentences)) for document in documents]


def score_leads(
    documents: Sequence[str], references: Sequence[str | Sequence[str]]
) -> dict[str, float]:
    """Scores the first sentence and the first three of each document as its summary.

    Args:
        documents: what was summarized.
        references: as for `score`.

    Returns:
        `lead_rouge_1`, `lead_rouge_2`, `lead_rouge_l` of the first sentence; `lead_3_rouge_1`,
        `lead_3_rouge_2`, `lead_3_rouge_l` of the first three; between 0 and 100.
    """
    return {
        f"{prefix}_{name}": value
        for prefix, count in (("lead", 1), ("lead_3", 3))
        for name, value in score(lead(documents, count), references).items()
    }


def repetition(hypotheses: Sequence[str], n: int = 3) -> float:
    """The share of all n-grams of words that stood in the same text before.

    Args:
        hypotheses: texts; their case does not count.
        n: words of an n-gram; characters where no spaces are written.

    Returns:
        Between 0 and 1; 0 where no text has `n` words.

    References:
        [See et al., 2017](https://arxiv.org/abs/1704.04368), figure 4.
    """
    repeated = total = 0
    for text in hypotheses:
        words = scripts.separate(text.lower()).split()
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        repeated += len(grams) - len(set(grams))
        total += len(grams)
    return repeated / max(total, 1)


class _Tokenizer:
    """rouge-score's own for the Latin script, and the like for all others.

    The stemmer, nearly all of its time, sees each word once.
    """

    def __init__(self):
        from nltk.stem.porter import PorterStemmer

        self._stem = functools.cache(PorterStemmer().stem)

    def tokenize(self, text):
        words = (_KNOWN if text.isascii() else _WORD).findall(nfc(text).lower())
        # Rather than nothing, words of nothing but letters with accents.
        return [token for word in words for token in self._tokens(word)] or words

    def _tokens(self, word):
        if not (word.isascii() or _LATIN.fullmatch(word)):
            return [word]
        return [self._stem(part) if len(part) > 3 else part for part in _KNOWN.findall(word)]
