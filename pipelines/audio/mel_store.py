"""Log-mel spectrograms of many recordings, computed once and kept on disk."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.audio import audio_files, survey
from pipelines.audio.log_mel import NUMBER_OF_BINS, log_mel
from pipelines.audio.recordings import report_unreadable
from pipelines.audio.survey import Remark
from pipelines.commands.disk.files import cache_root
from pipelines.commands.errors import MachineError, UserError
from pipelines.data import buckets
from pipelines.data.caches.file_keys import file_keys
from pipelines.data.caches.row_cache import RowCache, digest, gather

VERSION = "2"  # to be raised with every change of what is computed

_DTYPE = np.dtype("float16")
_FRAME_BYTES = NUMBER_OF_BINS * _DTYPE.itemsize
_AT_ONCE = 64  # recordings that a killed run may have to compute again


class MelStore(Sequence):
    """Log-mel spectrograms of recordings at each speed, `log_mel.log_mel`'s numbers in float16.

    What is missing is computed on all cores when the store is opened. What cannot be read is left
    out, and one line tells how many. A recording at speed 1.1 is resampled to a tenth fewer
    samples, so that its pitch rises too (Ko et al., 2015).

    The spectrograms follow one another in one file that only ever grows; where each lies, and what
    tells it from any other, is a row of a `RowCache`, written after the spectrogram is on the disk.

    Args:
        files: The audio files.
        speeds: Factors of the speed.
        cache_dir: The cache folder; by default `cache_root()`.

    Attributes:
        kept: `(N,)`, the places in `files` of those that can be read.
        speeds: The speeds, `len(speeds)` entries of the store for each file: that of file
            `kept[n]` at speed `speeds[s]` is entry `n * len(speeds) + s`.
        frames: Frames of each entry, `(N * len(speeds),)`, int64.

    Raises:
        UserError: No file can be read, or the disk is full or may not be written to.

    References:
        - [Ko et al., 2015](https://www.danielpovey.com/files/2015_interspeech_augmentation.pdf)
    """

    def __init__(
        self,
        files: Sequence[str | Path],
        speeds: Sequence[float] = (1.0,),
        cache_dir: str | Path | None = None,
    ):
        self.speeds = tuple(speeds)
        path = Path(cache_dir or cache_root()) / "log_mel" / VERSION / "frames"
        entries = [(file, speed) for file in files for speed in self.speeds]
        names = file_keys(files, cache_dir)
        keys = [name and f"{name}|{speed!r}" for name in names for speed in self.speeds]

        def compute(positions: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
            for done, places in _append(path, [entries[i] for i in positions]):
                yield [positions[i] for i in done], places

        def is_whole(place: np.ndarray) -> bool:
            start, length, expected, _ = map(int, place)
            with contextlib.suppress(OSError), open(path, "rb") as file:
                file.seek(start * _FRAME_BYTES)
                return _digest(file.read(length * _FRAME_BYTES)) == expected
            return False

        # The start of each, its length, its digest, and what was odd about its file.
        index = RowCache(path.parent, (4,), "int64", is_whole)
        places, rows = index.rows(keys, compute, "computing spectrograms")
        rows = rows.reshape(len(files), len(self.speeds))
        readable = (rows >= 0).all(axis=1)
        report_unreadable([files[i] for i in np.flatnonzero(~readable)], len(files))
        self.kept = np.flatnonzero(readable)
        self._starts, self.frames, _, remarks = gather(places, rows[readable].ravel()).T
        odd = remarks.reshape(-1, len(self.speeds))[:, 0]
        named = zip((files[i] for i in self.kept), map(Remark, odd.tolist()), strict=True)
        survey.report({file: remark for file, remark in named if remark}, len(files))
        self._data = _open(path, int((self._starts + self.frames).max()))

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, entry: int) -> np.ndarray:
        """Returns one spectrogram, `(F, 80)`, float32."""
        start = self._starts[entry]
        return self._data[start : start + self.frames[entry]].astype("float32")


def spectrograms(entries) -> Iterator[tuple[int, np.ndarray, Remark]]:
    """Computes spectrograms on all cores.

    Args:
        entries: Pairs of a file and a speed.

    Yields:
        Position, spectrogram `(F, 80)`, float16, and remark of each that can be read.
    """
    remarks: dict[str | Path, Remark] = {}

    def read(position) -> np.ndarray:
        file, speed = entries[position]
        try:
            return audio_files.read(file, audio_files.RATE / speed, remarks)
        except MachineError as error:
            refused.append(error)  # TensorFlow would make an error of its own of it.
        except UserError:
            pass
        return np.zeros(0, "float32")

    def samples(position):
        found = tf.numpy_function(read, [position], tf.float32, stateful=False)
        return position, tf.ensure_shape(found, [None])

    def features(position, samples):
        return position, tf.cast(log_mel(samples), _DTYPE)

    refused: list[MachineError] = []
    cores = os.cpu_count()
    dataset = tf.data.Dataset.range(len(entries)).map(samples, num_parallel_calls=cores)
    dataset = dataset.filter(lambda _, samples: tf.size(samples) > 0)
    dataset = dataset.map(features, num_parallel_calls=cores)
    for position, features in buckets.finish(dataset).as_numpy_iterator():
        if refused:
            break
        yield position, features, remarks.get(entries[position][0], Remark(0))
    if refused:
        raise refused[0]


def _append(path: Path, entries) -> Iterator[tuple[list[int], np.ndarray]]:
    """Adds spectrograms at the end of the file; yields positions, and the rows of their index."""
    with open(path, "ab") as file:
        # A killed run may leave a part of a frame, and spectrograms that no row points to.
        start = file.tell() // _FRAME_BYTES
        file.truncate(start * _FRAME_BYTES)
        done, places = [], []
        for position, features, remark in spectrograms(entries):
            file.write(features)
            done.append(position)
            places.append((start, len(features), _digest(features), int(remark)))
            start += len(features)
            if len(done) == _AT_ONCE:
                _sync(file)
                yield done, np.array(places)
                done, places = [], []
        if done:
            _sync(file)
            yield done, np.array(places)


def _digest(features: np.ndarray | bytes) -> int:
    """What tells a spectrogram from any other, as a number of 63 bits."""
    return int.from_bytes(digest(np.ascontiguousarray(features))[:8]) >> 1


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open(path: Path, length: int) -> np.ndarray:
    """A memory map `(length, 80)` of the file."""
    return np.memmap(path, _DTYPE, mode="r", shape=(length, NUMBER_OF_BINS))
