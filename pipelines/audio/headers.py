"""Headers that do not say how long an audio file is, or say what cannot be."""

import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from pipelines.commands.errors import UserError

RATES = (1_000, 1_000_000)  # samples a second: outside there is no speech, and no recorder

_WHOLE = 0.9  # least share of what its header tells that a file must hold
_STREAMED = 0x7FFFF000  # Sizes from here on are written by programs that do not know them.
_UNKNOWN = 0xFFFFFFFF


def mended(file: BinaryIO) -> io.BytesIO | None:
    """Tells a streamed file how long it is.

    What is written into a pipe has a header with a length of zero, or of the greatest number there
    is. libsndfile reads to the end of some such files, and refuses others or finds them empty.

    Args:
        file: An open file; where it stands does not matter.

    Returns:
        The file with its length in the header; `None` where libsndfile knows what to do.

    Raises:
        UserError: A WAV file is shorter than its header says, or has a sampling rate that is none.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12).ljust(12)
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        patches = list(_of_wav(file, length))
    elif head[:4] == b".snd":
        patches = list(_of_au(head, length))
    elif head[:4] == b"caff":
        patches = list(_of_caf(file, length))
    else:
        patches = []
    if not patches:
        return None
    file.seek(0)
    content = io.BytesIO(file.read())
    for place, value in patches:
        content.seek(place)
        content.write(value)
    content.seek(0)
    return content


def check_rate(rate: float) -> None:
    """Raises a `UserError` where no audio has so many samples a second."""
    low, high = RATES
    if not low <= rate <= high:
        raise UserError(f"a sampling rate of {rate:,} Hz; expected are {low:,} to {high:,}")


def _of_wav(file, length) -> Iterator[tuple[int, bytes]]:
    """Places in a WAV or RF64 file and what is to stand there."""
    frame, wide = 1, None
    for name, size, start in _chunks(file, 12, length, "<4sI"):
        if name == b"fmt ":
            _, _, rate, _, frame = struct.unpack("<HHIIH", file.read(14).ljust(14, b"\1"))
            check_rate(rate)
        elif name == b"ds64":  # 64 bits each: of the file, of the data, and the number of frames
            wide = start
            size_of_data = struct.unpack("<8xQ", file.read(16).ljust(16))[0]
        elif name == b"data":
            there = length - start
            if wide is not None and size == _UNKNOWN:
                if there and not 0 < size_of_data <= there:
                    numbers = length - 8, there, there // max(frame, 1)
                    yield wide, struct.pack("<3Q", *numbers)
            elif size == 0 and there and not _only_chunks(file, start, length):
                yield start - 4, struct.pack("<I", min(there, _UNKNOWN - 1))
            elif there < _WHOLE * size and size < _STREAMED:
                raise UserError(f"the file ends after {there} of {size} bytes")
            return


def _of_au(head, length) -> Iterator[tuple[int, bytes]]:
    start, size = struct.unpack(">4xII", head)
    if size == 0 and length > start:
        yield 8, struct.pack(">I", _UNKNOWN)  # As the format says it.


def _of_caf(file, length) -> Iterator[tuple[int, bytes]]:
    for name, size, start in _chunks(file, 8, length, ">4sQ"):
        if name == b"data":
            if length > start and not 0 < size <= length - start:
                yield start - 8, struct.pack(">Q", length - start)
            return


def _chunks(file, place, length, layout) -> Iterator[tuple[bytes, int, int]]:
    """Name, size and start of each chunk; the file stands at the start."""
    of_header = struct.calcsize(layout)
    while place + of_header <= length:
        file.seek(place)
        name, size = struct.unpack(layout, file.read(of_header))
        yield name, size, place + of_header
        place += of_header + size + (size % 2 if layout[0] == "<" else 0)


def _only_chunks(file, place, length) -> bool:
    """Whether what follows an empty chunk are others, up to the end."""
    for name, size, start in _chunks(file, place, length, "<4sI"):
        if not name.isascii() or not name.decode().isprintable():
            return False
        place = start + size
    return place in (length, length + 1, length - 1)
