"""How the channels of audio become one, and what is odd about its samples."""

import enum
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_SILENT = 1e-6  # of the power of the loudest channel
_CANCELLED = 0.1  # of the power that the mean of independent channels has, at least
_FULL = 0.97  # amplitude at which recorders clip; mu-law has none above 0.98
_CLIPPED = 0.002  # share of samples
_OFFSET = 0.02, 0.1  # amplitude, and share of the deviation
_LOW_RATE = 8_000


class Remark(enum.IntFlag):
    """What is odd about audio that can be read nevertheless."""

    CANCELLED = enum.auto()
    CLIPPED = enum.auto()
    OFFSET = enum.auto()
    LOW_RATE = enum.auto()


_TEXTS = {
    Remark.CANCELLED: "channels that cancel each other out, of which the loudest is used",
    Remark.CLIPPED: "clipping",
    Remark.OFFSET: "a DC offset",
    Remark.LOW_RATE: f"a sampling rate below {_LOW_RATE:,} Hz",
}


class Survey:
    """Gathers what is to be known of all samples of a file, block by block.

    Args:
        channels: C.
    """

    def __init__(self, channels: int):
        self._frames = 0
        self._sums = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._clipped = np.zeros(channels, "int64")

    def add(self, block: np.ndarray) -> None:
        """Looks at samples `(n, C)`."""
        wide = block.astype("float64")
        self._frames += len(block)
        self._sums += wide.sum(0)
        # Not by `@`, whose threads would get into each other's way.
        self._products += np.einsum("nc,nd->cd", wide, wide)
        # Where a wave is cut off, samples at the limit follow one another.
        self._clipped += ((np.abs(block[1:]) >= _FULL) & (block[1:] == block[:-1])).sum(0)

    @property
    def finite(self) -> bool:
        """Whether all samples are finite numbers."""
        return bool(np.isfinite(self._products).all())

    def weights(self) -> tuple[np.ndarray, Remark]:
        """How much each channel counts, `(C,)`: as much as every other that is not silent.

        Channels in opposite phase would leave nothing: of these the loudest counts alone.
        """
        powers = self._products.diagonal()
        loud = powers > _SILENT * powers.max()
        if not loud.any():
            loud[:] = True
        weights = loud / loud.sum()
        if weights @ self._products @ weights < _CANCELLED * powers.max() / loud.sum():
            return np.eye(len(powers))[powers.argmax()], Remark.CANCELLED
        return weights, Remark(0)

    def remarks(self, weights: np.ndarray, rate: float) -> Remark:
        """What is odd about the samples, mixed with these weights, at this rate."""
        found = Remark(0)
        if self._clipped.max() >= _CLIPPED * self._frames:
            found |= Remark.CLIPPED
        mean = abs(weights @ self._sums) / self._frames
        deviation = np.sqrt(max(weights @ self._products @ weights / self._frames - mean**2, 0))
        if mean > max(_OFFSET[0], _OFFSET[1] * deviation) and self._frames >= rate / 10:
            found |= Remark.OFFSET
        if rate < _LOW_RATE:
            found |= Remark.LOW_RATE
        return found


def report(remarks: Mapping[str | Path, Remark], count: int) -> None:
    """Tells on standard error what is odd, each in one line.

    Args:
        remarks: Of each file about which there is something to tell.
        count: How many files there are in all.
    """
    for remark, text in _TEXTS.items():
        files = [file for file, found in remarks.items() if remark in found]
        if files:
            some = f"{len(files)} of {count} audio files have" if count > 1 else "the audio has"
            first = f", the first is {files[0]}" if count > 1 else f": {files[0]}"
            print(f"{some} {text}{first}", file=sys.stderr)
