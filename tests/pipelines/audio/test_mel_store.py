import os
import signal
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from pipelines.audio import audio_files, mel_store
from pipelines.audio.mel_store import MelStore
from pipelines.audio.normalization import LEAST_DEVIATION, Normalization, normalization
from pipelines.commands import left_out
from pipelines.commands.errors import UserError

ROOT = Path(__file__).parents[3]
LENGTHS = (1601, 7001, 1, 16007, 3001)


@pytest.fixture
def files(tmp_path):
    """Five sounds of noise, in which bass and treble differ."""
    rng = np.random.default_rng(0)
    paths = []
    for number, length in enumerate(LENGTHS):
        samples = np.cumsum(rng.uniform(-1, 1, length)) * 0.01 + rng.uniform(-0.1, 0.1, length)
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], samples, 16000)
    return paths


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are read, in order."""
    names, read = [], audio_files.read
    monkeypatch.setattr(
        audio_files,
        "read",
        lambda file, *rest: (names.append(Path(file).name), read(file, *rest))[1],
    )
    return names


def reference(path, speed=1.0):
    samples, _ = soundfile.read(path, dtype="float32")
    if speed != 1:
        samples = librosa.resample(samples, orig_sr=16000 * speed, target_sr=16000)
    padded = np.pad(samples, 256)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 512)[::160]
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400), 56)
    power = np.abs(np.fft.rfft(windows.astype("float64") * window)) ** 2
    filters = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80)
    return np.log(np.maximum(power @ filters.T, 1e-10))


def check(found, expected):
    """Equal as far as float16 tells numbers up to 32 apart."""
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.009)


class TestMelStore:
    def test_spectrograms(self, files, folder):
        store = MelStore(files, cache_dir=folder)
        assert store.kept.tolist() == [0, 1, 2, 3, 4]
        assert store.frames.tolist() == [1 + length // 160 for length in LENGTHS]
        assert len(store) == 5
        for features, file in zip(store, files, strict=True):
            check(features, reference(file))

    def test_speeds(self, files, folder):
        speeds = (0.9, 1.0, 1.1)
        store = MelStore(files[:2], speeds, folder)
        assert store.speeds == speeds and len(store) == 6 and store.kept.tolist() == [0, 1]
        lengths = [int(np.ceil(n / speed)) for n in LENGTHS[:2] for speed in speeds]
        assert store.frames.tolist() == [1 + length // 160 for length in lengths]
        for entry, features in enumerate(store):
            check(features, reference(files[entry // 3], speeds[entry % 3]))

    def test_faster_is_higher_and_shorter(self, tmp_path, folder):
        time = np.arange(16000) / 16000
        soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1000 * time), 16000)
        soundfile.write(tmp_path / "b.wav", 0.5 * np.sin(2 * np.pi * 1250 * time[:12800]), 16000)
        faster = MelStore([tmp_path / "a.wav"], (1.25,), folder)[0]
        expected = MelStore([tmp_path / "b.wav"], cache_dir=folder)[0]
        assert faster.shape == expected.shape
        loud = expected > expected.max() - 10
        np.testing.assert_allclose(faster[5:-5][loud[5:-5]], expected[5:-5][loud[5:-5]], atol=0.02)

    def test_a_sound_is_read_once_until_it_changes(self, files, folder, reads):
        before = [features.copy() for features in MelStore(files[:3], cache_dir=folder)]
        assert sorted(reads) == ["0.wav", "1.wav", "2.wav"]
        reads.clear()
        store = MelStore(files[:3], cache_dir=folder)
        assert reads == []
        for features, expected in zip(store, before, strict=True):
            np.testing.assert_array_equal(features, expected)
        soundfile.write(files[1], np.zeros(481), 16000)
        store = MelStore(files[3::-1], (1.0, 2.0), folder)
        assert sorted(reads) == ["0.wav", "1.wav", "1.wav", "2.wav", "3.wav", "3.wav"]
        assert store.frames[::2].tolist() == [101, 1, 4, 11]
        check(store[4], np.full((4, 80), np.log(1e-10)))
        np.testing.assert_array_equal(store[6], before[0])

    def test_unreadable_sounds_are_left_out_and_counted(self, files, folder, capsys):
        files[1].write_text("no sound")
        files[3].unlink()
        left_out.begin(most=0.5)
        store = MelStore(files, (1.0, 0.9), folder)
        assert store.kept.tolist() == [0, 2, 4] and len(store) == 6
        said = f"audio files: 2 of 5 left out, the first is {files[1]} (not in a format"
        assert said in capsys.readouterr().out
        for entry, number in enumerate([0, 0, 2, 2, 4, 4]):
            check(store[entry], reference(files[number], store.speeds[entry % 2]))
        MelStore(files[4:], cache_dir=folder)
        assert "left out" not in capsys.readouterr().out

    def test_what_is_odd_about_a_file_is_told_each_time(self, files, folder, capsys):
        samples = np.sin(np.arange(3001) / 7)
        soundfile.write(files[2], np.stack([samples, -0.8 * samples], 1), 16000)
        for _ in range(2):
            store = MelStore(files, (1.0, 0.9), folder)
            assert capsys.readouterr().err.splitlines()[0] == (
                "1 of 5 audio files have channels that cancel each other out, of which the loudest "
                f"is used, the first is {files[2]}"
            )
        soundfile.write(files[0], samples, 16000)
        check(store[4], reference(files[0]))

    def test_none_can_be_read(self, files, folder):
        for file in files:
            file.write_text("no sound")
        with pytest.raises(UserError, match=r"0\.wav: not in a format .* \(and so all 5\)"):
            MelStore(files, cache_dir=folder)
        with pytest.raises(UserError, match=r"^there is no audio file to read$"):
            MelStore([], cache_dir=folder)

    def test_what_was_computed_before_an_interruption_stays(
        self, files, folder, monkeypatch, reads
    ):
        monkeypatch.setattr(mel_store, "_AT_ONCE", 2)
        spectrograms = mel_store.spectrograms

        def interrupted(entries):
            for number, found in enumerate(spectrograms(entries)):
                if number == 3:
                    raise KeyboardInterrupt
                yield found

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(mel_store, "spectrograms", interrupted)
            MelStore(files, cache_dir=folder)
        with open(next(folder.rglob("frames")), "ab") as file:
            file.write(b"half a frame")
        reads.clear()
        store = MelStore(files, cache_dir=folder)
        assert sorted(reads) == ["2.wav", "3.wav", "4.wav"]  # Several are read at a time.
        for features, path in zip(store, files, strict=True):
            check(features, reference(path))

    @pytest.mark.slow
    def test_a_killed_process_leaves_nothing_broken(self, files, folder):
        script = """if True:
            import os, signal, sys
            from pipelines.audio import mel_store
            mel_store._AT_ONCE = 1
            sync, synced = mel_store._sync, []
            def killed(file):
                sync(file)
                synced.append(file)
                if len(synced) == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
            mel_store._sync = killed
            mel_store.MelStore(sys.argv[2:], cache_dir=sys.argv[1])
        """
        command = [sys.executable, "-c", script, folder, *files]
        assert subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == (
            -signal.SIGKILL
        )
        store = MelStore(files, cache_dir=folder)
        for features, path in zip(store, files, strict=True):
            check(features, reference(path))

    @pytest.mark.parametrize("damage", ["cut", "removed", "overwritten"])
    def test_spectrograms_that_are_damaged_are_computed_again(self, files, folder, damage, capsys):
        whole = list(MelStore(files, cache_dir=folder))
        path = next(folder.rglob("frames"))
        if damage == "cut":
            os.truncate(path, 1000)
        elif damage == "removed":
            path.unlink()
        else:
            with open(path, "r+b") as file:
                file.write(bytes(8))
        capsys.readouterr()
        for again in (MelStore(files, cache_dir=folder), MelStore(files, cache_dir=folder)):
            for one, other in zip(again, whole, strict=True):
                np.testing.assert_array_equal(one, other)
        lost = 1 if damage == "overwritten" else len(whole)
        assert f"{lost} damaged rows of {path.parent}" in capsys.readouterr().out


class TestNormalization:
    def test_over_all_frames(self, files, folder):
        store = MelStore(files, cache_dir=folder)
        frames = np.concatenate(list(store)).astype("float64")
        found = normalization(store)
        assert found.mean.dtype == found.std.dtype == np.float32
        np.testing.assert_allclose(found.mean, frames.mean(0), rtol=1e-6)
        np.testing.assert_allclose(found.std, frames.std(0), rtol=1e-6)
        for scaled in (found.apply(frames), found.apply(tf.constant(frames, tf.float32)).numpy()):
            np.testing.assert_allclose(scaled.mean(0), np.zeros(80), atol=1e-5)
            np.testing.assert_allclose(scaled.std(0), np.ones(80), atol=1e-5)

    def test_bands_without_change(self):
        silence = np.full((7, 80), np.log(1e-10), "float32")
        found = normalization([silence, silence[:3]])
        np.testing.assert_array_equal(found.mean, silence[0])
        np.testing.assert_allclose(found.std, np.full(80, LEAST_DEVIATION))
        assert not found.apply(silence).any()

    def test_saved_and_loaded(self, tmp_path):
        rng = np.random.default_rng(0)
        saved = Normalization(*rng.uniform(1, 2, (2, 80)).astype("float32"))
        saved.save(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["normalization.json"]
        for found, expected in zip(Normalization.load(tmp_path), saved, strict=True):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize(
        "content", [None, "no json", "[1, 2]", "{}", '{"mean": [1], "std": [1]}']
    )
    def test_damaged(self, tmp_path, content):
        if content is not None:
            (tmp_path / "normalization.json").write_text(content)
        with pytest.raises(
            UserError, match=r"normalization\.json cannot be read as a normalization"
        ):
            Normalization.load(tmp_path)
