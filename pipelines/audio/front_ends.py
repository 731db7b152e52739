"""What stands between audio and a recognizer: log-mels of ours, or those of a Whisper.

Both front ends have the same names:

- `read` turns samples into the array that the recognizer is given: the samples themselves if the
  front end `takes_samples`, else features.
- `pieces` tells where to cut an array that is too long, `inputs` makes a batch of what is cut.
- `steps` of an array make one position of the model's memory, which takes `seconds`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.audio import segments, whisper
from pipelines.audio.audio_files import RATE
from pipelines.audio.log_mel import FRAME_SECONDS, HOP, log_mel
from pipelines.data.buckets import padded_length


class LogMels:
    """Audio as log-mel spectrograms `(F, 80)`, of which four frames make a position.

    Args:
        normalization: The `Normalization` that the model was trained with.
        max_seconds: Longest piece.
    """

    takes_samples = False
    steps = 4
    seconds = steps * FRAME_SECONDS

    def __init__(self, normalization, max_seconds: float):
        self.normalization = normalization
        self.max_seconds = max_seconds

    def read(self, samples: np.ndarray) -> np.ndarray:
        """The log-mel spectrogram of samples `(n,)`, not normalized."""
        return log_mel(samples).numpy()

    def pieces(self, audio: np.ndarray) -> list[tuple[int, int]]:
        """First frame of each piece, and the one after its last."""
        return segments.cut(audio, round(self.max_seconds / FRAME_SECONDS))

    def inputs(self, cuts: Sequence[np.ndarray], batch_size: int) -> dict[str, np.ndarray]:
        """A batch of normalized pieces, filled up to its size so that this is no new shape."""
        length = padded_length(max(len(cut) for cut in cuts))
        features = np.zeros((batch_size, length, cuts[0].shape[1]), "float32")
        frames = np.ones(batch_size, "int32")
        for i, cut in enumerate(cuts):
            features[i, : len(cut)], frames[i] = self.normalization.apply(cut), len(cut)
        return {"features": features, "frames": frames}

    def save(self, folder: str | Path) -> None:
        """Saves the normalization with a run."""
        self.normalization.save(folder)


class WhisperMels:
    """Audio as samples `(n,)`, of which two hops make a position; silence fills up a short one.

    Args:
        extractor: Of a `pipelines.audio.whisper.Pretrained`.
        max_seconds: Longest piece; no more than what Whisper takes at once.
    """

    takes_samples = True
    steps = 2 * HOP
    seconds = 2 * FRAME_SECONDS

    def __init__(self, extractor, max_seconds: float):
        self.extractor = extractor
        self.max_seconds = min(max_seconds, extractor.num_samples / RATE)

    def read(self, samples: np.ndarray) -> np.ndarray:
        """The samples themselves: what Whisper makes of a piece depends on all of it."""
        return samples

    def pieces(self, audio: np.ndarray) -> list[tuple[int, int]]:
        """First sample of each piece, and the one after its last."""
        longest = int(self.max_seconds * RATE) // HOP
        if len(audio) <= longest * HOP:
            return [(0, len(audio))]
        frames = log_mel(audio).numpy()[: -(-len(audio) // HOP)]
        pieces = segments.cut(frames, longest)
        return [(start * HOP, min(stop * HOP, len(audio))) for start, stop in pieces]

    def inputs(self, cuts: Sequence[np.ndarray], batch_size: int) -> dict[str, np.ndarray]:
        """A batch of spectrograms, filled up to its size so that this is no new shape."""
        samples = np.zeros((batch_size, self.extractor.num_samples), "float32")
        # Of nothing but silence Whisper may write at length, and all would wait for it.
        for row, cut in zip(samples, [*cuts, *cuts[-1:] * (batch_size - len(cuts))], strict=True):
            row[: len(cut)] = cut
        return {"features": np.asarray(self.extractor(samples))}

    def save(self, folder: str | Path) -> None:
        """Saves the extractor with a run."""
        whisper.save_extractor(self.extractor, folder)
