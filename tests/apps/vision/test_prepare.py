import pytest

from apps.vision import data, train
from apps.vision.preparation import PreparedImages
from tests.apps import commands, prepared
from tests.apps.captioning.tiny import TinyNet
from tests.apps.vision import tiny

COUNTS = {"red": 7, "green": 5, "blue": 11}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    for size, split in ((11, "train"), (13, "validation"), (17, "test")):  # No two files the same.
        tiny.write_classes(folder, COUNTS, (split,), size)
    (folder / "train" / "red" / "3.png").write_text("no image")
    return folder


def drawn(dataset, **settings):
    config = prepared.config_of("vision", dataset=dataset, batch_size=5, **settings)
    rows = data.read(config)
    config = data.fit_training(config, rows["train"])
    splits = data.open_splits(rows, config, data.count_channels(rows["train"]))
    names = data.class_names(splits[0].rows)
    validation = data.with_known_labels(splits[1], names)
    batches = data.training_batches(splits[0], names, config)
    return config, names, splits, batches, data.validation_batches(validation, names, config)


@pytest.mark.parametrize("frozen", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_batches_are_those_of_the_plain_data_set(plain, tmp_path, frozen):
    settings = {"crop": 1} if not frozen else {}
    fixed = {}
    if frozen:
        path = tmp_path / "network.keras"
        TinyNet(include_top=False, weights="imagenet", input_shape=(24, 24, 3)).save(path)
        fixed = {"backbone": path, "freeze": True, "flip": True, "image_size": 24}
    folder = prepared.prepare(
        "vision", PreparedImages, tmp_path / "set", dataset=plain, shard_size=0.002, **fixed
    )
    one, other = drawn(plain, **fixed, **settings), drawn(folder, **settings)
    assert other[0].image_size == one[0].image_size == (24 if frozen else 12)
    assert one[1] == other[1] == sorted(COUNTS)
    assert [len(split.rows) for split in other[2]] == [22, 23, 23]
    assert (other[2][0].mirrored is not None) == frozen
    prepared.assert_same(one[3], other[3])
    prepared.assert_same(one[4], other[4])
    for split, prepared_ in zip(one[2], other[2], strict=True):
        assert split.labels(one[1]).tolist() == prepared_.labels(one[1]).tolist()
        assert prepared.rows_of(split.rows) == prepared.rows_of(prepared_.rows)


def test_labels_that_are_new_are_left_out(plain, tmp_path):
    (plain / "test" / "red").rename(plain / "test" / "pink")
    try:
        folder = prepared.prepare("vision", PreparedImages, tmp_path / "set", dataset=plain)
    finally:
        (plain / "test" / "pink").rename(plain / "test" / "red")
    test = data.read(prepared.config_of("vision", dataset=folder), ["test"])["test"]
    split = data.open_split(test, 12, 3)
    assert split.labels(sorted(COUNTS)).tolist().count(-1) == 7
    assert len(test) == sum(COUNTS.values())


def test_a_folder_for_another_application_is_one_line(plain, tmp_path, capsys):
    folder = prepared.prepare("vision", PreparedImages, tmp_path / "set", dataset=plain)
    from apps.captioning import train as captioning

    line = commands.refused(captioning.main, ["--dataset", folder], capsys)
    assert line == f"error: {folder} was prepared for vision, not for captioning"
    line = commands.refused(train.main, ["--dataset", folder, "--flip"], capsys)
    assert line.startswith(f"error: --flip does not go with {folder}")
