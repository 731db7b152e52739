import shutil

import pytest

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.understanding.tiny")

from tests.apps.understanding import tiny  # noqa: E402


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A small data set for each task, in the open layout."""
    return {task: tiny.write(task, tmp_path_factory.mktemp(task)) for task in tiny.TASKS}


@pytest.fixture(scope="session")
def trained(folders, tmp_path_factory):
    """Trains a run of a task once a session, and tells what came of it.

    One is trained as a user does, the others in this process, which has TensorFlow already.
    """
    results = {}

    def result_of(task):
        if task not in results:
            settings = tiny.flags(task=task, dataset=folders[task], name="tiny", **tiny.SETTINGS)
            train = tiny.finish if task == "sentiment" else tiny.finish_here
            results[task] = train("train", *settings, folder=tmp_path_factory.mktemp("work"))
            assert results[task].status == 0, results[task].err
        return results[task]

    return result_of


@pytest.fixture
def copied(trained, tmp_path):
    """Copies the run of a task alone, as it comes to another machine."""
    return lambda task: shutil.copytree(trained(task).run, tmp_path / f"copied-{task}")
