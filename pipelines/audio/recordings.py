"""The samples of many audio files, read when they are asked for."""

import functools
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipelines.audio import audio_files
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console, progress_bar

KEPT = 2 * 3600 * audio_files.RATE  # Two hours: 460 MB.


class Recordings(Sequence):
    """Audio, each file read when it is first asked for, and kept as far as memory allows.

    Args:
        sources: Paths of audio files, or arrays `(n,)` of float samples, `audio_files.RATE` a
            second.
        kept: Most samples of files to keep. What goes beyond is read again when it is asked for
            again, unless it was the last.

    Raises:
        ValueError: An array has not one axis, is empty or holds no floats.
    """

    def __init__(self, sources: Iterable[str | Path | np.ndarray], kept: int = KEPT):
        self.sources = [each if isinstance(each, str | Path) else _floats(each) for each in sources]
        self._room = kept
        self._found: dict[str | Path, np.ndarray] = {}
        self._read = functools.lru_cache(1)(audio_files.read)

    def __len__(self):
        return len(self.sources)

    def __getitem__(self, place: int) -> np.ndarray:
        """Returns samples `(n,)`, float32; raises a `UserError` for what cannot be read."""
        source = self.sources[place]
        if isinstance(source, np.ndarray):
            return source
        if source not in self._found:
            samples = self._read(source)
            if len(samples) > self._room:
                return samples
            self._room -= len(samples)
            self._found[source] = samples
        return self._found[source]

    def scan(self) -> list[int | UserError]:
        """Reads all, on all cores: for each its number of samples, or why it cannot be read."""

        def count(place):
            try:
                return len(self[place])
            except UserError as error:
                return error

        progress = progress_bar()
        progress.disable = not console.is_terminal or len(self) < 2
        with progress, ThreadPoolExecutor(os.cpu_count()) as pool:
            counts = pool.map(count, range(len(self)))
            return list(progress.track(counts, total=len(self), description="reading audio"))

    def select(self, places: Iterable[int]) -> "Recordings":
        """Some of these, with what was read of them."""
        chosen = Recordings([self.sources[place] for place in places], self._room)
        chosen._found = self._found
        return chosen


def report_unreadable(unreadable: Sequence, count: int) -> None:
    """Tells how many of some audio files are left out, as they cannot be read.

    Args:
        unreadable: Those that cannot.
        count: How many there are in all.

    Raises:
        UserError: None can be read.
    """
    first = f", the first is {unreadable[0]}" if len(unreadable) else ""
    if len(unreadable) == count:
        raise UserError(f"none of the {count} audio files can be read{first}")
    if len(unreadable):
        console.print(f"{len(unreadable)} of {count} audio files cannot be read: skipped{first}")


def _floats(samples) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 1 or not samples.size or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"Expected float samples `(n,)`, {audio_files.RATE} a second. Received: "
            f"shape {samples.shape}, dtype {samples.dtype}."
        )
    return samples.astype("float32", copy=False)
