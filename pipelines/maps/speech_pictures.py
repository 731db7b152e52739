"""What was heard in an utterance as one picture: sound, attention and CTC over the same time."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import replacing
from pipelines.maps import figures
from pipelines.maps.colors import COLORS, INK, LINE, SOFT, WRONG

MOST = 30.0  # seconds in a picture
CERTAIN = 0.1  # Outputs of CTC that are this probable somewhere are drawn.
_NAMED = 0.5  # A peak this high has its name above it.
_DPI = 120
_PER_SECOND, _NARROWEST, _WIDEST = 1.8, 5.0, 24.0  # inches
_LANE, _ROW, _GAP, _APART = 0.2, 0.18, 0.22, 0.06
_SPECTROGRAM, _ATTENTION, _CTC = 1.5, 8.0, 1.1  # heights, that of the attention at most
_LONGEST = 24  # characters of a word
# Okabe and Ito's, told apart with every kind of colour vision; no yellow, which is faint on white.
_UNITS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_BLANK = "#a5a5aa"


def draw_png(path: str | Path, shown) -> None:
    """Draws panels over one axis of time: spectrogram, attention and CTC, as far as there are any.

    Over the spectrogram stand the words, each above its span, those that differ from the reference
    in red; beside the attention the tokens, whose rows are framed where their word was heard; and
    over the probabilities of CTC the outputs that they are of. Of a longer sound, the first `MOST`
    seconds are drawn.

    Args:
        path: the PNG file to write.
        shown: the `speech_maps.SpeechMap` to draw.
    """
    with figures.quiet(), replacing(path) as temporary:
        draw(shown).savefig(temporary, format="png", bbox_inches="tight", pad_inches=0.18)


def draw(shown):
    """The matplotlib figure that `draw_png` writes."""
    seconds = min(shown.seconds, MOST)
    sheet = _Sheet(seconds)
    sheet.write_lines(shown.name, size=10, weight="bold")
    _draw_sound(sheet, shown)
    attends = shown.weights is not None and shown.weights.size
    spells = shown.posteriors is not None and shown.posteriors.size
    if attends:
        _draw_attention(sheet, shown)
    if spells:
        _draw_ctc(sheet, shown)
    sheet.label_time()
    notes = [] if shown.words else ["No words."]
    if shown.seconds > seconds:
        notes.append(f"The first {seconds:.0f} of {shown.seconds:.0f} seconds.")
    if attends:
        share = f"{shown.weights.max():.0%}"
        notes.append(f"Attention: 0 to {share} of a token's; frames: the time of its word.")
    if spells:
        notes.append(f"CTC: grey is the {shown.outputs[-1]}.")
    sheet.write_lines(f"Reference: {shown.reference}" if shown.reference else "", size=8.5)
    sheet.write_lines(" ".join(notes), size=7.5, color=SOFT)
    return sheet.finish()


def stagger(
    centres: Sequence[float], widths: Sequence[float], room: float
) -> tuple[list[float], list[int]]:
    """Places labels so that none overlaps another.

    Args:
        centres: where each label belongs, in increasing order.
        widths: of the labels, in the same unit.
        room: labels stay between 0 and this, if they are not wider.

    Returns:
        For each label its left edge, and its lane: the lowest in which it fits.
    """
    lefts, lanes, ends = [], [], []
    for centre, width in zip(centres, widths, strict=True):
        left = max(0.0, min(centre - width / 2, room - width))
        lane = next((i for i, end in enumerate(ends) if end <= left), len(ends))
        ends[lane : lane + 1] = [left + width]
        lefts.append(left)
        lanes.append(lane)
    return lefts, lanes


def ticks(seconds: float) -> np.ndarray:
    """The times, in seconds, that are written at an axis of so many."""
    step = next((step for step in (0.1, 0.2, 0.5) if seconds <= 10 * step), 1)
    return np.arange(0, seconds + 1e-6, step)


class _Sheet:
    """A figure that grows downwards; all measures are in inches."""

    def __init__(self, seconds):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.seconds = seconds
        self.width = float(np.clip(_PER_SECOND * seconds, _NARROWEST, _WIDEST))
        self.inches = self.width / seconds
        self.figure = Figure((self.width, 1), dpi=_DPI, facecolor="white")
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()
        self._style = {"family": figures.fonts(), "parse_math": False}
        self._top = 0.0
        self._panels, self._lines = [], []

    def write_lines(self, text, size, **style):
        """Writes a text in as many lines as it takes."""
        style = {**self._style, "color": INK, "va": "top", "size": size, **style}
        for line in textwrap.wrap(text, int(115 * self.width / size), max_lines=8):
            self._lines.append((self._top, self.figure.text(0, 0, line, **style)))
            self._top += 0.021 * size

    def panel(self, height):
        """Axes of so much height below what there is, as wide as the time."""
        axes = self.figure.add_axes((0, 0, 1, 1), label=str(len(self._panels)))
        axes.spines[:].set_visible(height > 0)
        axes.spines[:].set_color(LINE)
        axes.tick_params(length=0, labelsize=7.5, labelcolor=SOFT)
        axes.set_xticks([])
        axes.set_xlim(0, self.seconds)
        self._panels.append((self._top, height, axes))
        self._top += height + _GAP
        return axes

    def write(self, axes, x, y, text, **style):
        return axes.text(x, y, text, **{**self._style, "color": INK, **style})

    def label(self, texts, centres, colors, size):
        """Writes labels above the panel that comes next, each over its time and led there."""
        axes = self.panel(0)
        artists = [
            self.write(axes, 0, 0, text, size=size, color=color, va="center_baseline")
            for text, color in zip(texts, colors, strict=True)
        ]
        widths = [
            artist.get_window_extent(self._renderer).width / _DPI + _APART for artist in artists
        ]
        lefts, lanes = stagger([self.inches * c for c in centres], widths, self.width)
        height = max(lanes, default=-1) + 1
        self._panels[-1] = (self._panels[-1][0], _LANE * height, axes)
        self._top += _LANE * height - _GAP + _APART
        axes.set_ylim(0, height or 1)
        axes.set_yticks([])
        for artist, left, lane, centre, color in zip(
            artists, lefts, lanes, centres, colors, strict=True
        ):
            artist.set_position(((left + _APART / 2) / self.inches, lane + 0.5))
            # White behind a name hides the lines that lead to higher ones.
            artist.set_bbox({"facecolor": "white", "linewidth": 0, "pad": 0.5})
            if lane:
                axes.plot([centre] * 2, [0, lane + 0.3], color=color, linewidth=0.5, alpha=0.5)

    def label_time(self):
        """Writes the seconds below the last panel."""
        axes = self._panels[-1][2]
        axes.set_xticks(ticks(self.seconds))
        axes.xaxis.set_major_formatter("{x:.3g} s")
        axes.tick_params(axis="x", length=2.5, color=SOFT)
        self._top += 0.12

    def finish(self):
        """Gives the figure its height, and everything its place."""
        self.figure.set_size_inches(self.width, self._top)
        for top, height, axes in self._panels:
            axes.set_position((0, 1 - (top + height) / self._top, 1, height / self._top))
        for top, line in self._lines:
            line.set_y(1 - top / self._top)
        return self.figure


def _draw_sound(sheet, shown):
    """The spectrogram, dark where it is loud, under the words and their spans."""
    words = [word for word in shown.words if word[1] < sheet.seconds]
    instead, _ = shown.differences
    colors = [INK if right is None else WRONG for right in instead[: len(words)]]
    spans = [(start, min(end, sheet.seconds)) for _, start, end in words]
    texts = [figures.cut(word, _LONGEST) for word, _, _ in words]
    sheet.label(texts, [sum(span) / 2 for span in spans], colors, size=9)
    axes = sheet.panel(_SPECTROGRAM)
    bins = shown.log_mel.shape[1]
    extent = (0, shown.seconds, 0, bins)
    axes.imshow(
        shown.loudness.T,
        cmap="gray_r",
        vmin=0,
        vmax=1,
        aspect="auto",
        origin="lower",
        extent=extent,
    )
    axes.set_xlim(0, sheet.seconds)
    axes.set_ylim(0, bins)
    axes.set_yticks([])
    axes.set_ylabel(f"{bins} mel bands", size=7.5, color=SOFT, labelpad=3)
    for (start, end), color in zip(spans, colors, strict=True):
        inset = min(0.015 / sheet.inches, (end - start) / 4)
        style = {"color": color, "linewidth": 2.5, "solid_capstyle": "butt", "clip_on": False}
        axes.plot([start + inset, end - inset], [1.03 * bins] * 2, **style)


def _draw_attention(sheet, shown):
    """Tokens by time, a frame around what lies in the time of its word."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    positions = int(np.ceil(sheet.seconds / shown.seconds_per_position - 1e-6))
    inside = shown.weights.argmax(-1) < positions
    count = int(np.flatnonzero(inside)[-1]) + 1 if inside.any() else len(inside)
    weights = shown.weights[:count, :positions]
    height = min(_ROW * count, _ATTENTION)
    axes = sheet.panel(height)
    extent = (0, weights.shape[1] * shown.seconds_per_position, count, 0)
    axes.imshow(
        weights,
        cmap=LinearSegmentedColormap.from_list("attention", COLORS / 255),
        vmin=0,
        vmax=shown.weights.max() or 1,
        aspect="auto",
        interpolation="nearest",
        extent=extent,
    )
    axes.set_xlim(0, sheet.seconds)
    axes.set_facecolor(COLORS[0] / 255)
    axes.set_yticks([])
    step = int(np.ceil(0.11 * count / height))
    for row in range(0, count, step):
        text = figures.cut(shown.tokens[row], _LONGEST)
        x = -0.05 / sheet.inches
        sheet.write(axes, x, row + 0.5, text, ha="right", va="center_baseline", size=8)
    rows = np.array(shown.token_words[:count])
    for number, (_, start, end) in enumerate(shown.words):
        places = np.flatnonzero(rows == number)
        if len(places):
            corner, high = (start, places[0]), places[-1] + 1 - places[0]
            style = {"fill": False, "edgecolor": "white", "linewidth": 0.6, "alpha": 0.65}
            axes.add_patch(Rectangle(corner, end - start, high, **style))


