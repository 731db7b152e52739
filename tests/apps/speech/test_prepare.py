import numpy as np
import pytest

from apps.speech import data, train
from apps.speech.preparation import PreparedSpeech
from pipelines.audio.front_ends import LogMels
from pipelines.commands import left_out
from tests.apps import prepared
from tests.apps.speech import tiny

SETTINGS = {"units": "word", "vocabulary_size": 16}


@pytest.fixture(scope="module")
def folder(tones_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared") / "tones"
    settings = {"dataset": tones_folder, "speed_perturbation": True, **SETTINGS}
    return prepared.prepare("speech", PreparedSpeech, output, shard_size=0.4, **settings)


def drawn(dataset, **settings):
    config = prepared.config_of("speech", dataset=dataset, seconds_per_batch=4.0, **settings)
    rows = data.read(config)
    utterances = data.listen(rows["train"], config, training=True)
    validation = data.listen(rows["validation"], config)
    config = data.limit_pieces(utterances, config)
    units = data.train_tokenizer(rows["train"], config)
    normalization = data.train_normalization(rows["train"], utterances)
    front_end = LogMels(normalization, config.max_seconds)
    tokens = data.encode(utterances, units, front_end, config)
    batches = data.training_batches(utterances, tokens, front_end, config)
    held_out = data.validation_batches(validation, units, front_end, config)
    model = data.train_language_model(rows["train"], units, config)
    return utterances, tokens, normalization, model, batches, held_out


def test_batches_are_those_of_the_plain_data_set(tones_folder, folder):
    left_out.begin(0.9)
    settings = {"noise": True, "time_masks": 1, "max_seconds": 0.915}
    plain = drawn(tones_folder, speed_perturbation=True, **SETTINGS, **settings)
    found = drawn(folder, **settings)
    assert len(list(folder.glob("train-*"))) > 1 and len(found[0].rows) == 23
    assert plain[0].hours(plain[1]) == found[0].hours(found[1]) > 0
    assert 0 < sum(ids is not None for ids in plain[1]) < 23  # Some are too long at one speed.
    for one, other in zip(plain[1], found[1], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(plain[2], found[2], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(plain[3].log_probs([1]), found[3].log_probs([1]))
    prepared.assert_same(plain[4], found[4])
    prepared.assert_same(plain[5], found[5])


def test_held_out_audio_is_in_the_folder(tones_folder, folder):
    config = prepared.config_of("speech", dataset=folder)
    utterances = data.listen(data.read(config, ["test"])["test"], config)
    original = data.listen(
        data.read(prepared.config_of("speech", dataset=tones_folder), ["test"])["test"], config
    )
    assert len(utterances.rows) == 3
    for place, row in enumerate(utterances.rows):
        assert row["file_name"].startswith(str(folder))
        np.testing.assert_array_equal(utterances.recordings[place], original.recordings[place])
        np.testing.assert_array_equal(utterances.store[place], original.store[place])


def test_other_units_are_one_line(folder, capsys):
    line = tiny.refused(train.main, ["--dataset", folder, "--units", "character"], capsys)
    assert line.startswith(f"error: --units character does not go with {folder}, which was")
    line = tiny.refused(train.main, ["--dataset", folder, "--no-speed-perturbation"], capsys)
    assert "which was prepared with --speed-perturbation" in line


@pytest.mark.slow
def test_a_training_is_that_of_the_plain_data_set_to_the_last_digit(
    trained, tones_folder, tmp_path
):
    result = prepared.train(tiny, tmp_path, dataset=tones_folder, **SETTINGS)
    history = (result.run / "history.csv").read_bytes()
    assert history == (trained.run / "history.csv").read_bytes()
    result = tiny.finish("evaluate", "--run", result.run, folder=tmp_path)
    assert result.status == 0, result.err
