import shutil

import pytest

from pipelines.builtin import scenes

pytest.register_assert_rewrite("tests.apps.commands", "tests.apps.captioning.tiny")

from tests.apps.captioning import tiny  # noqa: E402


@pytest.fixture(scope="session")
def scenes_folder(tmp_path_factory):
    """A small built-in data set, of whose training images one cannot be read."""
    folder = tmp_path_factory.mktemp("scenes")
    scenes.write(folder, train=48, validation=8, test=8)
    (folder / tiny.read_lines(folder / "train.jsonl")[5]["file_name"]).write_text("no image")
    return folder


@pytest.fixture(scope="session")
def trained(scenes_folder, tmp_path_factory):
    """A run of `python -m apps.captioning.train`, as a user starts it."""
    settings = tiny.flags(dataset=scenes_folder, name="tiny", **tiny.SETTINGS)
    result = tiny.finish("train", *settings, folder=tmp_path_factory.mktemp("work"))
    assert result.status == 0, result.err
    return result


@pytest.fixture(scope="session")
def captioner(trained):
    """The run, opened once for all tests that only ask it."""
    from apps.captioning.inference import Captioner

    return Captioner.load(trained.run)


@pytest.fixture
def copied(trained, tmp_path):
    """The run alone, as it comes to another machine."""
    return shutil.copytree(trained.run, tmp_path / "copied")


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The file of a tiny image network, to stand for a pretrained one."""
    shape = (tiny.SIZE, tiny.SIZE, 3)
    path = tmp_path_factory.mktemp("networks") / "network.keras"
    tiny.TinyNet(include_top=False, weights="imagenet", input_shape=shape).save(path)
    return path
