import shutil

import pytest

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.speech.tiny")

from tests.apps.speech import tiny  # noqa: E402


@pytest.fixture(scope="session")
def tones_folder(tmp_path_factory):
    """A few melodies in the open layout."""
    return tiny.write_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def trained(tones_folder, tmp_path_factory):
    """A run of `python -m apps.speech.train`, as a user starts it."""
    settings = tiny.flags(dataset=tones_folder, name="tiny", **tiny.SETTINGS)
    result = tiny.finish("train", *settings, folder=tmp_path_factory.mktemp("work"))
    assert result.status == 0, result.err
    return result


@pytest.fixture
def copied(trained, tmp_path):
    """The run alone, as it comes to another machine."""
    return shutil.copytree(trained.run, tmp_path / "copied")
