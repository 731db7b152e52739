import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.builtin.spoken_numbers import espeak
from pipelines.commands.errors import UserError

TEXT = "turn the light off in room twelve"


def digest(samples):
    return hashlib.sha256(samples.tobytes()).hexdigest()


def fundamental(samples):
    """The median frequency of the voiced frames in Hz, by autocorrelation."""
    found = []
    for start in range(0, len(samples) - 1_200, 600):
        frame = samples[start : start + 1_200]
        correlation = np.correlate(frame, frame, "full")[1_199:]
        lag = 55 + np.argmax(correlation[55:400])
        if correlation[lag] > 0.6 * max(correlation[0], 1e-3):
            found.append(espeak.SAMPLE_RATE / lag)
    return np.median(found)


def test_samples_of_a_voice():
    samples, _ = espeak.synthesize(TEXT, "en-us+m3")
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert 0.2 < np.abs(samples).max() <= 1
    assert 1.4 < len(samples) / espeak.SAMPLE_RATE < 2.6


@pytest.mark.parametrize("voice", ["en-us+f3", "en-gb-scotland+m1", "en-029+klatt3"])
def test_the_same_whatever_was_spoken_before(voice):
    samples, starts = espeak.synthesize(TEXT, voice)
    espeak.synthesize("four hundred and seven", "en+croak", rate=210, pitch=77)
    again, starts_again = espeak.synthesize(TEXT, voice)
    np.testing.assert_array_equal(again, samples)
    assert starts_again == starts


def test_the_same_in_another_process():
    code = (
        "import hashlib; from pipelines.builtin.spoken_numbers import espeak; "
        f"samples, _ = espeak.synthesize({TEXT!r}, 'en-us+f3'); "
        "print(hashlib.sha256(samples.tobytes()).hexdigest())"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert result.stdout.strip() == digest(espeak.synthesize(TEXT, "en-us+f3")[0])


def test_threads_take_turns():
    texts = ["one two three", "the third of march", "half past seven", TEXT, "page nine"]
    alone = [digest(espeak.synthesize(text, "en+f2")[0]) for text in texts]
    with ThreadPoolExecutor(3) as pool:
        together = pool.map(lambda text: digest(espeak.synthesize(text, "en+f2")[0]), texts)
        assert list(together) == alone


def test_rate_and_pitch():
    fast, slow = (len(espeak.synthesize(TEXT, "en+m3", rate=rate)[0]) for rate in (200, 100))
    assert 1.6 < slow / fast < 2.2
    low, high = (
        fundamental(espeak.synthesize("one nine one nine", "en+m3", pitch=pitch)[0])
        for pitch in (20, 80)
    )
    assert high > 1.3 * low


def test_a_word_begins_where_the_pause_before_it_ends():
    samples, (first, second) = espeak.synthesize("seven, four", "en-us+m3")
    assert first == 0
    begin = round(second * espeak.SAMPLE_RATE)
    tenth = espeak.SAMPLE_RATE // 10
    assert np.abs(samples[begin - tenth : begin]).max() < 0.01
    assert np.abs(samples[begin : begin + 2 * tenth]).max() > 0.1


def test_words_that_are_joined_have_no_start_of_their_own():
    text = "the end of the day in room café two"
    samples, starts = espeak.synthesize(text, "en-us+m3")
    known = [start for start in starts if start is not None]
    assert len(starts) == len(text.split()) and starts[3] is None
    assert known == sorted(known) and known[-1] < len(samples) / espeak.SAMPLE_RATE
    assert starts[-2:] == known[-2:]


@pytest.mark.parametrize("voice", ["en-uss", "en-us+nobody", "en-us+", "en-us+../mb/mb-us1"])
def test_an_unknown_voice(voice):
    with pytest.raises(ValueError, match="Expected a voice of eSpeak NG, such as en-us"):
        espeak.synthesize(TEXT, voice)
    assert len(espeak.synthesize("one", "en")[0])


class TestNotInstalled:
    def test_no_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "espeakng_loader", None)
        with pytest.raises(UserError, match=r"^eSpeak NG, which .* \(package espeakng-loader\)$"):
            espeak.synthesize(TEXT, "en")

    def test_no_library(self, monkeypatch, tmp_path):
        loader = SimpleNamespace(get_library_path=lambda: str(tmp_path / "libespeak-ng.so"))
        monkeypatch.setitem(sys.modules, "espeakng_loader", loader)
        with pytest.raises(UserError, match=r"libespeak-ng\.so: .*package espeakng-loader\)$"):
            espeak.synthesize(TEXT, "en")

    def test_no_voices(self, monkeypatch, tmp_path):
        import espeakng_loader

        monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
        with pytest.raises(UserError, match=f"cannot read its voices in {tmp_path}"):
            espeak.synthesize(TEXT, "en")
