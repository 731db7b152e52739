from dataclasses import replace

import pytest

from apps.summarization import data
from apps.summarization.config import Config
from pipelines.commands.errors import UserError
from pipelines.data import sources
from pipelines.text.tokenizer import END, START, Tokenizer
from pipelines.text.word_tokenizer import UNKNOWN, WordTokenizer
from tests.apps.summarization import tiny

FULL = {"train": 23, "validation": 5, "test": 7}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_documents(tmp_path / "set", **FULL)


def counts(rows):
    return {split: len(rows[split]) for split in rows}


class TestRead:
    def test_three_files(self, folder):
        rows = data.read(Config(dataset=str(folder)))
        assert counts(rows) == FULL
        assert rows["train"] == tiny.make_documents(23)

    def test_what_is_wanted_alone_is_read(self, folder):
        (folder / "train.jsonl").write_text("no JSON")
        assert counts(data.read(Config(dataset=str(folder)), ("test",))) == {"test": 7}

    def test_missing_splits_are_cut_from_train(self, folder, capsys):
        (folder / "validation.jsonl").unlink()
        (folder / "test.jsonl").unlink()
        rows = data.read(Config(dataset=str(folder)))
        assert counts(rows) == {"train": 19, "validation": 2, "test": 2}
        together = [row["document"] for split in sources.SPLITS for row in rows[split]]
        assert sorted(together) == sorted(row["document"] for row in tiny.make_documents(23))
        said = "validation (2 lines) and test (2 lines) cut from train by a fixed seed\n"
        assert capsys.readouterr().out == said

    def test_max_train(self, folder):
        rows = data.read(Config(dataset=str(folder), max_train=3))
        assert counts(rows) == {**FULL, "train": 3}
        assert rows["train"] == tiny.make_documents(23)[:3]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"document": "one"', "not JSON"),
            ('{"document": "one"}', "field 'summary' is missing"),
            ('{"summary": "one"}', "field 'document' is missing"),
            ('{"document": ["a"], "summary": "b"}', "field 'document' must be a text, not a list"),
            ('{"document": "a", "summary": 3}', "field 'summary' must be a text, not a number"),
            ('{"document": "a", "summary": []}', "field 'summary' is empty"),
            ('{"document": "a", "summary": ["b", 3]}', "field 'summary' must be a text, not a"),
            ('{"document": "a", "summary": [" "]}', "field 'summary' is empty"),
        ],
    )
    def test_bad_lines(self, folder, line, message):
        path = folder / "train.jsonl"
        path.write_text(f'{{"document": "a", "summary": "b"}}\n{line}\n{line}\n')
        with pytest.raises(UserError) as caught:
            data.read(Config(dataset=str(folder)))
        said = f"train: 2 of 3 left out, the first is {path}:2 ({message}"
        assert str(caught.value).startswith(said)

    def test_the_built_in_docstrings(self, monkeypatch):
        makers = {"docstrings": lambda to: tiny.write_documents(to, **FULL)}
        monkeypatch.setattr(data, "DATA", replace(data.DATA, builtin=makers, version="tiny"))
        assert counts(data.read(Config())) == FULL

    def test_a_tensorflow_data_set(self, monkeypatch, tmp_path):
        import tensorflow as tf
        import tensorflow_datasets as tfds

        def as_dataset(builder, split, decoders, **kwargs):
            found = decoders.extract_features(builder.info.features)
            example = {name: f" in {name} of {split} " for name in found}
            return tf.data.Dataset.from_tensors(example).repeat(FULL[split])

        infos = {
            name: tfds.core.SplitInfo(
                name=name, shard_lengths=[count], num_bytes=0, filename_template=None
            )
            for name, count in FULL.items()
        }
        monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path))
        with tfds.testing.mock_data(as_dataset_fn=as_dataset):
            monkeypatch.setattr(tfds.core.DatasetInfo, "splits", infos)
            rows = data.read(Config(dataset="tfds:aeslc"))
        assert counts(rows) == FULL
        for split, lines in rows.items():
            expected = {
                "document": f"in email_body of {split}",
                "summary": f"in subject_line of {split}",
            }
            assert all(line == expected for line in lines)


