import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.builtin.spoken_numbers import dataset as spoken_numbers
from pipelines.builtin.spoken_numbers import espeak, phrases
from tests.pipelines.builtin import rows as rows_of

SMALL = {"train": 23, "validation": 5, "test": 11}


def read(folder):
    return rows_of.read(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    spoken_numbers.write(folder, **SMALL)
    return folder


@pytest.fixture(scope="module")
def splits(folder):
    return read(folder)


def test_the_splits_share_no_text_and_no_voice(splits):
    assert {split: len(rows) for split, rows in splits.items()} == SMALL
    texts = [row["text"] for rows in splits.values() for row in rows]
    assert len(set(texts)) == len(texts)
    assert sorted(texts) == sorted(phrases.distinct(len(texts), seed=0))
    for split, rows in splits.items():
        for row in rows:
            accent, voice = row["speaker"].split("+")
            assert accent in spoken_numbers.ACCENTS and voice in spoken_numbers.VOICES[split]
    voices = [voice for some in spoken_numbers.VOICES.values() for voice in some]
    assert len(set(voices)) == len(voices)


def test_the_sounds(folder, splits):
    rows = [row for rows in splits.values() for row in rows]
    assert len({row["file_name"] for row in rows}) == len(rows)
    for row in rows:
        info = soundfile.info(folder / row["file_name"])
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        samples, _ = soundfile.read(folder / row["file_name"])
        peak = 20 * np.log10(np.abs(samples).max())
        assert -36.1 <= peak <= -5.9
        # Words are spoken at 130 to 210 a minute, and eSpeak's are short.
        assert 0.1 < info.duration / len(row["text"].split()) < 1.2


def test_the_noise_is_as_told(folder, splits):
    """Before the first word there is noise alone, if it comes out of the rounding to 16 bits."""
    compared = 0
    for row in (row for rows in splits.values() for row in rows):
        assert 10 <= row["noise"] <= 40
        samples, _ = soundfile.read(folder / row["file_name"])
        # White noise shows at high frequencies, brown noise hardly.
        silence = samples[: round(row["starts"][0] * 16_000)]
        ratio = 10 * np.log10(np.mean(samples**2) / np.mean(silence**2))
        if len(silence) > 1_600 and row["noise"] < 30:
            assert ratio == pytest.approx(row["noise"], abs=5)
            compared += 1
    assert compared > 5


def test_words_begin_within_the_sound(folder, splits):
    for row in (row for rows in splits.values() for row in rows):
        assert len(row["starts"]) == len(row["text"].split())
        known = [start for start in row["starts"] if start is not None]
        duration = soundfile.info(folder / row["file_name"]).duration
        assert known == sorted(known) and known[0] == row["starts"][0]
        assert 0.05 <= known[0] <= 0.35 and known[-1] < duration - 0.1


def test_all_voices_and_accents_are_there():
    voices = [voice for some in spoken_numbers.VOICES.values() for voice in some]
    speakers = [f"en-us+{voice}" for voice in voices]
    speakers += [f"{accent}+m3" for accent in spoken_numbers.ACCENTS]
    sounds = {
        espeak.synthesize("half past nine on thursday", name)[0].tobytes() for name in speakers
    }
    assert len(sounds) == len(set(speakers))
    assert len(speakers) > 50


def test_the_same_in_another_process_and_by_seed(tmp_path, folder, splits):
    again, other = tmp_path / "again", tmp_path / "other"
    again.mkdir()
    code = (
        f"from pipelines.builtin import spoken_numbers as s; s.write({str(again)!r}, **{SMALL!r})"
    )
    root = str(Path(__file__).parents[4])
    environment = os.environ | {"PYTHONHASHSEED": "13", "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert read(again) == splits
    for row in (row for rows in splits.values() for row in rows):
        name = row["file_name"]
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    other.mkdir()
    spoken_numbers.write(other, **{**SMALL, "train": 3}, seed=1)
    assert read(other)["test"] != splits["test"]


@pytest.mark.slow
def test_full_size(tmp_path):
    spoken_numbers.write(tmp_path)
    splits = read(tmp_path)
    counts = {split: len(rows) for split, rows in splits.items()}
    assert counts == {"train": 4_800, "validation": 200, "test": 400}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 220e6
    sounds = [path for path in files if path.suffix == ".flac"]
    assert 2 < np.mean([soundfile.info(path).duration for path in sounds]) < 3
    assert len({row["speaker"] for row in splits["test"]}) > 40
    known = {word for row in splits["train"] for word in row["text"].split()}
    assert known >= {word for row in splits["test"] for word in row["text"].split()}
