import shutil

import pytest

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.summarization.tiny")

from tests.apps.summarization import tiny  # noqa: E402


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """A few documents in the open layout."""
    folder = tmp_path_factory.mktemp("documents")
    return tiny.write_documents(folder, train=64, validation=7, test=5)


@pytest.fixture(scope="session")
def trained(documents, tmp_path_factory):
    """A run of `python -m apps.summarization.train`."""
    settings = tiny.flags(dataset=documents, name="tiny", **tiny.SETTINGS)
    return tiny.finish_here("train", *settings, folder=tmp_path_factory.mktemp("work"))


@pytest.fixture
def copied(trained, tmp_path):
    """The run alone, as it comes to another machine."""
    return shutil.copytree(trained.run, tmp_path / "copied")
