"""Texts whose words are shaded by attention, as pictures and as one page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import replacing
from pipelines.commands.terminal import printable
from pipelines.maps import figures, page
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.colors import INK, SOFT, scale
from pipelines.maps.gallery import Drawable

_ACCENT = np.array((0.70, 0.19, 0.17))
_DPI, _WIDTH, _LINE, _SPACE, _MARGIN = 120, 8.0, 0.32, 0.07, 0.15  # inches
_MOST_LINES = 30
_LONGEST = 40  # characters of a word


@dataclass(frozen=True, eq=False)
class TextMap(Drawable):
    """A text, and how much attention each of its words got.

    Attributes:
        words: Of the text, in order.
        weights: `(W,)`, which sum to one, or to zero.
        title: What the text was classified as.
        reference: What it should have been, possibly empty.
    """

    words: tuple[str, ...]
    weights: np.ndarray
    title: str
    reference: str = ""

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes of the weights."""
        return ("word",)

    @property
    def heats(self) -> np.ndarray:
        """`(W,)`, from 0 to 1: the weights on the scale that they are shown in."""
        if not self.weights.size:
            return self.weights
        return np.clip(self.weights / scale(self.weights), 0, 1)

    def draw(self, path: str | Path) -> None:
        """Draws the text, its words on grounds as dark as their attention."""
        draw_png(path, self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of a map of the axes text and word, whose one text is called by the title."""
        return AttentionMap((self.title,), self.weights[None], ("text", "word")).arrays()

    @staticmethod
    def write_page(
        path: str | Path,
        maps: Iterable["TextMap"],
        title: str | None = None,
        scores: Mapping[str, float] | None = None,
    ) -> None:
        """Writes one self-contained page, which needs no script and no network; text is escaped.

        Args:
            path: The HTML file to write.
            maps: What to show, in order.
            title: The heading, by default "What the classifier attended to".
            scores: Metrics of the model, shown below it.
        """
        heading = title or "What the classifier attended to"
        page.write(path, "text_page.html", heading, map(_article, maps), scores)


def _article(one: TextMap) -> str:
    words = " ".join(
        f'<span{" class=hot" if heat > 0.75 else ""} style="--heat:{100 * heat:.0f}%" '
        f'title="{weight:.1%}">{page.escape(word)}</span>'
        for word, weight, heat in zip(one.words, one.weights, one.heats, strict=True)
    )
    wanted = ""
    if one.reference:
        wanted = f" <span>(reference: {page.escape(one.reference)})</span>"
    return (
        f'<article>\n<h2 dir="auto">{page.escape(one.title)}{wanted}</h2>\n'
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
        for word in (figures.cut(word, _LONGEST) for word in one.words):
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
        title = printable(title)
        axes.text(_MARGIN, 0.75 * _LINE, title, size=9, color=SOFT, **style)
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
            color = "white" if heat > 0.75 else INK
            axes.text(x, top, word, size=11, color=color, **style)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")
