from typing import ClassVar

import keras
import numpy as np
import pytest

from apps.captioning import data, prepare, train
from apps.captioning.inference import Captioner
from apps.captioning.preparation import PreparedCaptions
from pipelines.images import image_files
from tests.apps import prepared
from tests.apps.captioning import tiny
from tests.apps.contract import Help

PIXELS = {"image_size": tiny.SIZE, "vocabulary_size": 400}


@pytest.fixture(scope="module")
def folder(scenes_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared") / "scenes"
    return prepared.prepare("captioning", PreparedCaptions, output, dataset=scenes_folder, **PIXELS)


def drawn(dataset, **settings):
    """Training and validation `Batches` of a data set."""
    config = prepared.config_of("captioning", dataset=dataset, **settings)
    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    training = data.open_split(rows["train"], config, flip=config.flip)
    validation = data.open_split(rows["validation"], config)
    groups = data.group_captions(training, tokenizer, config)
    batches = data.training_batches(training, groups, config)
    return training, batches, data.validation_batches(validation, tokenizer, config)


class TestPixels:
    SETTINGS: ClassVar = {**PIXELS, "captions_per_picture": 2, "batch_size": 3, "max_tokens": 9}

    def test_batches_are_those_of_the_plain_data_set(self, scenes_folder, folder):
        assert len(list(folder.glob("train-*"))) > 1
        plain, prepared_ = drawn(scenes_folder, **self.SETTINGS), drawn(folder, **self.SETTINGS)
        assert prepared.rows_of(plain[0].rows) == prepared.rows_of(prepared_[0].rows)
        for one, other in zip(plain[1:], prepared_[1:], strict=True):
            prepared.assert_same(one, other)

    def test_what_cannot_be_read_is_left_out(self, scenes_folder, folder):
        there = len(tiny.read_lines(scenes_folder / "train.jsonl"))
        assert (
            len(data.read(prepared.config_of("captioning", dataset=folder))["train"]) == there - 1
        )

    def test_the_files_of_held_out_images_are_in_the_folder(self, scenes_folder, folder):
        config = prepared.config_of("captioning", dataset=folder)
        for row in data.read(config, ["test"])["test"]:
            assert row["path"].is_relative_to(folder)
            original = scenes_folder / row["file_name"]
            assert row["path"].read_bytes() == original.read_bytes()

    def test_a_run_on_other_images_reads_those_files(self, folder):
        config = prepared.config_of("captioning", dataset=folder)
        rows = data.read(config, ["test"])["test"]
        other = data.open_split(rows, prepared.config_of("captioning", image_size=32))
        pixels = image_files.load(rows[5]["path"], 32)
        np.testing.assert_array_equal(other.arrays[0][other.inputs[0][5]], pixels)


@pytest.mark.slow
def test_features_come_with_their_mirrored_ones_and_their_network(
    scenes_folder, network, tmp_path, monkeypatch
):
    settings = {"backbone": network, "image_size": tiny.SIZE, "flip": True, "max_train": 13}
    folder = prepared.prepare(
        "captioning", PreparedCaptions, tmp_path / "set", dataset=scenes_folder, **settings
    )
    plain, found = drawn(scenes_folder, **settings), drawn(folder, batch_size=2)
    assert found[0].grid == plain[0].grid == tiny.GRID and len(found[0].inputs) == 2
    prepared.assert_same(plain[1], found[1])
    prepared.assert_same(plain[2], found[2])
    copy = keras.saving.load_model(found[0].backbone)
    assert copy.count_params() == keras.saving.load_model(network).count_params()
    assert found[0].backbone.parent == folder


def test_a_flag_that_contradicts_the_folder_is_one_line(folder, capsys):
    line = tiny.refused(train.main, ["--dataset", folder, "--image-size", 64], capsys)
    assert line == (
        f"error: --image-size 64 does not go with {folder}, which was prepared with --image-size "
        f"{tiny.SIZE}: leave the flag out, or prepare the data set again"
    )


def test_a_folder_from_elsewhere_names_no_network(scenes_folder, network, tmp_path, capsys, folder):
    other = tmp_path / "other"
    other.mkdir()
    text = (
        (folder / "prepared.json").read_text().replace('"backbone": null', '"backbone": "/x.keras"')
    )
    (other / "prepared.json").write_text(text)
    line = tiny.refused(train.main, ["--dataset", other], capsys)
    assert line.endswith(
        "was not prepared on this machine and asks for --backbone /x.keras: give the flag yourself"
    )


def test_help_is_quick_and_documents_every_field():
    class Captioning(Help):
        application = "captioning"

    Captioning().test_help_is_quick_and_documents_every_field("prepare", "Preparation")


def test_where_to_is_to_be_said(capsys):
    assert "--output is missing" in tiny.refused(prepare.main, [], capsys)


@pytest.mark.slow
def test_a_training_is_that_of_the_plain_data_set_to_the_last_digit(
    trained, scenes_folder, tmp_path
):
    settings = {**PIXELS, "vocabulary_size": 512}
    result = prepared.train(tiny, tmp_path, dataset=scenes_folder, **settings)
    for name in ("history.csv", "captions_test.jsonl"):
        assert (result.run / name).read_bytes() == (trained.run / name).read_bytes()
    metrics = Captioner.load(result.run).evaluate(
        data.read(prepared.config_of("captioning", dataset=tmp_path / "set"), ["test"])["test"]
    )
    assert metrics["bleu_1"] > 0
