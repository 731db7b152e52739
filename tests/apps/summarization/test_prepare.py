import pytest

from apps.summarization import data
from apps.summarization.preparation import PreparedDocuments
from tests.apps import prepared
from tests.apps.summarization import tiny

SETTINGS = {"vocabulary_size": 300, "max_source": 40, "max_target": 12}


def drawn(dataset, **settings):
    config = prepared.config_of("summarization", dataset=dataset, tokens_per_batch=256, **settings)
    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    buckets = data.make_buckets(rows["train"], tokenizer, config)
    batches = data.training_batches(buckets, tokenizer, config)
    return rows, batches, data.validation_batches(rows["validation"], tokenizer, config)


SUBWORDS = pytest.param("subwords", marks=pytest.mark.slow)


@pytest.mark.parametrize("tokenizer", ["words", SUBWORDS])
def test_batches_are_those_of_the_plain_data_set(tmp_path, tokenizer):
    plain = tmp_path / "plain"
    plain.mkdir()
    tiny.write_documents(plain, train=29, validation=7, test=5)
    rows = tiny.read_lines(plain / "train.jsonl")
    rows[3]["summary"] = [rows[3]["summary"], rows[5]["summary"]]
    tiny.write_lines(plain / "train.jsonl", rows)
    settings = {"tokenizer": tokenizer, "copy": tokenizer == "words", **SETTINGS}
    folder = prepared.prepare(
        "summarization", PreparedDocuments, tmp_path / "set", dataset=plain, **settings
    )
    one, other = drawn(plain, **settings), drawn(folder)
    assert {split: list(rows) for split, rows in other[0].items()} == one[0]
    assert sum(other[1].counts) == 30 and len(other[0]["train"]) == 29
    prepared.assert_same(one[1], other[1])
    prepared.assert_same(one[2], other[2])
