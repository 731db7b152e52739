"""The ArrayRecord files of a split: written whole, read by the number of a record."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from array_record.python import array_record_data_source, array_record_module

from pipelines.commands.disk.files import replacing
from pipelines.commands.errors import UserError, first_line, reading

WRITING = "group_size:1,zstd:1"  # A record for itself is what random access wants.


def name_of(split: str, number: int, count: int) -> str:
    """Returns the name of a file: "train-00003-of-00016.array_record"."""
    return f"{split}-{number:05d}-of-{count:05d}.array_record"


class Shards:
    """Records of several files, by their number.

    Only positions are in memory; a record is read from the disk when it is asked for.

    Args:
        paths: The files.
        counts: How many records each has.
    """

    def __init__(self, paths: Sequence[Path], counts: Sequence[int]):
        for path in paths:
            if path.is_symlink() or not path.is_file():
                raise UserError(f"{path} is not there: the prepared examples are not whole")
        self._folder, self._count = paths[0].parent, sum(counts)
        parts = [f"{path}[0:{count}]" for path, count in zip(paths, counts, strict=True)]
        self._source = array_record_data_source.ArrayRecordDataSource(parts)

    def __len__(self):
        return self._count

    def __getitem__(self, number: int) -> bytes:
        """Returns a record.

        Raises:
            UserError: Its file is damaged.
        """
        with reading(self._folder, "prepared examples"):
            return self._source[int(number)]


def count(path: Path) -> int:
    """Returns how many records a file has; -1 where it is none of records, or is not whole."""
    try:
        reader = array_record_module.ArrayRecordReader(str(path))
        found = reader.num_records() if reader.ok() else -1
        reader.close()
    except (RuntimeError, ValueError):
        return -1
    return found


@contextmanager
def writing(path: Path) -> Iterator[array_record_module.ArrayRecordWriter]:
    """Gives what writes the records of a file, which has its name once it is whole on the disk.

    Raises:
        UserError: The disk is full, or may not be written to.
    """
    with replacing(path) as temporary:
        try:
            writer = array_record_module.ArrayRecordWriter(str(temporary), WRITING)
            try:
                yield writer
            except BaseException:
                with suppress(RuntimeError):
                    writer.close()
                raise
            writer.close()
        except RuntimeError as error:  # Of Riegeli, which names what the system says first.
            raise UserError(f"cannot write {path}: {first_line(error).split(';')[0]}") from error
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
