"""One prepared example as bytes: a `tf.train.Example`, as files of TFDS and Grain hold them."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

ROW = "row"
TYPES = ("uint8", "int32", "int64", "float16", "float32")
LARGEST_SIDE, LARGEST_ARRAY = 1 << 24, 1 << 31  # Numbers along one axis, and bytes in all.


class Kind(NamedTuple):
    """Type and shape of an array that the examples of a split have.

    Attributes:
        dtype: The name of its type, one of `TYPES`.
        shape: Its sizes; the first is `None` where it differs between examples.
    """

    dtype: str
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, array: np.ndarray) -> "Kind":
        """The kind of one array."""
        return cls(array.dtype.name, array.shape)

    @classmethod
    def load(cls, value: Any) -> "Kind":
        """Reads what a description says; raises a `ValueError` where that is no kind."""
        dtype, shape = value
        if dtype not in TYPES or not isinstance(shape, list) or len(shape) > 4:
            raise ValueError(f"no kind of array: {str(value)[:60]}")
        for place, size in enumerate(shape):
            if size is None and place == 0:
                continue
            if type(size) is not int or not 0 < size <= LARGEST_SIDE:
                raise ValueError(f"no size of an array: {str(size)[:20]}")
        kind = cls(dtype, tuple(shape))
        if kind.row_bytes > LARGEST_ARRAY:
            raise ValueError(f"an array of {kind.row_bytes:,} bytes")
        return kind

    @property
    def column_type(self) -> str:
        """The type of the one number that is kept of each array: its value, or its first size."""
        return self.dtype if self.shape == () else "int32"

    def joined(self, other: "Kind") -> "Kind":
        """The kind that both are of.

        Raises:
            ValueError: There is none.
        """
        same = self.dtype == other.dtype and self.shape[1:] == other.shape[1:]
        if not same or len(self.shape) != len(other.shape):
            raise ValueError(f"Arrays of one name differ: {self} and {other}.")
        return self if self.shape == other.shape else self._replace(shape=(None, *self.shape[1:]))

    @property
    def row_bytes(self) -> int:
        """Bytes of an array, or of what stands at one place of the axis whose size differs."""
        sizes = [size for size in self.shape if size is not None]
        return int(np.prod(sizes, dtype="float64")) * np.dtype(self.dtype).itemsize

    def parse(self, raw: bytes) -> np.ndarray:
        """Returns the array that the bytes are.

        Raises:
            ValueError: They are none of this kind.
        """
        whole = len(raw) % self.row_bytes == 0 if None in self.shape else len(raw) == self.row_bytes
        if not whole:
            raise ValueError(f"{len(raw):,} bytes are no {self.dtype} {list(self.shape)}")
        sizes = [-1 if size is None else size for size in self.shape]
        return np.frombuffer(raw, self.dtype).reshape(sizes)


def encode(arrays: Mapping[str, np.ndarray], row: Mapping[str, Any] | None = None) -> bytes:
    """Returns an example as bytes.

    Args:
        arrays: Its arrays by their names.
        row: The row of the data set that begins with this example.
    """
    values = {name: np.ascontiguousarray(array).tobytes() for name, array in arrays.items()}
    if row is not None:
        values[ROW] = json.dumps(row, ensure_ascii=False, default=str).encode(
            "utf-8", "surrogatepass"
        )
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def decode(record: bytes, name: str) -> bytes:
    """Returns what an example has under a name, as bytes.

    Raises:
        ValueError: It has nothing there.
    """
    values = tf.train.Example.FromString(record).features.feature[name].bytes_list.value
    if len(values) != 1:
        raise ValueError(f"a record has no '{name}'")
    return values[0]
