"""Log-mel spectrograms of many recordings, computed once and kept on disk."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.audio import audio_files
from pipelines.audio.log_mel import NUMBER_OF_BINS, log_mel
from pipelines.audio.recordings import report_unreadable
from pipelines.commands.errors import UserError
from pipelines.data import buckets
from pipelines.data.cache import RowCache, file_key, gather, root

VERSION = "1"  # to be raised with every change of what is computed

_DTYPE = np.dtype("float16")
_FRAME_BYTES = NUMBER_OF_BINS * _DTYPE.itemsize
_AT_ONCE = 64  # recordings that a killed run may have to compute again


class MelStore(Sequence):
    """Log-mel spectrograms of recordings at each speed, `log_mel.log_mel`'s numbers in float16.

    What is missing is computed on all cores when the store is opened. What cannot be read is left
    out, and one line tells how many. A recording at speed 1.1 is resampled to a tenth fewer
    samples, so that its pitch rises too (Ko et al., 2015).

    The spectrograms follow one another in one file that only ever grows; where each lies is a row
    of a `RowCache`, written after the spectrogram is on the disk.

    Args:
        files: The audio files.
        speeds: Factors of the speed.
        cache_dir: The cache folder; by default `cache.root()`.

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
        path = Path(cache_dir or root()) / "log_mel" / VERSION / "frames"
        entries = [(file, speed) for file in files for speed in self.speeds]
        keys = [(key := file_key(file)) and f"{key}|{speed!r}" for file, speed in entries]

        def compute(positions: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
            for done, places in _append(path, [entries[i] for i in positions]):
                yield [positions[i] for i in done], places

        index = RowCache(path.parent, (2,), "int64")
        places, rows = index.rows(keys, compute, "computing spectrograms")
        rows = rows.reshape(len(files), len(self.speeds))
        readable = (rows >= 0).all(axis=1)
        report_unreadable([files[i] for i in np.flatnonzero(~readable)], len(files))
        self.kept = np.flatnonzero(readable)
        self._starts, self.frames = gather(places, rows[readable].ravel()).T
        self._data = _open(path, int((self._starts + self.frames).max()))

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, entry: int) -> np.ndarray:
        """Returns one spectrogram, `(F, 80)`, float32."""
        start = self._starts[entry]
        return self._data[start : start + self.frames[entry]].astype("float32")


def _append(path: Path, entries) -> Iterator[tuple[list[int], np.ndarray]]:
    """Adds spectrograms at the end of the file; yields positions, and starts and lengths there."""
    with open(path, "ab") as file:
        # A killed run may leave a part of a frame, and spectrograms that no row points to.
        start = file.tell() // _FRAME_BYTES
        file.truncate(start * _FRAME_BYTES)
        done, places = [], []
        for position, features in _spectrograms(entries):
            file.write(features)
            done.append(position)
            places.append((start, len(features)))
            start += len(features)
            if len(done) == _AT_ONCE:
                _sync(file)
                yield done, np.array(places)
                done, places = [], []
        if done:
            _sync(file)
            yield done, np.array(places)


def _spectrograms(entries) -> Iterator[tuple[int, np.ndarray]]:
    """Position and spectrogram, float16, of each `(file, speed)` that can be read."""

    def read(position) -> np.ndarray:
        file, speed = entries[position]
        try:
            return audio_files.read(file, audio_files.RATE / speed)
        except UserError:
            return np.zeros(0, "float32")

    def samples(position):
        found = tf.numpy_function(read, [position], tf.float32, stateful=False)
        return position, tf.ensure_shape(found, [None])

    def features(position, samples):
        return position, tf.cast(log_mel(samples), _DTYPE)

    cores = os.cpu_count()
    dataset = tf.data.Dataset.range(len(entries)).map(samples, num_parallel_calls=cores)
    dataset = dataset.filter(lambda _, samples: tf.size(samples) > 0)
    dataset = dataset.map(features, num_parallel_calls=cores)
    return buckets.finish(dataset).as_numpy_iterator()


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open(path: Path, length: int) -> np.ndarray:
    """A memory map `(M, 80)` of the file, which must hold at least so many frames."""
    held = path.stat().st_size // _FRAME_BYTES if path.is_file() else 0
    if held < length:
        raise UserError(f"{path} was cut or removed: remove the folder {path.parent} too")
    return np.memmap(path, _DTYPE, mode="r", shape=(held, NUMBER_OF_BINS))
