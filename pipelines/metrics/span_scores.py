"""Span F1 of named entities: precision, recall and F1 of whole spans, equal to seqeval's."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from pipelines.commands.text_input import nfc
from pipelines.metrics.classification import ClassScores


def spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Entities of a sentence, as conlleval and seqeval read BIO tags.

    An I- tag with no entity of its type before it begins one.

    Returns:
        `(type, start, end)` for each, in tokens; `end` is behind the last.
    """
    found, start = [], None
    for i, tag in enumerate([*tags, "O"]):
        goes_on = tag.startswith("I-") and start is not None and tags[i - 1][2:] == tag[2:]
        if start is not None and not goes_on:
            found.append((tags[start][2:], start, i))
            start = None
        if start is None and tag != "O":
            start = i
    return found


def type_scores(
    truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> list[ClassScores]:
    """Precision, recall, F1 and support of every type that is there or was predicted, by name.

    Args:
        truth: The tags of sentences.
        predicted: Theirs too, of the same lengths.

    Raises:
        ValueError: There are not as many tags as true ones.
    """
    counts = _counts(truth, predicted)
    return [_scores(name, *counts[name]) for name in sorted(counts)]


def score(truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, float]:
    """Scores the entities of a split, as seqeval does.

    Args:
        truth: The tags of sentences.
        predicted: Theirs too, of the same lengths.

    Returns:
        `span_precision`, `span_recall` and `span_f1` over all entities, and `macro_f1`, the mean of
        the types' own.

    References:
        - [Tjong Kim Sang and De Meulder, 2003](https://aclanthology.org/W03-0419)
    """
    counts = _counts(truth, predicted)
    total = _scores("all", *np.sum([*counts.values(), (0, 0, 0)], axis=0))
    each = [_scores(name, *counts[name]).f1 for name in counts]
    return {
        "span_f1": total.f1,
        "span_precision": total.precision,
        "span_recall": total.recall,
        "macro_f1": float(np.mean(each)) if each else 0.0,
    }


def _counts(truth, predicted) -> dict[str, tuple[int, int, int]]:
    """How many entities of each type were found, were predicted, and are there."""
    found, called, support = Counter(), Counter(), Counter()
    for own, guessed in zip(truth, predicted, strict=True):
        if len(own) != len(guessed):
            raise ValueError(f"There are {len(own)} tags, but {len(guessed)} predicted ones.")
        own, guessed = (spans([nfc(tag) for tag in tags]) for tags in (own, guessed))
        found.update(_types(set(own) & set(guessed)))
        called.update(_types(guessed))
        support.update(_types(own))
    return {name: (found[name], called[name], support[name]) for name in called | support}


def _types(entities) -> Iterator[str]:
    return (entity[0] for entity in entities)


def _scores(name: str, found: int, called: int, support: int) -> ClassScores:
    return ClassScores(
        name,
        precision=float(found / max(called, 1)),
        recall=float(found / max(support, 1)),
        f1=float(2 * found / max(called + support, 1)),
        support=int(support),
    )
