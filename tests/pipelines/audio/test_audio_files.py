import io

import numpy as np
import pytest
import soundfile

from pipelines.audio import audio_files
from pipelines.audio.survey import Remark
from pipelines.commands.errors import MachineError, UserError


def tone(frequency, rate, seconds=0.5, amplitude=0.5):
    time = np.arange(int(rate * seconds)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype("float32")


def saved(path, samples, rate=audio_files.RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


class TestRead:
    @pytest.mark.parametrize(
        ("ending", "subtype", "error"),
        [
            ("wav", "PCM_U8", 1 / 128),
            ("wav", "PCM_16", 1 / 32768),
            ("wav", "PCM_24", 1e-6),
            ("wav", "PCM_32", 1e-7),
            ("wav", "FLOAT", 0),
            ("wav", "DOUBLE", 0),
            ("wav", "ULAW", 0.02),
            ("flac", "PCM_16", 1 / 32768),
            ("flac", "PCM_24", 1e-6),
            ("aiff", "PCM_16", 1 / 32768),
            ("mp3", None, 0.03),
            ("ogg", None, 0.03),
        ],
    )
    def test_formats(self, tmp_path, ending, subtype, error):
        samples = tone(440, audio_files.RATE) + tone(1210, audio_files.RATE, amplitude=0.1)
        found = audio_files.read(saved(tmp_path / f"a.{ending}", samples, subtype=subtype))
        assert found.dtype == np.float32 and found.shape == samples.shape
        # What compresses by ear is worse where a sound begins.
        inside = slice(1000, -1000) if subtype is None else slice(None)
        np.testing.assert_allclose(found[inside], samples[inside], rtol=0, atol=error)

    @pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
    def test_any_rate(self, tmp_path, rate):
        path = saved(tmp_path / "a.wav", tone(440, rate), rate, subtype="FLOAT")
        found = audio_files.read(path)
        assert len(found) == 8000
        inside = slice(500, -500)
        np.testing.assert_allclose(found[inside], tone(440, 16000)[inside], rtol=0, atol=2e-3)

    def test_what_the_lower_rate_cannot_hold_is_gone(self, tmp_path):
        path = saved(tmp_path / "a.wav", tone(440, 96000) + tone(11000, 96000), 96000)
        found = audio_files.read(path)
        np.testing.assert_allclose(found[500:-500], tone(440, 16000)[500:-500], rtol=0, atol=2e-3)

    def test_a_rate_that_is_not_whole_turns_speed_and_pitch(self, tmp_path):
        """Faster by a tenth: a tenth fewer samples, in which a tone sounds a tenth higher."""
        path = saved(tmp_path / "a.wav", tone(400, 16000, seconds=1))
        found = audio_files.read(path, 16000 / 1.1)
        assert len(found) == int(np.ceil(16000 / 1.1))
        expected = tone(440, 16000, seconds=1)[: len(found)]
        np.testing.assert_allclose(found[500:-500], expected[500:-500], rtol=0, atol=2e-3)

    def test_channels_are_averaged(self, tmp_path):
        channels = np.stack([tone(440, 16000), tone(600, 16000), tone(800, 16000)], axis=1)
        found = audio_files.read(saved(tmp_path / "a.wav", channels, subtype="FLOAT"))
        np.testing.assert_allclose(found, channels.mean(1), rtol=0, atol=1e-7)

    def test_silent_channels_do_not_count(self, tmp_path):
        channels = np.zeros((8000, 6), "float32")
        channels[:, 4] = tone(440, 16000)
        found = audio_files.read(saved(tmp_path / "a.wav", channels, subtype="FLOAT"))
        np.testing.assert_array_equal(found, channels[:, 4])

    def test_of_opposite_phases_the_louder_is_taken(self, tmp_path):
        channels = np.stack([0.9 * tone(440, 16000), -tone(440, 16000)], axis=1)
        path, remarks = saved(tmp_path / "a.wav", channels, subtype="FLOAT"), {}
        np.testing.assert_array_equal(audio_files.read(path), -tone(440, 16000))
        audio_files.read(path, remarks=remarks)
        assert remarks == {path: Remark.CANCELLED}
        audio_files.read(saved(path, tone(440, 16000)), remarks={})

    @pytest.mark.parametrize("form", ["FLAC", "MP3", "OGG", "AIFF"])
    def test_the_content_decides_not_the_name(self, tmp_path, form):
        path = saved(tmp_path / "a.wav", tone(440, 16000), format=form)
        inside = slice(1000, -1000)
        expected = tone(440, 16000)[inside]
        np.testing.assert_allclose(audio_files.read(path)[inside], expected, rtol=0, atol=0.03)

    @pytest.mark.parametrize(
        ("head", "name"),
        [(b"\0\0\0 ftypM4A ", "MPEG-4"), (b"\x1aE\xdf\xa3", "WebM"), (b"#!AMR\n", "AMR")],
    )
    def test_what_others_read_is_named(self, tmp_path, head, name):
        path = tmp_path / "a.m4a"
        path.write_bytes(head + bytes(300))
        message = rf"{name}.*, a format that libsndfile does not read: convert it to WAV or FLAC"
        with pytest.raises(UserError, match=message):
            audio_files.read(path)
        assert audio_files.find(tmp_path) == [path]

    def test_longer_than_a_block(self, tmp_path):
        samples = (
            np.random.default_rng(0).uniform(-1, 1, 3 * audio_files._BLOCK + 7).astype("float32")
        )
        found = audio_files.read(saved(tmp_path / "a.wav", samples, subtype="FLOAT"))
        np.testing.assert_array_equal(found, samples)

    def test_too_loud_is_scaled_as_a_whole(self, tmp_path):
        path = saved(tmp_path / "a.wav", 6 * tone(440, 16000), subtype="FLOAT")
        np.testing.assert_allclose(audio_files.read(path), 2 * tone(440, 16000), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
    @pytest.mark.parametrize("ending", ["wav", "flac"])
    def test_one_sample(self, tmp_path, ending, rate):
        found = audio_files.read(saved(tmp_path / f"a.{ending}", np.full(1, 0.5), rate))
        assert 1 <= len(found) <= 2 and np.isfinite(found).all()
        if rate == audio_files.RATE:
            assert found.tolist() == [0.5]

    def test_silence(self, tmp_path):
        found = audio_files.read(saved(tmp_path / "a.flac", np.zeros(4410), 44100))
        np.testing.assert_array_equal(found, np.zeros(1600, "float32"))

    def test_an_open_file(self):
        file = io.BytesIO()
        soundfile.write(file, tone(440, 16000), 16000, format="WAV", subtype="FLOAT")
        file.seek(0)
        np.testing.assert_array_equal(audio_files.read(file), tone(440, 16000))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_samples_that_are_no_numbers(self, tmp_path, bad):
        samples = tone(440, 16000)
        samples[5] = bad
        path = saved(tmp_path / "a.wav", samples, subtype="FLOAT")
        with pytest.raises(UserError, match=r"a\.wav as audio: some samples are not finite"):
            audio_files.read(path)

    def test_numbers_too_large_for_float32(self, tmp_path):
        path = saved(tmp_path / "a.wav", np.full((7, 2), 1e200), subtype="DOUBLE")
        with pytest.raises(UserError, match="some samples are not finite"):
            audio_files.read(path)

    def test_no_samples(self, tmp_path):
        path = saved(tmp_path / "a.wav", np.zeros(0))
        with pytest.raises(UserError, match=r"cannot read .*a\.wav as audio: .*no samples"):
            audio_files.read(path)

    @pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg"])
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "the file is empty"),
            (b"this is text\n" * 99, "not in a format that libsndfile reads"),
        ],
    )
    def test_no_sound(self, tmp_path, ending, content, reason):
        path = tmp_path / f"a.{ending}"
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"cannot read .*a\.{ending} as audio: {reason}"):
            audio_files.read(path)

    @pytest.mark.parametrize("ending", ["flac", "mp3"])
    def test_half_a_file(self, tmp_path, ending):
        path = saved(tmp_path / f"a.{ending}", np.random.default_rng(0).uniform(-1, 1, 30000))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UserError, match=r"lost sync|ends after [0-9]+ of 30000 samples"):
            audio_files.read(path)

    def test_half_a_wav(self, tmp_path):
        path = saved(tmp_path / "a.wav", tone(440, audio_files.RATE))
        content = path.read_bytes()
        path.write_bytes(content[:7044])
        with pytest.raises(UserError, match="the file ends after 7000 of 16000 bytes"):
            audio_files.read(path)
        # One that was written into a pipe does not know its length.
        path.write_bytes(content[:40] + b"\xff\xff\xff\xff" + content[44:7044])
        assert len(audio_files.read(path)) == 3500

    def test_too_little_memory_is_no_damage(self, tmp_path, monkeypatch):
        path = saved(tmp_path / "a.wav", tone(440, 16000))
        monkeypatch.setattr(audio_files, "_decode", lambda *_: bytearray(2**62))
        with pytest.raises(MachineError):
            audio_files.read(path)

    def test_missing(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.wav as audio: no such file or directory"):
            audio_files.read(tmp_path / "none.wav")
        with pytest.raises(UserError, match="as audio: is a directory"):
            audio_files.read(tmp_path)
        with pytest.raises(UserError, match="cannot read"):
            audio_files.read(tmp_path / "a\0b.wav")

    def test_an_open_file_without_a_sound(self):
        with pytest.raises(UserError, match="cannot read the stream as audio: the file is empty"):
            audio_files.read(io.BytesIO())


class TestWrite:
    @pytest.mark.parametrize("ending", ["wav", "flac"])
    def test_it_reads_back(self, tmp_path, ending):
        path = tmp_path / f"a.{ending}"
        audio_files.write(path, tone(440, 8000), 8000)
        found, rate = soundfile.read(path)
        assert rate == 8000 and soundfile.info(path).format == ending.upper()
        np.testing.assert_allclose(found, tone(440, 8000), rtol=0, atol=1 / 32768)

    def test_too_loud_is_clipped(self, tmp_path):
        audio_files.write(tmp_path / "a.wav", np.array([2.0, -2.0, 0.25]))
        found = audio_files.read(tmp_path / "a.wav")
        np.testing.assert_allclose(found, [1, -1, 0.25], rtol=0, atol=1 / 16384)


class TestFind:
    def test_a_file_or_the_sounds_of_a_folder(self, tmp_path):
        for name in ("b.wav", "a.MP3", "c.flac", "d.ogg", "notes.txt"):
            (tmp_path / name).touch()
        expected = [tmp_path / name for name in ("a.MP3", "b.wav", "c.flac", "d.ogg")]
        assert audio_files.find(tmp_path) == expected
        assert audio_files.find(str(tmp_path / "notes.txt")) == [tmp_path / "notes.txt"]

    def test_nothing(self, tmp_path):
        with pytest.raises(UserError, match="there is no audio file in"):
            audio_files.find(tmp_path)
        with pytest.raises(UserError, match=r"there is no audio file or folder .*/none"):
            audio_files.find(tmp_path / "none")
