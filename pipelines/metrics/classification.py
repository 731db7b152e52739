"""How good a classifier is: accuracies, its classes, and whether its confidence holds."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from pipelines.commands.errors import UserError


@dataclass(frozen=True)
class ClassScores:
    """How one class fares.

    Attributes:
        name: Of the class.
        precision: Share of what was called so that is; 0 if nothing was.
        recall: Share of its examples that were called so; 0 if there are none.
        f1: Harmonic mean of the two.
        support: Its examples.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """All metrics of a scored split, as `metrics.json` has them.

    Args:
        probabilities: `(M, K)`, rows that sum to one.
        labels: `(M,)`, 0 to K - 1.
    """
    rows = class_scores(confusion_matrix(labels, probabilities.argmax(-1), probabilities.shape[1]))
    return {
        "top_1": top_k_accuracy(probabilities, labels, 1),
        "top_5": top_k_accuracy(probabilities, labels, 5),
        "macro_f1": float(np.mean([row.f1 for row in rows if row.support])),
        "calibration_error": calibration_error(probabilities, labels),
    }


def top_k_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of the examples whose class is among the K likeliest.

    Of classes that are equally likely the first counts as likelier, as with `argmax`.

    Args:
        probabilities: `(M, K)`, or any scores.
        labels: `(M,)`, 0 to K - 1.
        k: How many guesses are allowed.

    Raises:
        ValueError: if the shapes do not fit, there is no example, or a label is no class.
        UserError: if a score is not finite, as of a model whose training diverged.
    """
    probabilities, labels = _checked(probabilities, labels)
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & before)
    return float((ahead.sum(axis=1) < k).mean())


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts `(K, K)`: the row is the true class, the column what it was called."""
    cells = np.asarray(labels, "int64") * classes + np.asarray(predicted, "int64")
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def class_scores(matrix: np.ndarray, names: Sequence[str] | None = None) -> list[ClassScores]:
    """Precision, recall, F1 and support of every class.

    Args:
        matrix: Of `confusion_matrix`.
        names: Of the classes; their numbers by default.
    """
    names = [str(i) for i in range(len(matrix))] if names is None else names
    right, called, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    columns = (right / np.maximum(called, 1), right / np.maximum(support, 1))
    f1 = 2 * right / np.maximum(called + support, 1)
    return [
        ClassScores(name, float(p), float(r), float(f), int(s))
        for name, p, r, f, s in zip(names, *columns, f1, support, strict=True)
    ]


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: how far confidence is from accuracy, Guo et al. (2017).

    Examples are sorted into bins by their highest probability, `((b - 1) / bins, b / bins]`; the
    distance between mean confidence and accuracy is averaged over the examples (equation 3).

    Args:
        probabilities: `(M, K)`.
        labels: `(M,)`, 0 to K - 1.
        bins: How many.

    References:
        [Guo et al., 2017](https://arxiv.org/abs/1706.04599)
    """
    probabilities, labels = _checked(probabilities, labels)
    confidence = probabilities.max(axis=1).astype("float64")
    right = probabilities.argmax(axis=1) == labels
    edges = np.arange(1, bins) / bins
    number = np.searchsorted(edges, confidence, side="left")
    gaps = np.bincount(number, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def write_class_scores(path: str | Path, rows: Sequence[ClassScores]) -> None:
    """Writes the table of the classes as a CSV file, a line each."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(ClassScores)])
        writer.writeheader()
        writer.writerows(
            {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()}
            for row in rows
        )


def _checked(probabilities, labels):
    probabilities, labels = np.asarray(probabilities), np.asarray(labels, "int64")
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            "Scores must be (examples, classes), with one label an example, and some of them. "
            f"Received: scores of shape {probabilities.shape}, labels of shape {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(
            f"Labels must be 0 to {probabilities.shape[1] - 1}. "
            f"Received: {labels.min()} to {labels.max()}."
        )
    if not np.isfinite(probabilities).all():
        raise UserError("the model's scores are not finite: its training diverged")
    return probabilities, labels
