"""How well texts are labelled, with one label each or any number."""

from collections.abc import Collection, Sequence

import numpy as np

from pipelines.metrics.classification import ClassScores


def label_scores(
    truth: Sequence[Collection[str] | str], predicted: Sequence[Collection[str] | str]
) -> list[ClassScores]:
    """Precision, recall, F1 and support of every label that is there or was predicted, by name.

    Args:
        truth: A label, or all labels, of each text; those that training does not know as well.
        predicted: Likewise.
    """
    truth, predicted = _sets(truth), _sets(predicted)
    rows = []
    for name in sorted(set().union(*truth, *predicted)):
        own = np.array([name in labels for labels in truth])
        called = np.array([name in labels for labels in predicted])
        right = (own & called).sum()
        rows.append(
            ClassScores(
                name,
                precision=float(right / max(called.sum(), 1)),
                recall=float(right / max(own.sum(), 1)),
                f1=float(2 * right / (own.sum() + called.sum())),
                support=int(own.sum()),
            )
        )
    return rows


def score(
    truth: Sequence[Collection[str] | str], predicted: Sequence[Collection[str] | str]
) -> dict[str, float]:
    """All metrics of a split, as `metrics.json` has them.

    Args:
        truth: As for `label_scores`.
        predicted: Likewise.

    Returns:
        `accuracy`, the share of texts of which all labels are right, and `macro_f1`, the mean over
        the labels that there are.
    """
    if not len(truth):
        raise ValueError("There is no label to score.")
    own, called = _sets(truth), _sets(predicted)
    right = [labels == guess for labels, guess in zip(own, called, strict=True)]
    each = [row.f1 for row in label_scores(own, called) if row.support]
    return {"accuracy": float(np.mean(right)), "macro_f1": float(np.mean(each)) if each else 0.0}


def _sets(labels):
    return [{label} if isinstance(label, str) else set(label) for label in labels]
