"""Audio of strangers: rates, lengths, pipes, and what the machine refuses."""

import os
import struct

import numpy as np
import pytest
import soundfile

from pipelines.audio import audio_files, mel_store
from pipelines.audio.recordings import Recordings
from pipelines.commands.errors import MachineError, UserError


@pytest.fixture
def sound(tmp_path):
    """A second of a tone."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.sin(np.arange(16_000) / 5), 16_000)
    return path


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_a_rate_that_no_microphone_has(sound, rate):
    content = bytearray(sound.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    sound.write_bytes(content)
    with pytest.raises(
        UserError, match=f"a sampling rate of {rate:,} Hz; expected are 1,000 to 1,000,000"
    ):
        audio_files.read(sound)


def test_more_seconds_than_fit_into_memory(sound, monkeypatch):
    monkeypatch.setattr(audio_files, "memory", lambda: 4 * 8 * 2 * 16_000)
    assert len(audio_files.read(sound)) == 16_000
    monkeypatch.setattr(audio_files, "memory", lambda: 4 * 8 * 2 * 15_999)
    with pytest.raises(UserError, match="it lasts longer than the 0 minutes that fit into memory"):
        audio_files.read(sound)
    # What is resampled to a higher rate takes more.
    monkeypatch.setattr(audio_files, "memory", lambda: 4 * 8 * 3 * 16_000)
    assert len(audio_files.read(sound, 32_000)) == 32_000
    with pytest.raises(UserError, match="it lasts longer"):
        audio_files.read(sound, 33_000)


def test_many_channels_are_read_a_little_at_a_time(tmp_path, monkeypatch):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 255)).astype("float32")
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    sizes = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda *a, **k: sizes.append(a[1]) or read(*a, **k)
    )
    assert len(audio_files.read(tmp_path / "a.wav")) == 1000
    assert set(sizes) == {(1 << 16) // 255}


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UserError, match=f"^{tmp_path / 'pipe.wav'} is a pipe, not a file$"):
        audio_files.read(tmp_path / "pipe.wav")


@pytest.mark.parametrize(
    ("error", "said"),
    [(MemoryError(), "MemoryError"), (OSError(24, "Too many open files"), "too many open files")],
)
def test_what_the_machine_refuses_leaves_no_recording_out(sound, monkeypatch, error, said):
    def refuse(*args):
        raise error

    monkeypatch.setattr(audio_files, "_decode", refuse)
    said = f"^cannot read {sound} as audio: {said}$"
    with pytest.raises(MachineError, match=said):
        audio_files.read(sound)
    with pytest.raises(MachineError, match=said):
        Recordings([sound]).scan()
    with pytest.raises(MachineError, match=said):
        list(mel_store.spectrograms([(sound, 1.0)] * 3))


def test_permission_is_told_apart_from_a_format(sound, monkeypatch):
    def refuse(source):
        raise PermissionError(13, "Permission denied")

    sound.write_bytes(b"no sound")
    with pytest.raises(UserError, match="not in a format that libsndfile reads"):
        audio_files.read(sound)
    monkeypatch.setattr(audio_files, "_head", refuse)
    with pytest.raises(MachineError, match=f"cannot read {sound} as audio: permission denied"):
        audio_files.read(sound)
