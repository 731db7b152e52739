import json
import tracemalloc

import pytest

from apps.translation import data
from apps.translation.config import Config
from pipelines.builtin import dates
from pipelines.commands.errors import UserError
from pipelines.data import rows as of_rows
from pipelines.data import sources
from pipelines.text import token_batches
from pipelines.text.tokenizer import END, START
from tests.apps.translation import tiny

FULL = {"train": 23, "validation": 5, "test": 7}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_dates(tmp_path / "set", **FULL)


def pairs(rows):
    return [(row["source"], row["target"]) for row in rows]


def counts(rows):
    return {split: len(rows[split]) for split in rows}


class TestFolder:
    def test_three_files(self, folder):
        rows = data.read(Config(dataset=str(folder)))
        assert counts(rows) == FULL
        assert rows["test"] == tiny.make_dates(7, first=28)

    def test_what_is_wanted_alone_is_read(self, folder):
        (folder / "train.jsonl").write_text("no JSON")
        assert counts(data.read(Config(dataset=str(folder)), ("test",))) == {"test": 7}

    def test_missing_splits_are_cut_from_train(self, folder, capsys):
        (folder / "validation.jsonl").unlink()
        (folder / "test.jsonl").unlink()
        rows = data.read(Config(dataset=str(folder)))
        assert counts(rows) == {"train": 19, "validation": 2, "test": 2}
        together = [row for split in sources.SPLITS for row in pairs(rows[split])]
        assert sorted(together) == sorted(pairs(tiny.make_dates(23)))
        said = "validation (2 lines) and test (2 lines) cut from train by a fixed seed\n"
        assert capsys.readouterr().out == said
        assert data.read(Config(dataset=str(folder)), ("test",)) == {"test": rows["test"]}

    def test_max_train(self, folder):
        rows = data.read(Config(dataset=str(folder), max_train=3))
        assert counts(rows) == {**FULL, "train": 3}
        assert rows["train"] == tiny.make_dates(3)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"source": "one"', "not JSON"),
            ('{"source": "one"}', "field 'target' is missing"),
            ('{"source": 1, "target": "a"}', "field 'source' must be a text, not a number"),
            ('{"source": "one", "target": " "}', "field 'target' is empty"),
        ],
    )
    def test_bad_lines(self, folder, line, message):
        path = folder / "train.jsonl"
        path.write_text(f'{{"source": "a", "target": "b"}}\n{line}\n{line}\n')
        with pytest.raises(UserError) as caught:
            data.read(Config(dataset=str(folder)))
        said = f"train: 2 of 3 left out, the first is {path}:2 ({message}"
        assert str(caught.value).startswith(said)

    def test_the_built_in_dates(self, monkeypatch):
        monkeypatch.setattr(dates, "VERSION", "tiny")
        monkeypatch.setattr(dates, "write", lambda folder: tiny.write_dates(folder, **FULL))
        assert counts(data.read(Config())) == FULL


class TestPlainFiles:
    @pytest.mark.parametrize("validation", [True, False])
    @pytest.mark.parametrize("test", [True, False])
    def test_what_is_not_given_is_cut_from_train(self, tmp_path, validation, test):
        files = tiny.write_texts(tmp_path, tiny.make_dates(23))
        given = {"validation": validation, "test": test}
        for first, (split, there) in enumerate(given.items(), 1):
            if there:
                own = tiny.make_dates(5, first=50 * first)
                files |= tiny.write_texts(tmp_path, own, f"{split}_")
        config = Config(**files)
        rows = data.read(config)
        cut = [split for split in given if not given[split]]
        assert counts(rows) == {
            "train": 23 - 2 * len(cut),
            **{split: 2 if split in cut else 5 for split in given},
        }
        from_train = [row for split in ["train", *cut] for row in pairs(rows[split])]
        assert sorted(from_train) == sorted(pairs(tiny.make_dates(23)))
        # Evaluation sees the same lines, though it wants no other split.
        for split in given:
            assert data.read(config, (split,))[split] == rows[split]

    def test_for_one_split_of_a_folder(self, folder, tmp_path):
        own = tiny.make_dates(3, first=50)
        rows = data.read(Config(dataset=str(folder), **tiny.write_texts(tmp_path, own, "test_")))
        assert counts(rows) == {**FULL, "test": 3}
        assert pairs(rows["test"]) == pairs(own)

    def test_for_the_test_alone_nothing_else_is_read(self, tmp_path):
        own = tiny.write_texts(tmp_path, tiny.make_dates(3), "test_")
        assert counts(data.read(Config(dataset="./gone", **own), ("test",))) == {"test": 3}

    def test_max_train(self, tmp_path):
        files = tiny.write_texts(tmp_path, tiny.make_dates(23))
        everything, few = (data.read(Config(max_train=n, **files)) for n in (None, 3))
        assert few == {**everything, "train": everything["train"][:3]}


