"""Summary metrics: ROUGE by rouge-score, also of the Lead baselines, and n-gram repetition."""

import functools
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from pipelines.text import sentences as prose

_TYPES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


def score(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """Scores one summary per document: the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L.

    The numbers are those of rouge-score with Porter's stemmer. With several references, each
    metric takes the one with the best F1. ROUGE knows the letters a to z and digits alone: text in
    other scripts scores zero.

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
        n: words of an n-gram.

    Returns:
        Between 0 and 1; 0 where no text has `n` words.

    References:
        [See et al., 2017](https://arxiv.org/abs/1704.04368), figure 4.
    """
    repeated = total = 0
    for text in hypotheses:
        words = text.lower().split()
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        repeated += len(grams) - len(set(grams))
        total += len(grams)
    return repeated / max(total, 1)


class _Tokenizer:
    """rouge-score's own; but the stemmer, nearly all of its time, sees each word once."""

    def __init__(self):
        from nltk.stem.porter import PorterStemmer

        self.stem = functools.cache(PorterStemmer().stem)

    def tokenize(self, text):
        from rouge_score.tokenize import tokenize

        return tokenize(text, self)
