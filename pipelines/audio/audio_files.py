"""Audio: any file that libsndfile reads, to samples of one channel at one rate."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import librosa
import numpy as np
import soundfile

from pipelines.commands.errors import UserError, first_line
from pipelines.data.sources import find_media

RATE = 16000
ENDINGS = (
    *(".wav", ".w64", ".flac", ".mp3", ".ogg", ".oga", ".opus"),
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".snd", ".sph"),
)

_BLOCK = 1 << 16  # frames read at a time, so that channels and depth of a long file do not add up
_WHOLE = 0.9  # least share of the samples its header tells that a file must hold
_UNKNOWN_FORMAT = (1, 7)  # codes of libsndfile


def read(source: str | Path | BinaryIO, rate: float = RATE) -> np.ndarray:
    """Reads audio in any format that libsndfile knows: WAV, FLAC, MP3, OGG and more.

    Channels are averaged, and other rates resampled. What goes beyond -1 to 1, as floats may, is
    scaled down as a whole, so that nothing is clipped.

    Args:
        source: Path of a file, or an open binary file.
        rate: Samples a second of the result; need not be whole.

    Returns:
        Samples `(n,)`, float32, -1 to 1; at least one.

    Raises:
        UserError: The file is missing, empty, damaged or no audio, or has no samples.
    """
    with _errors(source):
        samples, own_rate = _decode(source)
        _check_wav(source)
        if own_rate != rate:
            samples = librosa.resample(samples, orig_sr=own_rate, target_sr=rate)
        return samples / max(np.abs(samples).max(), np.float32(1))


def write(path: str | Path, samples: np.ndarray, rate: int = RATE) -> None:
    """Writes samples with 16 bits each, as FLAC or WAV by the ending of the name.

    Args:
        path: The file, which is replaced.
        samples: `(n,)`, floats; what is beyond -1 to 1 is clipped.
        rate: Samples a second.
    """
    soundfile.write(path, samples, rate, subtype="PCM_16")


def find(path: str | Path) -> list[Path]:
    """Returns the audio file itself, or all files of a folder that look like audio.

    Raises:
        UserError: There is none, or the name of one is not in UTF-8.
    """
    return find_media(path, ENDINGS, "audio file")


def _decode(source) -> tuple[np.ndarray, int]:
    """The samples `(n,)` of a file, and how many a second they are."""
    blocks = []
    with soundfile.SoundFile(source) as file, np.errstate(over="ignore", invalid="ignore"):
        while len(block := file.read(_BLOCK, "float32", always_2d=True)):
            blocks.append(block.mean(axis=1))
        length, expected, rate = sum(map(len, blocks)), file.frames, file.samplerate
    if not length:
        raise UserError("the file has no samples")
    if length < _WHOLE * expected:
        raise UserError(f"the file ends after {length} of {expected} samples")
    samples = np.concatenate(blocks)
    if not np.isfinite(samples).all():
        raise UserError("some samples are not finite numbers")
    return samples, rate


def _check_wav(source) -> None:
    """Raises where a WAV has fewer samples than it tells: libsndfile takes what there is."""
    if not isinstance(source, str | Path):
        return
    with open(source, "rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12))
        if (riff, wave) != (b"RIFF", b"WAVE"):
            return
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            there = Path(source).stat().st_size - file.tell()
            if name == b"data":
                # What is written into a pipe cannot tell how long it will be.
                if there < _WHOLE * size and size < 0x7FFFF000:
                    raise UserError(f"the file ends after {there} of {size} bytes")
                return
            file.seek(size + size % 2, 1)


@contextlib.contextmanager
def _errors(source) -> Iterator[None]:
    """Turns whatever reading raises into one clear line."""
    name = source if isinstance(source, str | Path) else getattr(source, "name", "the stream")
    try:
        yield
    except Exception as error:  # The decoders raise whatever a damaged file makes them raise.
        raise UserError(f"cannot read {name} as audio: {_reason(error, source)}") from error


def _reason(error: Exception, source) -> str:
    if isinstance(error, soundfile.LibsndfileError):
        try:
            if _is_empty(source):
                return "the file is empty"
        except (OSError, ValueError) as closer:  # libsndfile calls all of these a system error.
            error = closer
        else:
            if error.code in _UNKNOWN_FORMAT:
                return "not in a format that libsndfile reads"
            return error.error_string.removeprefix("Error : ").rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return first_line(error)


def _is_empty(source) -> bool:
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            return not file.read(1)
    source.seek(0)
    return not source.read(1)