class TestTensorFlowDatasets:
    @pytest.fixture(autouse=True)
    def phrases(self, monkeypatch):
        """Every text tells its language and its number."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        numbers = {"train": range(5), "validation": range(5, 8), "test": range(8, 10)}

        def as_dataset(builder, split, decoders, **kwargs):
            languages = builder.info.features.languages
            examples = [{x: f"{x} {number}" for x in languages} for number in numbers[split]]
            columns = {x: [example[x] for example in examples] for x in languages}
            return tf.data.Dataset.from_tensor_slices(columns)

        infos = {
            split: tfds.core.SplitInfo(
                name=split, shard_lengths=[len(rows)], num_bytes=0, filename_template=None
            )
            for split, rows in numbers.items()
        }
        with tfds.testing.mock_data(as_dataset_fn=as_dataset):
            monkeypatch.setattr(tfds.core.DatasetInfo, "splits", infos)
            yield

    def read(self, **languages):
        return data.read(Config(dataset="tfds:ted_hrlr_translate/ru_to_en", **languages))

    def test_the_languages_are_those_of_the_set(self):
        rows = self.read()
        assert counts(rows) == {"train": 5, "validation": 3, "test": 2}
        assert pairs(rows["test"]) == [("ru 8", "en 8"), ("ru 9", "en 9")]

    def test_languages_may_be_named(self):
        rows = self.read(source_language="en", target_language="ru")
        assert pairs(rows["test"]) == [("en 8", "ru 8"), ("en 9", "ru 9")]

    def test_a_language_that_is_not_there(self):
        with pytest.raises(UserError) as caught:
            self.read(source_language="de", target_language="en")
        assert str(caught.value) == (
            "tfds:ted_hrlr_translate/ru_to_en has no language 'de': it has en, ru"
        )

    def test_a_pair_of_languages_that_is_not_there(self):
        with pytest.raises(UserError) as caught:
            data.read(Config(dataset="tfds:ted_hrlr_translate/xx_to_en"))
        message = str(caught.value)
        assert message.startswith("cannot open tfds:ted_hrlr_translate/xx_to_en: unknown config")
        assert "did you mean" in message and "pt_to_en" in message
        assert "\n" not in message


class TestTokenizer:
    def test_it_is_made_from_both_sides_of_train_alone(self):
        train = [{"source": "ab ab ab", "target": "cd cd cd"}]
        tokenizer = data.train_tokenizer(train, Config())
        (sources_, targets, other) = tokenizer.encode(["ab", "cd", "ef"])
        assert len(sources_) == len(targets) == 3  # A merge each.
        assert len(other) > 3

    def test_its_size(self):
        # All the syllables there are, each twice.
        letters = "abcdefghij"
        words = [x + y for x in letters for y in letters]
        rows = [{"source": word, "target": word} for word in words]
        assert data.train_tokenizer(rows, Config(vocabulary_size=300)).vocabulary_size == 300


@pytest.mark.parametrize(
    ("month", "known"),
    [([0, 3], True), (["a"], False), ([1], False), (["a", "b"], False), ("ab", False)],
)
def test_a_field_called_month_may_be_something_else(month, known):
    assert data.knows_months([{"month": [1, 2]}, {"month": month}]) == known


def test_buckets_hold_cut_pairs(folder):
    rows = data.read(Config(dataset=str(folder)))["train"]
    config = Config(max_source=7, max_target=5, vocabulary_size=300, tokens_per_batch=29)
    tokenizer = data.train_tokenizer(rows, config)
    buckets = data.make_buckets(rows, tokenizer, config)
    assert sum(len(bucket.sources) for bucket in buckets) == 23
    for bucket in buckets:
        assert bucket.sources.shape[1] <= 7 and bucket.targets.shape[1] <= 6
        assert bucket.batch_size == 29 // max(bucket.sources.shape[1], bucket.targets.shape[1] - 1)
        assert (bucket.targets[:][:, 0] == START).all()
        assert ((bucket.sources[:] == END).sum(1) == 1).all()
        assert (bucket.targets[:] != END).all()  # All are longer than that.


@pytest.mark.parametrize(
    ("given", "rows", "chosen"),
    [
        (None, [{"month": [0, 3]}, {"month": [3, 6]}], "exact_match"),
        (None, [{}], "bleu"),
        (None, [{"month": [0, 3]}, {}], "bleu"),
        (None, [{"month": "May"}], "bleu"),
        ("chrf", [{"month": [0, 3]}], "chrf"),
    ],
)
def test_what_selects_the_model(given, rows, chosen):
    assert data.choose_monitor(rows, Config(monitor=given)) == chosen


def test_fields_that_are_not_known_are_kept(tmp_path):
    row = {"source": "one", "target": "eins", "by": "me"}
    for split in sources.SPLITS:
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row))
    assert data.read(Config(dataset=str(tmp_path)))["train"] == [row]


def test_nothing_on_the_way_to_batches_holds_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(of_rows, "AT_ONCE", 16)
    monkeypatch.setattr(token_batches, "AT_ONCE", 16)
    rows = [{"source": f"{n} word " * 9, "target": f"{n}", "note": "x" * 1_000} for n in range(997)]
    tiny.write_lines(tmp_path / "train.jsonl", rows)
    config = Config(dataset=str(tmp_path), vocabulary_size=300)
    few = [{"source": "a", "target": "b"}]  # What is made once is not counted.
    data.make_buckets(few, data.train_tokenizer(few, config), config)
    tracemalloc.start()
    try:
        training = data.read(config)["train"]
        tokenizer = data.train_tokenizer(training, config)
        buckets = data.make_buckets(training, tokenizer, config)
        assert sum(len(bucket.sources) for bucket in buckets) == len(training) == 797
        # The rows alone are more than a megabyte, and so are their ids in lists.
        assert tracemalloc.get_traced_memory()[1] < 600_000
    finally:
        tracemalloc.stop()