def _draw_ctc(sheet, shown):
    """The probabilities of the outputs that are probable somewhere, and of the blank."""
    positions = int(np.ceil(sheet.seconds / shown.seconds_per_position - 1e-6))
    posteriors = shown.posteriors[:positions]
    times = (np.arange(len(posteriors)) + 0.5) * shown.seconds_per_position
    heights = posteriors[:, :-1].max(0)
    units = np.flatnonzero(heights >= CERTAIN)
    units = units[np.argsort(posteriors[:, units].argmax(0), kind="stable")]
    colors = {unit: _UNITS[i % len(_UNITS)] for i, unit in enumerate(units)}
    named = sorted((place, unit) for unit in units for place in peaks(posteriors[:, unit]))
    sheet.label(
        [figures.cut(shown.outputs[unit], _LONGEST) for _, unit in named],
        [times[place] for place, _ in named],
        [colors[unit] for _, unit in named],
        size=8,
    )
    axes = sheet.panel(_CTC)
    axes.set_ylim(0, 1.04)
    axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel("CTC", size=7.5, color=SOFT, labelpad=3)
    axes.plot(times, posteriors[:, -1], color=_BLANK, linewidth=1, label=shown.outputs[-1])
    for unit in units:
        style = {"color": colors[unit], "label": shown.outputs[unit]}
        axes.plot(times, posteriors[:, unit], linewidth=1.3, **style)
        axes.fill_between(times, posteriors[:, unit], alpha=0.18, linewidth=0, color=colors[unit])


def peaks(probabilities: np.ndarray) -> list[int]:
    """Where an output of CTC is named: its highest position, and each other peak that is certain.

    Args:
        probabilities: `(S,)`.

    Returns:
        Increasing positions, one in each run of at least `CERTAIN`.
    """
    likely = np.concatenate([[False], probabilities >= CERTAIN, [False]])
    edges = np.flatnonzero(likely[1:] != likely[:-1]).reshape(-1, 2)
    places = [int(start + probabilities[start:stop].argmax()) for start, stop in edges]
    highest = probabilities.argmax()
    return [place for place in places if probabilities[place] >= _NAMED or place == highest]
