import numpy as np
import pytest

from pipelines.audio import audio_files
from pipelines.audio.recordings import Recordings, report_unreadable
from pipelines.commands.errors import UserError


@pytest.fixture
def files(tmp_path):
    """Of 100, 200, 300 and 400 samples."""
    rng = np.random.default_rng(0)
    files = [tmp_path / f"{number}.wav" for number in range(4)]
    for number, file in enumerate(files, 1):
        audio_files.write(file, rng.uniform(-0.5, 0.5, 100 * number))
    return files


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are read, as they are."""
    names, read = [], audio_files.read

    def count(file, **options):
        names.append(file.name)
        return read(file, **options)

    monkeypatch.setattr(audio_files, "read", count)
    return names


def test_a_file_is_read_once_and_when_it_is_asked_for(files, reads):
    recordings = Recordings(files)
    assert (len(recordings), reads) == (4, [])
    np.testing.assert_array_equal(recordings[2], audio_files.read(files[2]))
    assert recordings[2] is recordings[2]
    assert reads == ["2.wav", "2.wav"]  # One of these was the test's.


def test_what_goes_beyond_memory_is_read_again(files, reads):
    recordings = Recordings(files, kept=450)
    for _ in range(2):
        assert [len(each) for each in recordings] == [100, 200, 300, 400]
    # There is room for the first two; the last one read stays until another is.
    assert reads == ["0.wav", "1.wav", "2.wav", "3.wav", "2.wav", "3.wav"]
    assert recordings[3] is recordings[3] and len(reads) == 6


def test_a_scan_counts_samples_and_finds_what_is_no_audio(files, reads):
    files[1].write_bytes(b"no audio")
    recordings = Recordings(files)
    first, wrong, *others = recordings.scan()
    assert [first, *others] == [100, 300, 400]
    assert isinstance(wrong, UserError) and f"cannot read {files[1]}" in str(wrong)
    chosen = recordings.select([3, 0])
    assert [len(each) for each in chosen] == [400, 100]
    assert sorted(reads) == ["0.wav", "1.wav", "2.wav", "3.wav"]


def test_a_scan_tells_what_is_odd_about_the_samples(files, capsys):
    audio_files.write(files[2], np.tile([1.0, 1.0, 1.0, -1.0], 90))
    Recordings(files).scan()
    said = capsys.readouterr()
    assert said.err == f"1 of 4 audio files have clipping, the first is {files[2]}\n"


def test_samples_stay_as_they_are(files):
    samples = np.linspace(-1, 1, 7, dtype="float32")
    recordings = Recordings([samples, files[0], samples.astype("float64")])
    assert recordings[0] is samples and recordings[2].dtype == "float32"
    assert recordings.scan() == [7, 100, 7]


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 5)), np.zeros(0), np.zeros(5, "int16")], ids=["2d", "empty", "int"]
)
def test_what_are_no_samples(samples):
    with pytest.raises(ValueError, match=r"Expected float samples .* Received: shape"):
        Recordings([samples])


def test_what_is_left_out_is_counted(capsys):
    report_unreadable([], 3)
    assert capsys.readouterr().out == ""
    report_unreadable(["b.wav"], 3)
    assert capsys.readouterr().out == (
        "audio files: 1 of 3 left out, the first is b.wav (no such file or directory: 1); "
        "2 remain\n"
    )
    with pytest.raises(UserError, match=r"^a\.wav: no such file or directory$"):
        report_unreadable(["a.wav"], 1)
    with pytest.raises(UserError, match=r"^there is no audio file to read$"):
        report_unreadable([], 0)
