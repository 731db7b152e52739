import shutil

import pytest

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.translation.tiny")

from tests.apps.translation import tiny  # noqa: E402


@pytest.fixture(scope="session")
def dates_folder(tmp_path_factory):
    """A few dates in the open layout."""
    return tiny.write_dates(tmp_path_factory.mktemp("dates"))


@pytest.fixture(scope="session")
def trained(dates_folder, tmp_path_factory):
    """A run of `python -m apps.translation.train`."""
    settings = tiny.flags(dataset=dates_folder, name="tiny", **tiny.SETTINGS)
    return tiny.finish_here("train", *settings, folder=tmp_path_factory.mktemp("work"))


@pytest.fixture
def copied(trained, tmp_path):
    """The run alone, as it comes to another machine."""
    return shutil.copytree(trained.run, tmp_path / "copied")
