"""The samples of many audio files, read when they are asked for."""

import functools
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipelines.audio import audio_files, survey
from pipelines.commands.errors import MachineError, UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import progress_bar
from pipelines.data.rows import Mapped

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
        if not isinstance(sources, Mapped):  # Names that lie on disk stay there.
            sources = [each if isinstance(each, str | Path) else _floats(each) for each in sources]
        self.sources = sources
        self._room = kept
        self._found: dict[str | Path, np.ndarray] = {}
        self._remarks: dict[str | Path, survey.Remark] = {}
        self._read = functools.lru_cache(1)(self._decode)

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
        """Reads all, on all cores: for each its number of samples, or why it cannot be read.

        Tells on standard error what is odd about those that can, such as clipping.
        """

        def count(place):
            try:
                return len(self[place])
            except MachineError:
                raise
            except UserError as error:
                return error

        with progress_bar(steps=len(self)) as progress, ThreadPoolExecutor(os.cpu_count()) as pool:
            counts = pool.map(count, range(len(self)))
            found = list(progress.track(counts, total=len(self), description="reading audio"))
        survey.report(self._remarks, len(self))
        return found

    def _decode(self, source):
        return audio_files.read(source, remarks=self._remarks)

    def select(self, places: Iterable[int]) -> "Recordings":
        """Some of these, with what was read of them."""
        chosen = Recordings([self.sources[place] for place in places], self._room)
        chosen._found = self._found
        return chosen


def report_unreadable(unreadable: Sequence[str | Path], count: int) -> None:
    """Leaves out the audio files that cannot be read, and tells why.

    Args:
        unreadable: Those that cannot.
        count: How many there are in all.

    Raises:
        UserError: None can be read, or too few; see `left_out.Tally`.
    """
    if not count:
        raise UserError("there is no audio file to read")
    tally = Tally("audio files")
    for path in unreadable:
        tally.add(why_unreadable(path), path)
    tally.close(count - len(unreadable))


def why_unreadable(path: str | Path) -> str:
    """Returns why a file cannot be read as audio."""
    try:
        audio_files.read(path)
    except UserError as error:
        return str(error).rpartition(" as audio: ")[2]
    return "could not be read before"


def _floats(samples) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 1 or not samples.size or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"Expected float samples `(n,)`, {audio_files.RATE} a second. Received: "
            f"shape {samples.shape}, dtype {samples.dtype}."
        )
    return samples.astype("float32", copy=False)
