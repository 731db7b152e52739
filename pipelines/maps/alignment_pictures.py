"""An alignment as one picture: the source along the top, the target down the side."""

from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import replacing
from pipelines.maps import figures
from pipelines.maps.attention_maps import END_WORD
from pipelines.maps.colors import INK, SOFT, shade

MOST = 60  # source words in a picture
_DPI = 120
_CELL = 0.26  # inches
_GAP, _APART = 0.6, 0.5  # cells
_LONGEST = 24  # characters of a word
_SLANTED = {"rotation": 60, "rotation_mode": "anchor", "va": "baseline"}


def draw_png(path: str | Path, alignment) -> None:
    """Draws the attention of each target word, a row, over the source words, the columns.

    Of a source with more than `MOST` words, those with the most attention are shown, and "…" where
    others are left out. Below stands the coverage, what each source word got in all, where the
    labels ask for it; on the right, for a model that copies, the probability of copying.

    Args:
        path: the PNG file to write.
        alignment: an `alignments.Alignment` of a text of at least one word.

    Raises:
        ValueError: if the target or the source has no words.
    """
    weights, covered = alignment.weights, alignment.labels.coverage
    if not weights.size:
        raise ValueError(
            f"There is nothing to draw. Received: {len(weights)} target words, "
            f"{len(alignment.source_words)} source words."
        )
    shown = visible(weights)
    lefts, gaps = _columns(shown, weights.shape[1])
    right, bottom = lefts[-1] + 1 + _APART, len(weights) + (_APART if covered else -1)
    width = right + 1.5 if alignment.copy is not None else right - _APART
    with figures.quiet():
        from matplotlib.figure import Figure

        figure = Figure((width * _CELL, (bottom + 1) * _CELL), dpi=_DPI, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(bottom + 1, 0))
        axes.set_axis_off()

        def write(x, y, text, **style):
            style = {"size": 9, "color": INK, "va": "center_baseline", **style}
            axes.text(x, y, text, family=families, parse_math=False, **style)

        families = figures.fonts()
        _draw_cells(axes, weights[:, shown], lefts, np.arange(len(weights)), weights.max())
        for left, index in zip(lefts, shown, strict=True):
            word = alignment.source_words[index]
            color = SOFT if word == END_WORD else INK
            write(left + 0.68, -0.2, figures.cut(word, _LONGEST), color=color, **_SLANTED)
        for left in gaps:
            write(left + _GAP / 2, -0.3, "…", ha="center", color=SOFT)
        for row, word in enumerate(alignment.map.words):
            write(-0.3, row + 0.5, figures.cut(word, _LONGEST), ha="right")
        if covered:
            _draw_coverage(axes, write, alignment.coverage[shown], lefts, bottom)
        if alignment.copy is not None:
            _draw_copying(axes, write, alignment.copy, right)
        note = f"Colour scale: 0 to {weights.max():.0%} of a word's attention."
        write(0, bottom + 1.7, note, size=7.5, color=SOFT)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", bbox_inches="tight", pad_inches=0.18)


def visible(weights: np.ndarray) -> np.ndarray:
    """The source words to draw: all of a short source, of a longer one those most looked at.

    Args:
        weights: `(T, S)`.

    Returns:
        Increasing indices, at most `MOST`. Of a longer source, words that never get a fiftieth of
        the largest weight are left out even where there is room.
    """
    peaks = weights.max(0)
    if len(peaks) <= MOST:
        return np.arange(len(peaks))
    order = np.argsort(-peaks, kind="stable")[:MOST]
    return np.sort(order[peaks[order] >= peaks.max() / 50])


def _columns(shown, length):
    """The left edges of the columns, and of the gaps where words are left out; in cells."""
    lefts, gaps, x, before = [], [], 0.0, -1
    for index in shown:
        if index > before + 1:
            gaps.append(x)
            x += _GAP
        lefts.append(x)
        x, before = x + 1, index
    return np.array(lefts), gaps if before == length - 1 else [*gaps, x]


def _draw_cells(axes, values, lefts, tops, largest):
    """Squares in the colours of attention, from 0 to `largest`; `values` `(tops, lefts)`."""
    from matplotlib.collections import PolyCollection

    corners = np.array([(0.03, 0.03), (0.97, 0.03), (0.97, 0.97), (0.03, 0.97)])
    places = np.stack(np.meshgrid(lefts, tops), axis=-1).reshape(-1, 1, 2)
    colors = shade(values.reshape(-1) / (largest or 1)) / 255
    axes.add_collection(PolyCollection(places + corners, facecolors=colors, linewidths=0))


def _draw_coverage(axes, write, coverage, lefts, top):
    _draw_cells(axes, coverage[None], lefts, [top], coverage.max())
    write(-0.3, top + 0.5, "coverage", ha="right", size=7.5, color=SOFT)
    for left, value in zip(lefts, coverage, strict=True):
        if value >= 0.05:
            color = INK if value > 0.65 * coverage.max() else "white"
            write(left + 0.5, top + 0.52, f"{value:.1f}", ha="center", size=6, color=color)


def _draw_copying(axes, write, copy, left):
    _draw_cells(axes, copy[:, None], [left], np.arange(len(copy)), 1)
    write(left + 0.68, -0.2, "copied", color=SOFT, **_SLANTED, size=7.5)
    for row, share in enumerate(copy):
        write(left + 1.15, row + 0.5, f"{share:.0%}", size=7.5, color=SOFT)
