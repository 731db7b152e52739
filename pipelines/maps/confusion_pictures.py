"""A confusion matrix as a picture that stays readable from two classes to hundreds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.maps import figures
from pipelines.maps.colors import INK, LINE, SOFT

# Okabe and Ito's blue and vermilion: told apart with every kind of colour vision.
_RIGHT, _WRONG = np.array([(0, 114, 178), (213, 94, 0)]) / 255
_DPI = 150
_COUNTED = 24  # Up to so many classes the cells hold their counts.
_NAMED = 150  # Up to so many each has its name at the edge, and the picture grows with them.
_LISTED = 16  # Confusions beside the matrix, at most.
_LONGEST = 16  # Characters of a name.


def draw_confusion(
    path: str | Path, matrix: np.ndarray, names: Sequence[str], title: str = ""
) -> None:
    """Draws a confusion matrix, and beside it the most frequent confusions.

    Rows are the true classes. What was called right is blue, what was not is vermilion, each the
    darker the larger its share of the row; by the square root, so that rare mistakes show.

    Args:
        path: The PNG file to write.
        matrix: `(K, K)` counts, of `classification.confusion_matrix`.
        names: Of the K classes.
        title: Text above.
    """
    with figures.quiet():
        from matplotlib.figure import Figure

        names = [figures.cut(name, _LONGEST) for name in names]
        # Inches: cells with room for a count, or, where there are many, for the line of a name.
        side = max(2.6, min(0.5 * len(names), 6.5), 0.1 * min(len(names), _NAMED))
        figure = Figure((side + 4.2, side + 1.6), dpi=_DPI, facecolor="white")
        figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15, wspace=0.04)
        style = {"family": figures.fonts(), "color": INK, "parse_math": False}
        cells, beside = figure.subplots(1, 2, width_ratios=(side + 1.2, 2.6))
        figure.suptitle(title, x=0.02, ha="left", size=13, weight="bold", **style)
        _draw_cells(cells, matrix, names, 72 * side / len(names), style)
        _list_confusions(beside, matrix, names, style)
        figures.save(figure, path)


def colours(matrix: np.ndarray) -> np.ndarray:
    """The colour of each cell, `(K, K, 3)`, 0 to 1: white where nothing was called so."""
    shares = np.sqrt(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))[..., None]
    full = np.where(np.eye(len(matrix), dtype=bool)[..., None], _RIGHT, _WRONG)
    return 1 - shares * (1 - full)


def confusions(matrix: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """The most frequent mistakes: the true class, what it was called, and how often."""
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(i), int(j), int(wrong[i, j])) for i, j in cells if wrong[i, j]]


def _draw_cells(axes, matrix, names, points, style):
    """The matrix itself; `points` is the side of a cell."""
    step = -(-len(names) // _NAMED)
    ticks = np.arange(0, len(names), step)
    names = names[::step]
    axes.imshow(colours(matrix), interpolation="nearest")
    size = min(9.5, 0.8 * points * step)
    axes.xaxis.tick_top()
    axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(ticks, names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(size=size, **style)
    axes.tick_params(length=0, pad=3)
    axes.set_xlabel("predicted", size=10, color=SOFT, labelpad=6)
    axes.xaxis.set_label_position("top")
    axes.set_ylabel("true", size=10, color=SOFT, labelpad=6)
    counted = len(matrix) <= _COUNTED
    lines = ticks[1:] - 0.5
    axes.set_xticks(lines, minor=True)
    axes.set_yticks(lines, minor=True)
    axes.grid(which="minor", color=LINE, linewidth=0.6 if counted else 0.25)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_color(LINE)
    if not counted:
        return
    for i, j in np.argwhere(matrix):
        share = matrix[i, j] / matrix[i].sum()
        colour = "white" if share > 0.35 else INK
        text = f"{matrix[i, j]:,}"
        fitting = min(9.5, 0.36 * points, 1.35 * points / len(text))
        axes.text(j, i, text, ha="center", va="center", size=fitting, color=colour)


def _list_confusions(axes, matrix, names, style):
    axes.set_axis_off()
    line = 0.21 / axes.get_figure().get_figheight()  # Inches, as a share of the figure.

    def write(x, number, text, **own):
        own = {"size": 9.5, "va": "top", "transform": axes.transAxes, **style, **own}
        axes.text(x, 1 - 1.25 * line * number, text, **own)

    right, total = int(matrix.trace()), int(matrix.sum())
    write(0, 0, f"{right:,} of {total:,} right, {right / max(total, 1):.1%}", weight="bold")
    write(0, 1, "Darker: a larger share of its row.", color=SOFT, size=8.5)
    found = confusions(matrix, _LISTED)
    if found:
        write(0, 2.5, "Most often taken for another", color=SOFT, size=8.5)
    for number, (i, j, times) in enumerate(found, 3):
        write(0.16, number + 0.6, f"{times:,}", ha="right")
        write(0.21, number + 0.6, f"{names[i]} → {names[j]}")
