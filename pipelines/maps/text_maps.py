"""Texts whose words are shaded by attention, as pictures and as one page."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np

from pipelines.maps import figures
from pipelines.maps.attention_maps import AttentionMap, save_npz
from pipelines.maps.colors import scale

_TEMPLATE = Path(__file__).with_name("text_map_page.html")
_ACCENT = np.array((0.70, 0.19, 0.17))
_INK, _SOFT = "#1d1d1f", "#6b6b70"
_DPI, _WIDTH, _LINE, _SPACE, _MARGIN = 120, 8.0, 0.32, 0.07, 0.15  # inches
_MOST_LINES = 30


@dataclass(frozen=True, eq=False)
class TextMap:
    """A text, and how much attention each of its words got.

    Attributes:
        words: Of the text, in order.
        weights: `(W,)`, which sum to one, or to zero.
        title: What the text was called.
        reference: What it should have been, possibly empty.
    """

    words: tuple[str, ...]
    weights: np.ndarray
    title: str
    reference: str = ""

    @property
    def heats(self) -> np.ndarray:
        """`(W,)`, from 0 to 1: the weights on the scale that they are shown in."""
        if not self.weights.size:
            return self.weights
        return np.clip(self.weights / scale(self.weights), 0, 1)


def write(
    folder: str | Path,
    maps: Sequence[TextMap],
    scores: Mapping[str, float] | None = None,
    pictures: int = 8,
) -> Path:
    """Writes maps into a folder: one page, the first as pictures, and all as arrays.

    Args:
        folder: Made if it does not exist.
        maps: What to show.
        scores: Metrics of the model, shown on the page.
        pictures: How many PNG files to draw at most, "01.png" and so on.

    Returns:
        The path of the page, `index.html`. Beside it, `maps.npz` holds a map of the axes text and
        word for each, which `attention_maps.load_npz` reads.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for number, one in enumerate(maps, 1):
        name = f"{number:02d}"
        if number <= pictures:
            draw_png(folder / f"{name}.png", one)
        arrays[name] = AttentionMap((one.title,), one.weights[None], ("text", "word"))
    save_npz(folder / "maps.npz", arrays)
    write_html(folder / "index.html", maps, scores=scores)
    return folder / "index.html"


def write_html(
    path: str | Path,
    maps: Iterable[TextMap],
    title: str = "What decided",
    scores: Mapping[str, float] | None = None,
) -> None:
    """Writes one self-contained page, which needs no script and no network; text is escaped.

    Args:
        path: The HTML file to write.
        maps: What to show, in order.
        title: The heading.
        scores: Metrics of the model, shown below it.
    """
    tiles = "".join(
        f"<div><dt>{html.escape(name.replace('_', ' '))}</dt><dd>{value:.3g}</dd></div>"
        for name, value in (scores or {}).items()
    )
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        scores=f"<dl>{tiles}</dl>" if tiles else "",
        articles="\n".join(map(_article, maps)),
    )
    Path(path).write_text(page, encoding="utf-8")


def _article(one: TextMap) -> str:
    words = " ".join(
        f'<span{" class=hot" if heat > 0.75 else ""} style="--heat:{100 * heat:.0f}%" '
        f'title="{weight:.1%}">{html.escape(word)}</span>'
        for word, weight, heat in zip(one.words, one.weights, one.heats, strict=True)
    )
    wanted = ""
    if one.reference:
        wanted = f" <span>(reference: {html.escape(one.reference)})</span>"
    return (
        f'<article>\n<h2 dir="auto">{html.escape(one.title)}{wanted}</h2>\n'
        f'<p class="text" dir="auto">{words}</p>\n</article>'
    )


def draw_png(path: str | Path, one: TextMap) -> None:
    """Draws a text, line by line, its words on grounds as dark as their attention.

    Args:
        path: The PNG file to write.
        one: The map; of a long text its first lines.
    """
    with figures.quiet():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        families = figures.fonts()
        figure = Figure((_WIDTH, 1), dpi=_DPI, facecolor="white")
        renderer = FigureCanvasAgg(figure).get_renderer()

        def width_of(word):
            shown = figure.text(0, 0, word, size=11, family=families, parse_math=False)
            width = shown.get_window_extent(renderer).width / _DPI
            shown.remove()
            return width

        places, x, line = [], _MARGIN, 0
        for word in map(_cut, one.words):
            width = width_of(word)
            if x + width > _WIDTH - _MARGIN and x > _MARGIN:
                x, line = _MARGIN, line + 1
            if line == _MOST_LINES:
                break
            places.append((word, x, line, width))
            x += width + _SPACE
        lines = places[-1][2] + 1 if places else 1
        height = (lines + 1.6) * _LINE
        figure.set_size_inches(_WIDTH, height)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        style = {"family": families, "parse_math": False, "va": "center_baseline"}
        title = f"{one.title}   (reference: {one.reference})" if one.reference else one.title
        axes.text(_MARGIN, 0.75 * _LINE, title, size=9, color=_SOFT, **style)
        for (word, x, line, width), heat in zip(places, one.heats, strict=False):
            top = (line + 1.35) * _LINE
            ground = 1 - heat * (1 - _ACCENT)
            axes.add_patch(
                Rectangle(
                    (x - _SPACE / 2, top - 0.44 * _LINE),
                    width + _SPACE,
                    0.88 * _LINE,
                    facecolor=ground,
                    linewidth=0,
                )
            )
            color = "white" if heat > 0.75 else _INK
            axes.text(x, top, word, size=11, color=color, **style)
        figure.savefig(path, format="png")


def _cut(word, longest=40):
    return word if len(word) <= longest else word[: longest - 1] + "…"