class TestTokenizer:
    ROWS = (
        {"document": "one two two", "summary": ["two three", "four"]},
        {"document": "two", "summary": "three"},
    )

    def test_documents_and_all_summaries_share_the_words(self):
        tokenizer = data.train_tokenizer(self.ROWS, Config())
        assert isinstance(tokenizer, WordTokenizer)
        assert tokenizer.vocabulary[4:] == ("two", "three", "four", "one")

    def test_subwords(self):
        tokenizer = data.train_tokenizer(self.ROWS, Config(tokenizer="subwords"))
        assert isinstance(tokenizer, Tokenizer)
        assert tokenizer.decode(tokenizer.encode(["three 🐕"])[0]) == "three 🐕"

    @pytest.mark.parametrize("copy", [True, False])
    def test_ids_beyond_the_vocabulary_are_for_a_model_that_copies(self, copy, tmp_path):
        config = Config(copy=copy)
        trained = data.train_tokenizer(self.ROWS, config)
        trained.save(tmp_path)
        for tokenizer in (trained, data.load_tokenizer(tmp_path, config)):
            (ids,) = tokenizer.encode_sources(["one Kim"], 9)
            assert ids[1] == (tokenizer.vocabulary_size + 1 if copy else UNKNOWN)

    def test_it_is_no_larger_than_asked(self):
        rows = [{"document": f"word{i}", "summary": "a"} for i in range(999)]
        assert data.train_tokenizer(rows, Config(vocabulary_size=300)).vocabulary_size == 300


def test_each_summary_is_a_pair_with_its_document():
    rows = [
        {"document": "a b Kim", "summary": ["b Kim", "a"]},
        {"document": "b a", "summary": "a Lee"},
    ]
    config = Config(max_source=9, max_target=9)
    tokenizer = WordTokenizer.train(["a a b b"], 6)
    pairs = [
        (sources[sources > 0].tolist(), targets[targets > 0].tolist())
        for bucket in data.make_buckets(rows, tokenizer, config)
        for sources, targets in zip(bucket.sources[:], bucket.targets[:], strict=True)
    ]
    assert sorted(pairs) == [
        ([4, 5, 6 + 2, END], [START, 4, END]),
        ([4, 5, 6 + 2, END], [START, 5, 6 + 2, END]),
        ([5, 4, END], [START, 4, UNKNOWN, END]),
    ]


def test_what_can_be_copied_stands_behind_the_labels():
    config = Config(max_source=9, max_target=9, tokens_per_batch=9)
    tokenizer = WordTokenizer.train(["a a b b"], 6)
    buckets = data.make_buckets([{"document": "a Kim", "summary": "Kim b"}], tokenizer, config)
    batches = data.training_batches(buckets, tokenizer, config)
    assert (batches.steps, batches.examples) == (1, 1)
    inputs, labels = next(iter(batches.open()))
    assert inputs["source"].numpy().tolist() == [[4, 6 + 1, END]]
    assert inputs["tokens"].numpy().tolist() == [[START, 6 + 1, 5]]
    assert labels.numpy().tolist() == [[6 + 1, 5, END, 4, 6 + 1, END]]


def test_what_has_no_word_is_not_learnt():
    config = Config(copy=False, max_source=9, max_target=9, tokens_per_batch=9)
    tokenizer = WordTokenizer.train(["a a b b"], 6, copies=False)
    buckets = data.make_buckets([{"document": "a Kim", "summary": "Kim b"}], tokenizer, config)
    inputs, labels = next(iter(data.training_batches(buckets, tokenizer, config).open()))
    assert inputs["tokens"].numpy().tolist() == [[START, UNKNOWN, 5]]
    assert labels.numpy().tolist() == [[0, 5, END]]


def test_the_summaries_of_a_row():
    assert data.references({"summary": "a"}) == ["a"]
    assert data.references({"summary": ["a", "b"]}) == ["a", "b"]
    assert data.references({"document": "a"}) == []
