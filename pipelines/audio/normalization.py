"""Mean and deviation of each mel band, from the training split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipelines.audio.log_mel import NUMBER_OF_BINS
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_json
from pipelines.commands.errors import reading

FILE = "normalization.json"
LEAST_DEVIATION = 0.1  # of a band that is (nearly) the same everywhere: no noise is blown up


class Normalization(NamedTuple):
    """Mean and standard deviation of each band over the frames of the training split.

    Attributes:
        mean: `(80,)`, float32.
        std: `(80,)`, float32.
    """

    mean: np.ndarray
    std: np.ndarray

    def apply(self, features):
        """Brings log-mels `(..., 80)`, arrays or tensors, to mean 0 and deviation 1."""
        return (features - self.mean) / self.std

    def save(self, folder: str | Path) -> None:
        """Writes `normalization.json` into the folder of a run."""
        values = {name: value.tolist() for name, value in self._asdict().items()}
        write_json(Path(folder) / FILE, values)

    @classmethod
    def load(cls, folder: str | Path) -> "Normalization":
        """Reads what `save` wrote.

        Raises:
            UserError: There is no such file, or something else in it.
        """
        path = Path(folder) / FILE
        values = read_json(path, "a normalization")
        with reading(path, "a normalization"):
            mean, std = (np.array(values[name], "float32") for name in cls._fields)
            if any(array.shape != (NUMBER_OF_BINS,) for array in (mean, std)):
                raise ValueError(f"expected are {NUMBER_OF_BINS} numbers each")
            if not np.isfinite([mean, std]).all() or std.min() <= 0:
                raise ValueError("a number is not finite, or a deviation not above 0")
            return cls(mean, std)


def normalization(store: Sequence[np.ndarray]) -> Normalization:
    """Computes mean and standard deviation over all frames of a store, that of the training split.

    Args:
        store: A `MelStore`, or other arrays `(F, 80)`.
    """
    shift = store[0][0].astype("float64")  # Else the sums of squares of a quiet band are all error.
    count, total, squares = 0, 0.0, 0.0
    for features in store:
        shifted = features - shift
        count += len(shifted)
        total = total + shifted.sum(axis=0)
        squares = squares + np.square(shifted).sum(axis=0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, LEAST_DEVIATION**2))
    return Normalization((shift + mean).astype("float32"), std.astype("float32"))
