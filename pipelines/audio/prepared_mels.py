"""Log-mel spectrograms and ids of transcripts that were prepared once, read when asked for."""

import copy
from collections.abc import Sequence

import numpy as np

from pipelines.data.prepared.rows import PreparedRows


class PreparedMels(Sequence):
    """Spectrograms of the utterances of a prepared split, as a `MelStore` has them.

    Each row has a record for each speed, then one with the ids of its transcript.

    Args:
        rows: The rows of the split.
        speeds: The speeds at which they were prepared.

    Attributes:
        speeds: The same.
        frames: Frames of each entry, `(N * len(speeds),)`.
    """

    def __init__(self, rows: PreparedRows, speeds: Sequence[float]):
        self.speeds = tuple(speeds)
        self._records = (rows.starts[:, None] + np.arange(len(self.speeds))).ravel()
        self._mels, self.frames = rows.array("mel"), rows.column("mel")[self._records]

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, entry: int) -> np.ndarray:
        """Returns one spectrogram, `(F, 80)`, float32."""
        return self._mels[self._records[entry]].astype("float32")


class PreparedIds(Sequence):
    """The ids of the transcripts of a prepared split.

    Args:
        rows: The rows of the split.
        speeds: At how many speeds they were prepared.

    Attributes:
        lengths: Ids of each, `(N,)`; 0 of what is left out.
        repeats: How often an id follows itself between start and end, `(N,)`.
    """

    def __init__(self, rows: PreparedRows, speeds: int):
        self._records, self._ids = rows.starts + speeds, rows.array("tokens")
        self.lengths = rows.column("tokens")[self._records]
        self.repeats = rows.column("repeats")[self._records]

    def __len__(self):
        return len(self._records)

    def __getitem__(self, place: int) -> np.ndarray | None:
        return self._ids[self._records[place]] if self.lengths[place] else None

    def only(self, kept: np.ndarray) -> "PreparedIds":
        """The same with those left out that are not kept, `(N,)`."""
        chosen = copy.copy(self)
        chosen.lengths = np.where(kept, self.lengths, 0)
        return chosen
