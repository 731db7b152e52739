"""The colours of attention, and their scale."""

import numpy as np

# Perceptually even, from dark to light: nine samples of matplotlib's "inferno".
COLORS = np.array(
    [
        (0, 0, 4),
        (33, 12, 74),
        (87, 16, 110),
        (138, 34, 106),
        (188, 55, 84),
        (228, 90, 49),
        (249, 142, 9),
        (249, 203, 53),
        (252, 255, 164),
    ],
    "uint8",
)


INK, SOFT, LINE = "#1d1d1f", "#6b6b70", "#e3e3e0"  # Text, text beside it, and what divides.
WRONG = "#b3312c"
NO_ATTENTION = 160  # the grey level laid over an image for a word without weights


def shade(heat: np.ndarray) -> np.ndarray:
    """The colours of values from 0 to 1, between those of `COLORS`: `(…)` to `(…, 3)`, 0 to 255."""
    stops = np.linspace(0, 1, len(COLORS))
    return np.stack([np.interp(heat, stops, channel) for channel in COLORS.T], axis=-1)


def scale(weights: np.ndarray) -> float:
    """The weight drawn lightest: a word's largest, but at least four times an even spread.

    The second keeps a word that looked everywhere alike from glowing as if it had looked hard.
    """
    return max(float(weights.max()), 4 / weights.size)
