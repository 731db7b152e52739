"""Attention maps as one picture: what each word of a caption looked at, laid over the image."""

import textwrap
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.maps import figures
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.colors import INK, NO_ATTENTION, SOFT, scale, shade

_DPI = 100
_PANEL, _GAP, _LABEL, _LINE = 184, 10, 28, 20  # pixels


def overlay(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Lays the weights of one word over an image.

    The colours run from zero (dark) to `scale(weights)` (light), interpolated bilinearly between
    the centres of the cells. A word without weights (all zero) gives a flat grey.

    Args:
        image: uint8 `(height, width, 3)`.
        weights: `(rows, columns)`, covering the whole image.

    Returns:
        uint8 `(height, width, 3)`.
    """
    grey = np.asarray(Image.fromarray(image).convert("L"), "float32")[..., None]
    if not weights.any():
        return np.repeat(np.rint(0.6 * NO_ATTENTION + 0.4 * grey).astype("uint8"), 3, axis=-1)
    cells = Image.fromarray(np.asarray(weights / scale(weights), "float32"))
    heat = cells.resize(image.shape[1::-1], Image.Resampling.BILINEAR)
    heat = np.asarray(heat).clip(0, 1)
    opacity = (0.5 + 0.2 * heat)[..., None]
    return np.rint((1 - opacity) * grey + opacity * shade(heat)).astype("uint8")


def draw_png(
    path: str | Path, image: np.ndarray, attention: AttentionMap, title: str | None = None
) -> None:
    """Draws an image and beside it, per word, the image again under the word's attention.

    Every word has its own scale, see `scale`. Its largest weight is printed beside it, and that
    cell framed.

    Args:
        path: the PNG file to write.
        image: uint8 `(height, width, 3)`, of any size; the maps cover all of it.
        attention: maps with the axes word, row, column.
        title: text above, such as the file name and a reference caption.
    """
    columns, rows = _layout(len(attention.words))
    panel = (_PANEL, round(_PANEL * min(1.6, max(0.6, image.shape[0] / image.shape[1]))))
    head = textwrap.wrap(title or "", 21 * columns, max_lines=3)
    foot = textwrap.wrap(_explain(attention), 27 * columns)
    top = _GAP + _LINE * len(head)
    width = columns * (_PANEL + _GAP) + _GAP
    height = top + rows * (_LABEL + panel[1]) + (rows - 1) * _GAP + _LINE * (len(foot) + 1)
    canvas = np.full((height, width, 3), 255, "uint8")

    def corner(row, column):
        x = _GAP + column * (_PANEL + _GAP)
        return x, top + row * (_LABEL + panel[1] + _GAP) + _LABEL

    def paste(pixels, x, y):
        canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels

    texts, frames = [], []
    for number, line in enumerate(head):
        texts.append((_GAP, _GAP + _LINE * (number + 0.75), line, 11, {}))
    for number, line in enumerate(reversed(foot)):
        texts.append((_GAP, height - _LINE * (number + 0.6), line, 8.5, {"color": SOFT}))
    large = 2 * _PANEL + _GAP
    paste(_resize(image, large, large * panel[1] // _PANEL), *corner(0, 0))
    thumbnail = _resize(image, *panel)
    cells = [(r, c) for r in range(rows) for c in range(columns) if r > 1 or c > 1]
    for word, weights, peak, cell in zip(
        attention.words, attention.weights, attention.peaks, cells, strict=False
    ):
        x, y = corner(*cell)
        paste(overlay(thumbnail, weights), x, y)
        label, size = _fit(word)
        texts.append((x, y - 7, label, size, {"weight": "bold"}))
        share = f"{weights.max():.0%}" if weights.any() else "none"
        style = {"ha": "right", "color": SOFT}
        texts.append((x + _PANEL, y - 7, share, 8.5, style))
        if weights.any():
            step = np.array(panel) / weights.shape[::-1]
            frames.append(((x, y) + peak[::-1] * step, step))
    _render(path, canvas, texts, frames)


def _layout(words: int) -> tuple[int, int]:
    """The columns and rows of panels, four of them for the image itself."""
    if words <= 6:
        return 2 + max(1, -(-words // 2)), 2
    panels = words + 4
    columns = min(8, max(5, round((1.6 * panels) ** 0.5)))
    sizes = [(count, -(-panels // count)) for count in (columns, columns + 1)]
    return min(sizes, key=lambda size: size[0] * size[1])


def _explain(attention: AttentionMap) -> str:
    what = attention.axes[0]
    if not attention.words:
        return f"No {what}s."
    even = 1 / attention.weights[0].size
    return (
        f"Colour scale: 0 to the {what}'s maximum (framed, its share on the right; at least 4x "
        f"the uniform {even:.1%})."
    )


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _fit(word: str) -> tuple[str, float]:
    """Shrinks, then cuts, a word to the width of a panel; returns it with its size in points."""
    word = " ".join(word.split())
    room = _PANEL * 0.8
    size = 11.0
    while _width(word) * size * _DPI / 72 > room and size > 8:
        size -= 0.5
    while _width(word) * size * _DPI / 72 > room:
        word = word.rstrip("…")[:-1] + "…"
    return word, size


def _width(text: str) -> float:
    """About how wide bold text is, in units of its size."""
    return sum(1.05 if unicodedata.east_asian_width(char) in "FW" else 0.68 for char in text)


def _render(path, canvas, texts, frames) -> None:
    """Writes the canvas with texts and frames on it; all positions are in its pixels."""
    with figures.quiet():
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        family = figures.fonts()
        height, width = canvas.shape[:2]
        figure = Figure(dpi=_DPI)
        # Half a pixel more, since matplotlib rounds down.
        figure.set_size_inches((width + 0.5) / _DPI, (height + 0.5) / _DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.imshow(canvas, extent=(0, width, height, 0), interpolation="nearest")
        for x, y, text, size, style in texts:
            style = {"color": INK, "family": family, **style}
            axes.text(x, y, text, size=size, parse_math=False, **style)
        for corner, (wide, high) in frames:
            style = {"fill": False, "edgecolor": "white", "linewidth": 0.8, "alpha": 0.9}
            axes.add_patch(Rectangle(corner, wide, high, **style))
        figures.save(figure, path)
