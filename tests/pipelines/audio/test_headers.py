"""Files that were written into a pipe, or whose header says what cannot be."""

import io
import struct

import numpy as np
import pytest
import soundfile

from pipelines.audio import audio_files, headers
from pipelines.commands.errors import UserError

FRAMES, RATE = 1009, 16000
SAMPLES = np.round(np.sin(np.arange(FRAMES) / 7) * 9000) / 32768
GREATEST = 2**64 - 1


def encoded(form, **options):
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format=form, **options)
    return bytearray(file.getvalue())


def wav(size, rate=RATE, after=b""):
    content = encoded("WAV", subtype="PCM_16")
    content[24:28] = struct.pack("<I", rate)
    content[40:44] = struct.pack("<I", size)
    return content + after


def rf64(size):
    content = wav(2**32 - 1)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, size, size, size, 0)
    return b"RF64" + content[4:12] + sizes + content[12:]


def caf(size):
    content = encoded("CAF", subtype="PCM_16")
    place = content.index(b"data") + 4
    content[place : place + 8] = struct.pack(">Q", size)
    return content


def au(size):
    content = encoded("AU", subtype="PCM_16")
    content[8:12] = struct.pack(">I", size)
    return content


def flac():
    content = encoded("FLAC", subtype="PCM_16")
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return content


@pytest.mark.parametrize(
    "content",
    [
        *(wav(size) for size in (0, 2**31 - 1, 2**31, 0x7FFFF000, 2**32 - 1)),
        *(rf64(size) for size in (0, 2 * FRAMES, 2**40, GREATEST)),
        *(caf(size) for size in (0, GREATEST)),
        *(au(size) for size in (0, 2**32 - 1)),
        flac(),
    ],
)
def test_what_does_not_know_its_length_is_read_to_its_end(tmp_path, content):
    path = tmp_path / "stream.wav"
    path.write_bytes(content)
    for source in (path, io.BytesIO(content)):
        found = audio_files.read(source)
        assert found.shape == (FRAMES,)
        np.testing.assert_allclose(found, SAMPLES, rtol=0, atol=1e-4)


@pytest.mark.parametrize("after", [b"", b"LIST\x04\x00\x00\x00INFO"])
def test_what_is_empty_stays_so(after):
    content = wav(0)[:44] + after
    assert headers.mended(io.BytesIO(content)) is None
    with pytest.raises(UserError, match="the file has no samples"):
        audio_files.read(io.BytesIO(content))


@pytest.mark.parametrize("rate", [0, 1, 999, 1_000_001, 4_000_000_000])
def test_a_rate_that_is_none(rate):
    message = rf"a sampling rate of {rate:,} Hz; expected are 1,000 to 1,000,000$"
    with pytest.raises(UserError, match=message):
        audio_files.read(io.BytesIO(wav(2 * FRAMES, rate)))


def test_a_file_that_was_cut():
    with pytest.raises(UserError, match="the file ends after 1000 of 2018 bytes"):
        headers.mended(io.BytesIO(wav(2 * FRAMES)[:1044]))


def test_no_rate():
    content = au(2 * FRAMES)
    content[16:20] = bytes(4)
    with pytest.raises(UserError, match="no sense: rate, channels or depth are wrong"):
        audio_files.read(io.BytesIO(content))


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b".snd"]
)
def test_half_a_header(content):
    assert headers.mended(io.BytesIO(content)) is None
