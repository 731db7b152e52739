"""Audio: any file that libsndfile reads, to samples of one channel at one rate."""

import contextlib
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import BinaryIO

import librosa
import numpy as np
import soundfile

from pipelines.audio import headers
from pipelines.audio.survey import Remark, Survey
from pipelines.commands.disk.bounded import check_kind, memory
from pipelines.commands.errors import MachineError, UserError, first_line, lack
from pipelines.data.media import find_media

RATE = 16000
ENDINGS = (
    *(".wav", ".w64", ".flac", ".mp3", ".ogg", ".oga", ".opus"),
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".snd", ".sph"),
    *(".m4a", ".aac", ".wma", ".webm", ".amr"),  # Found, so as to be refused by name.
)

_BLOCK = 1 << 16  # samples read at a time, so that channels and depth of a long file do not add up
_COPIES = 8  # of all samples, in memory
_WHOLE = 0.9  # least share of the samples its header tells that a file must hold
_UNKNOWN_FORMAT = (1, 7)  # codes of libsndfile
_NO_INFORMATION = 24
_ADVICE = "convert it to WAV or FLAC"
_NO_LENGTH = 1 << 62  # frames of a stream, or more
# What others than libsndfile read, by how their files begin, from a place on.
_OTHERS = (
    (4, b"ftyp", "MPEG-4 (m4a, mp4)"),
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "Windows Media (wma)"),
    (0, b"#!AMR", "AMR"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)


def endings() -> tuple[str, ...]:
    """Returns the endings of audio files, such as ".wav"."""
    return ENDINGS


def read(
    source: str | Path | BinaryIO,
    rate: float = RATE,
    remarks: MutableMapping[str | Path, Remark] | None = None,
) -> np.ndarray:
    """Reads audio in any format that libsndfile knows: WAV, FLAC, MP3, OGG and more.

    The format is that of the content, whatever the name. Channels that are not silent are averaged;
    where they cancel each other out, the loudest is taken. Other rates are resampled. What goes
    beyond -1 to 1, as floats may, is scaled down as a whole, so that nothing is clipped.

    Args:
        source: Path of a file, or an open binary file.
        rate: Samples a second of the result; need not be whole.
        remarks: Where to note what is odd about the source, if anything is.

    Returns:
        Samples `(n,)`, float32, -1 to 1; at least one.

    Raises:
        UserError: The file is missing, empty, damaged or no audio, has no samples, a sampling rate
            that cannot be, or more samples than fit into memory.
        MachineError: The machine lacks memory or permission to read it.
    """
    if isinstance(source, str | Path):
        check_kind(source)
    # A sample that is no number in float32 becomes infinite, and an error.
    with _errors(source), np.errstate(over="ignore", invalid="ignore"):
        samples, own_rate, remark = _decode(source, rate)
        if remark and remarks is not None:
            remarks[source] = remark
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


class _Stream(soundfile.SoundFile):
    """Audio that is read from its start to its end; where that is, the file need not know."""

    def seekable(self) -> bool:
        return False


def _decode(source, wanted: float) -> tuple[np.ndarray, int, Remark]:
    """The samples `(n,)` of a file, how many a second they are, and what is odd about them."""
    with _opened(source) as file:
        survey, rate, expected = Survey(file.channels), file.samplerate, file.frames
        headers.check_rate(rate)
        # Of the file, of what is resampled, and of what is made of that.
        most = int(memory() / (4 * _COPIES * (1 + wanted / rate)))
        parts, length = [], 0
        for block in _blocks(file):
            survey.add(block)
            parts.append(block.mean(axis=1))
            length += len(block)
            if length > most:
                minutes = f"{most / rate / 60:,.0f} minutes"
                raise UserError(f"it lasts longer than the {minutes} that fit into memory")
    if not length:
        raise UserError("the file has no samples")
    if length < _WHOLE * expected and expected < _NO_LENGTH:
        raise UserError(f"the file ends after {length} of {expected} samples")
    if not survey.finite:
        raise UserError("some samples are not finite numbers")
    weights, remark = survey.weights()
    if np.ptp(weights):  # Not the mean of all channels, which there is already.
        with _opened(source) as file:
            parts = [block @ weights.astype("float32") for block in _blocks(file)]
    return np.concatenate(parts), rate, remark | survey.remarks(weights, rate)


@contextlib.contextmanager
def _opened(source) -> Iterator[_Stream]:
    """A file, with its length in the header; it is read from its start."""
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            whole = headers.mended(file) or source
    else:
        whole = headers.mended(source) or source
        whole.seek(0)
    with _Stream(whole) as file:
        yield file


def _blocks(file: _Stream) -> Iterator[np.ndarray]:
    """The samples `(n, C)` of a file, some at a time."""
    while len(block := file.read(_BLOCK // file.channels, "float32", always_2d=True)):
        yield block


@contextlib.contextmanager
def _errors(source) -> Iterator[None]:
    """Turns whatever reading raises into one clear line."""
    name = source if isinstance(source, str | Path) else getattr(source, "name", "the stream")
    try:
        yield
    except Exception as error:  # The decoders raise whatever a damaged file makes them raise.
        reason = _reason(error, source)
        kind = UserError
        if isinstance(reason, Exception):
            kind = MachineError if lack(reason) else UserError
            reason = (getattr(reason, "strerror", None) or "").lower() or first_line(reason)
        raise kind(f"cannot read {name} as audio: {reason}") from error


def _reason(error: Exception, source) -> str | Exception:
    """Returns why a file cannot be read, or the exception that tells it best."""
    if not isinstance(error, soundfile.LibsndfileError):
        return error
    try:
        head = _head(source)
    except (OSError, ValueError) as closer:  # libsndfile calls all of these a system error.
        return closer
    if not head:
        return "the file is empty"
    for place, mark, name in _OTHERS:
        if head[place:].startswith(mark):
            return f"{name}, a format that libsndfile does not read: {_ADVICE}"
    if error.code in _UNKNOWN_FORMAT:
        return f"not in a format that libsndfile reads: {_ADVICE}"
    if error.code == _NO_INFORMATION:
        return "its header makes no sense: rate, channels or depth are wrong"
    return error.error_string.removeprefix("Error : ").rstrip(".")


def _head(source) -> bytes:
    """How a file begins."""
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            return file.read(16)
    source.seek(0)
    return source.read(16)
