import time

import pytest

from apps.translation import data
from apps.translation.preparation import PreparedPairs
from tests.apps import prepared
from tests.apps.translation import tiny

SETTINGS = {"vocabulary_size": 300, "max_target": 13}


def drawn(dataset, **settings):
    config = prepared.config_of("translation", dataset=dataset, tokens_per_batch=52, **settings)
    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    batches = data.training_batches(rows["train"], tokenizer, config)
    return rows, batches, data.validation_batches(rows["validation"], tokenizer, config)


def test_batches_are_those_of_the_plain_data_set(dates_folder, tmp_path):
    settings = {"dataset": dates_folder, **SETTINGS}
    folder = prepared.prepare("translation", PreparedPairs, tmp_path / "set", 0.005, **settings)
    plain, found = drawn(**settings), drawn(folder)
    assert len(list(folder.glob("train-*"))) > 1
    assert {split: list(rows) for split, rows in found[0].items()} == plain[0]
    prepared.assert_same(plain[1], found[1], start=11)  # As a killed training goes on.
    prepared.assert_same(plain[2], found[2])


@pytest.mark.slow
def test_plain_files_are_prepared_too(tmp_path):
    files = tiny.write_texts(tmp_path, tiny.make_dates(41))
    folder = prepared.prepare("translation", PreparedPairs, tmp_path / "set", **files, **SETTINGS)
    plain, found = drawn("dates", **files, **SETTINGS), drawn(folder)
    prepared.assert_same(plain[1], found[1])


@pytest.mark.slow
def test_a_training_is_that_of_the_plain_data_set_to_the_last_digit(
    trained, dates_folder, tmp_path
):
    result = prepared.train(tiny, tmp_path, dataset=dates_folder, **SETTINGS)
    history = (result.run / "history.csv").read_bytes()
    assert history == (trained.run / "history.csv").read_bytes()


@pytest.mark.slow
def test_a_preparation_is_killed_at_any_moment_and_ends_as_if_it_had_not_been(
    dates_folder, tmp_path
):
    def flags(output):
        settings = {"dataset": dates_folder, "shard_size": 0.0005, **SETTINGS}
        return tiny.flags(output=tmp_path / output, **settings)

    def contents(folder):
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        return {name: content for name, content in files.items() if name != ".preparing"}

    assert tiny.finish("prepare", *flags("whole"), folder=tmp_path).status == 0
    assert len(list((tmp_path / "whole").glob("train-*"))) > 5
    for files in (1, 4, 9):
        process = tiny.start("prepare", *flags("killed"), folder=tmp_path)
        while len(list((tmp_path / "killed").glob("*.npz"))) < files and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert not (tmp_path / "killed" / "prepared.json").exists()
    result = tiny.finish("prepare", *flags("killed"), folder=tmp_path)
    assert result.status == 0 and "files are there already" in result.out
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
