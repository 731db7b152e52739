import pytest

from apps.understanding import data, train
from apps.understanding.preparation import PreparedTexts
from tests.apps import prepared
from tests.apps.understanding import tiny

SETTINGS = {"vocabulary_size": 320, "max_length": 96, "max_question": 24, "overlap": 16}


def drawn(dataset, **settings):
    config = prepared.config_of("understanding", dataset=dataset, tokens_per_batch=256, **settings)
    rows = data.read(config)
    tokenizer = data.make_tokenizer(rows["train"], config)
    classes = data.make_classes(rows["train"], config)
    batches = data.training_batches(rows["train"], tokenizer, classes, config)
    held_out = data.training_batches(rows["validation"], tokenizer, classes, config)
    return config, rows, classes, batches, held_out


@pytest.mark.parametrize("task", tiny.TASKS)
def test_batches_are_those_of_the_plain_data_set(folders, tmp_path, task):
    settings = {"task": task, "tokenizer": tiny.TOKENIZERS[task], **SETTINGS}
    folder = prepared.prepare(
        "understanding", PreparedTexts, tmp_path / "set", dataset=folders[task], **settings
    )
    plain, found = drawn(folders[task], **settings), drawn(folder)
    assert found[0].task == task and found[2] == plain[2]
    assert {split: list(rows) for split, rows in found[1].items()} == plain[1]
    prepared.assert_same(plain[3], found[3])
    prepared.assert_same(plain[4], found[4])


def test_another_task_is_one_line(folders, tmp_path, capsys):
    folder = prepared.prepare(
        "understanding", PreparedTexts, tmp_path / "set", dataset=folders["ner"], task="ner"
    )
    line = tiny.refused(train.main, ["--dataset", folder, "--task", "qa"], capsys)
    assert line.startswith(f"error: --task qa does not go with {folder}, which was prepared with")
