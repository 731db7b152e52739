import shutil

import pytest

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.speech.tiny")

from tests.apps.speech import tiny  # noqa: E402


@pytest.fixture(scope="session")
def tones_folder(tmp_path_factory):
    """A few melodies in the open layout; two more to train on lack a text or their audio."""
    folder = tiny.write_tones(tmp_path_factory.mktemp("tones"))
    (folder / "broken.flac").write_bytes(b"fLaC")
    rows = tiny.read_lines(folder / "train.jsonl")
    rows.insert(3, {"file_name": "train_0.flac", "text": " "})
    rows.insert(5, {"file_name": "broken.flac", "text": "do"})
    tiny.write_lines(folder / "train.jsonl", rows)
    return folder


@pytest.fixture(scope="session")
def trained(tones_folder, tmp_path_factory):
    """A run of `python -m apps.speech.train`."""
    settings = tiny.flags(dataset=tones_folder, name="tiny", **tiny.SETTINGS)
    return tiny.finish_here("train", *settings, folder=tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def recognizer(trained):
    """That run, opened once."""
    from apps.speech.inference import Recognizer

    return Recognizer.load(trained.run)


@pytest.fixture
def copied(trained, tmp_path):
    """The run alone, as it comes to another machine."""
    return shutil.copytree(trained.run, tmp_path / "copied")
