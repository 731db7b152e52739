import shutil

import pytest

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.vision.tiny")

from tests.apps import commands  # noqa: E402
from tests.apps.vision import tiny  # noqa: E402


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run of `python -m apps.vision.train` on the built-in digits."""
    settings = {**tiny.SETTINGS, "max_train": 64, "mixup": 0.2, "rand_augment": 1, "erasing": 0.1}
    flags = commands.flags(name="tiny", **settings)
    return tiny.finish_here("train", *flags, folder=tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def classifier(trained):
    """The run, opened once for all tests that only ask it."""
    from apps.vision.inference import Classifier

    return Classifier.load(trained.run)


@pytest.fixture
def copied(trained, tmp_path):
    """The run alone, as it comes to another machine."""
    return shutil.copytree(trained.run, tmp_path / "copied")
