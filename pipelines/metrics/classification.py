"""Accuracy, top-k accuracy, precision, recall, F1, confusion matrix and calibration error."""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import write_csv
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import printable
from pipelines.commands.text_input import nfc


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class, against all others.

    Attributes:
        name: The class.
        precision: Share of what was predicted to be of the class that is; 0 if nothing was.
        recall: Share of the examples of the class that were predicted so; 0 if there are none.
        f1: Harmonic mean of the two.
        support: Number of examples of the class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores the predicted probabilities of a split, one true class an example.

    Args:
        probabilities: `(M, K)`, rows that sum to one.
        labels: `(M,)`, 0 to K - 1.

    Returns:
        `top_1` and `top_5` accuracy, `macro_f1`, the mean over the classes that have examples, and
        the expected `calibration_error`; all between 0 and 1.

    Raises:
        ValueError, UserError: as `top_k_accuracy`.
    """
    scores = {f"top_{k}": top_k_accuracy(probabilities, labels, k) for k in (1, 5)}
    matrix = confusion_matrix(labels, probabilities.argmax(-1), probabilities.shape[1])
    return {
        **scores,
        "macro_f1": _macro_f1(class_scores(matrix)),
        "calibration_error": calibration_error(probabilities, labels),
    }


def score_labels(
    truth: Sequence[Collection[str] | str], predicted: Sequence[Collection[str] | str]
) -> dict[str, float]:
    """Scores predicted labels, one or any number of them an example.

    Args:
        truth: The label, or all labels, of each example.
        predicted: Likewise.

    Returns:
        `accuracy`, the share of examples of which all labels are right, and `macro_f1`, the mean
        over the labels that have examples; between 0 and 1.

    Raises:
        ValueError: if nothing is given, or the lengths differ.
    """
    if not len(truth):
        raise ValueError("There is no label to score.")
    own, called = _sets(truth), _sets(predicted)
    right = [labels == guess for labels, guess in zip(own, called, strict=True)]
    return {"accuracy": float(np.mean(right)), "macro_f1": _macro_f1(label_scores(own, called))}


def top_k_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Top-k accuracy: the share of examples whose class is among the k most probable ones.

    Of classes that are equally probable the first counts as more so, as with `argmax`.

    Args:
        probabilities: `(M, K)`, or any scores.
        labels: `(M,)`, 0 to K - 1.
        k: How many classes may be guessed.

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
    """Counts `(K, K)` of examples: the row is the true class, the column the predicted one."""
    cells = np.asarray(labels, "int64") * classes + np.asarray(predicted, "int64")
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def class_scores(matrix: np.ndarray, names: Sequence[str] | None = None) -> list[ClassScores]:
    """Precision, recall, F1 and support of every class, in the order of the matrix.

    Args:
        matrix: `(K, K)`, from `confusion_matrix`.
        names: The K classes; their numbers by default.
    """
    numbers = range(len(matrix))
    names = [str(number) for number in numbers] if names is None else names
    truth, predicted = np.indices(matrix.shape).reshape(2, -1)
    return _scores(names, truth, predicted, labels=numbers, sample_weight=matrix.ravel())


def label_scores(
    truth: Sequence[Collection[str] | str], predicted: Sequence[Collection[str] | str]
) -> list[ClassScores]:
    """Precision, recall, F1 and support of every label that is there or was predicted, by name.

    Args:
        truth: The label, or all labels, of each example; also those unknown to the model.
        predicted: Likewise.
    """
    truth, predicted = _sets(truth), _sets(predicted)
    rows = []
    for name in sorted(set().union(*truth, *predicted)):
        own = np.array([name in labels for labels in truth])
        called = np.array([name in labels for labels in predicted])
        rows += _scores([name], own, called, labels=[True])
    return rows


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (ECE): how far confidence is from accuracy.

    Examples are sorted into bins by their highest probability, `((b - 1) / bins, b / bins]`; the
    gap between mean confidence and accuracy is averaged over the examples (equation 3).

    Args:
        probabilities: `(M, K)`.
        labels: `(M,)`, 0 to K - 1.
        bins: Number of bins.

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
    """Writes a CSV file with one line a class, its scores rounded to four decimals."""
    header = [field.name for field in fields(ClassScores)]
    scores = ([round(v, 4) if isinstance(v, float) else v for v in astuple(row)] for row in rows)
    write_csv(path, [header, *([printable(name), *rest] for name, *rest in scores)])


def _scores(names, truth, predicted, **options) -> list[ClassScores]:
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(truth, predicted, zero_division=0, **options)
    return [
        ClassScores(name, float(precision), float(recall), float(f1), int(support))
        for name, precision, recall, f1, support in zip(names, *columns, strict=True)
    ]


def _macro_f1(rows: Sequence[ClassScores]) -> float:
    each = [row.f1 for row in rows if row.support]
    return float(np.mean(each)) if each else 0.0


def _sets(labels):
    """The labels of each example, equal where they look equal."""
    lists = [[label] if isinstance(label, str) else label for label in labels]
    return [set(map(nfc, each)) for each in lists]


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
