"""What all pictures made with matplotlib share: fonts for every script, and a quiet matplotlib."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands.disk.files import replacing
from pipelines.commands.terminal import printable

# Tried in this order for the glyphs of other scripts, as far as they are installed.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)


def fonts() -> list[str]:
    """The font families to write names and words in, as far as they are installed."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [font for font in _FONTS if font in installed]


def cut(text: str, most: int) -> str:
    """A text on one line, in at most so many characters, with "…" in place of the rest."""
    text = printable(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def save(figure, path: str | Path) -> None:
    """Writes a figure as a PNG file, in the size in pixels that it was made for."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    agg = FigureCanvasAgg(figure)
    agg.draw()
    with replacing(path) as temporary:
        Image.fromarray(np.asarray(agg.buffer_rgba())[..., :3]).save(temporary, format="PNG")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps matplotlib from reporting missing glyphs, fonts and caches on the terminal."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*[Gg]lyph")
            yield
    finally:
        logger.setLevel(level)
