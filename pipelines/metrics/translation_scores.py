"""Translation metrics: BLEU and chrF by sacreBLEU, with the signatures that name them exactly."""

from collections.abc import Sequence

from pipelines.commands import errors
from pipelines.commands.text_input import nfc

# What splits text into words for BLEU: sacreBLEU's names, as far as they need nothing more.
TOKENIZERS = ("13a", "intl", "zh", "char", "none")


def score(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    tokenize: str = "13a",
) -> dict[str, float]:
    """Scores one translation per example against its references, over the whole corpus.

    Texts are given as they are to be read, not tokenized: BLEU depends on the tokenizer, so
    sacreBLEU brings its own.

    Args:
        hypotheses: one text per example, possibly empty.
        references: per example one text, or one or more of them.
        tokenize: one of `TOKENIZERS`: "13a" for what is written with spaces between words, "zh"
            for Chinese, "char" where words are not told apart, such as Japanese.

    Returns:
        `bleu` (with case) and `bleu_lowercase` (without, as much of the literature prints it) and
        `chrf`, between 0 and 100; `exact_match`, the share of examples that equal one of their
        references but for white space around them, between 0 and 1.

    Raises:
        ValueError: if the lengths differ, nothing is given, or an example has no reference.
        UserError: for an unknown tokenizer.

    References:
        [Post, 2018](https://aclanthology.org/W18-6319),
        [Papineni et al., 2002](https://aclanthology.org/P02-1040),
        [Popović, 2015](https://aclanthology.org/W15-3049).
    """
    scorers = _scorers(hypotheses, references, tokenize)
    scores = {
        name: float(scorer.corpus_score(hypotheses, None).score) for name, scorer in scorers.items()
    }
    matches = [
        nfc(text).strip() in {nfc(reference).strip() for reference in _texts(given)}
        for text, given in zip(hypotheses, references, strict=True)
    ]
    return {**scores, "exact_match": sum(matches) / len(matches)}


def signatures(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    tokenize: str = "13a",
) -> dict[str, str]:
    """What `score` computes in sacreBLEU's notation, to be printed beside the numbers.

    Takes the arguments of `score`, and makes the same complaints.

    Returns:
        `bleu`, `bleu_lowercase` and `chrf`, each such as
        "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0".
    """
    scorers = _scorers(hypotheses, references, tokenize)
    return {name: str(scorer.get_signature()) for name, scorer in scorers.items()}


def _scorers(hypotheses, references, tokenize):
    from sacrebleu.metrics import BLEU, CHRF

    if tokenize not in TOKENIZERS:
        raise errors.unknown("tokenizer of BLEU", tokenize, TOKENIZERS)
    if len(hypotheses) != len(references):
        raise ValueError(
            "Give references for every hypothesis. "
            f"Received: {len(hypotheses)} hypotheses, references of {len(references)} examples."
        )
    lists = [_texts(given) for given in references]
    if not lists or not all(lists):
        raise ValueError(f"Every example needs a reference. Received: {len(lists)} examples.")
    most = max(map(len, lists))
    # sacreBLEU wants the first references of all examples, then the second, ...
    streams = list(zip(*([*texts, *[None] * (most - len(texts))] for texts in lists), strict=True))
    # Forced: without, it warns of texts that only look tokenized.
    options = {"tokenize": tokenize, "force": True, "references": streams}
    return {
        "bleu": BLEU(**options),
        "bleu_lowercase": BLEU(lowercase=True, **options),
        "chrf": CHRF(references=streams),
    }


def _texts(given):
    return [given] if isinstance(given, str) else list(given)
