"""Long audio in segments that a model can take at once."""

import numpy as np

SHARE = 0.5  # Of a piece, at its end, where the next cut is looked for.
SMOOTHING = 20  # Frames around a place whose mean loudness is its own.
STEP = 4  # Pieces begin at multiples of it, as the positions of a memory do.


def cut(log_mel, longest):
    """Cuts a spectrogram where it is quietest, into pieces of at most `longest` frames.

    Args:
        log_mel: `(F, M)`, logarithms of powers.
        longest: Frames.

    Returns:
        A list of `(start, stop)` in frames, without gaps.
    """
    loudness = np.asarray(log_mel, "float32").mean(-1)
    loudness = np.pad(loudness, (SMOOTHING // 2, SMOOTHING // 2), mode="edge")
    loudness = np.convolve(loudness, np.full(SMOOTHING + 1, 1 / (SMOOTHING + 1)), "valid")
    pieces, start = [], 0
    while len(loudness) - start > longest:
        first = start + max(int(longest * (1 - SHARE)), 1)
        stop = first + int(np.argmin(loudness[first : start + longest + 1]))
        stop = max(stop - stop % STEP, start + STEP)
        pieces.append((start, stop))
        start = stop
    return [*pieces, (start, len(loudness))]
