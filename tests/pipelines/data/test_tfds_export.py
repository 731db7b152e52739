import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from pipelines.commands.errors import UserError
from pipelines.data import beam
from pipelines.data.tfds_export import Export
from tests.pipelines.data.exports import locate, read

PAIR = {"source": str, "target": str}
SUMMARY = {"document": str, "summary": (str, list)}
DOCUMENTS = {
    "document": ("document", "article", "dialogue", "email_body", "text"),
    "summary": ("summary", "highlights", "subject_line", "abstract"),
}
SPEECH = {"file_name": str, "text": str}
SOUNDS = {"file_name": ("speech", "audio", "voice"), "text": ("text", "sentence", "label")}
COUNTS = {"train": 5, "validation": 3, "test": 2}


@pytest.fixture
def mocked():
    """Every set has random texts in three splits."""
    import tensorflow_datasets as tfds

    infos = {
        split: tfds.core.SplitInfo(
            name=split, shard_lengths=[count], num_bytes=0, filename_template=None
        )
        for split, count in COUNTS.items()
    }
    with pytest.MonkeyPatch.context() as patch, tfds.testing.mock_data(num_examples=5):
        patch.setattr(tfds.core.DatasetInfo, "splits", infos)
        yield


@pytest.fixture
def phrases(mocked):
    """Every text of every set tells the name of its feature."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def as_dataset(builder, split, decoders, **kwargs):
        features = builder.info.features
        is_translation = isinstance(features, tfds.features.Translation)
        assert is_translation == (decoders is None), "a translation is parsed as a whole"
        features = features if is_translation else decoders.extract_features(features)
        example = {name: f" in {name} " for name in features}
        return tf.data.Dataset.from_tensors(example).repeat(COUNTS[split])

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        yield


def undigested(name):
    """The name of an exported folder without the digest at its end."""
    name, digest = name.rsplit("-", 1)
    assert len(digest) == 8 and int(digest, 16) >= 0
    return name


class TestTranslation:
    @pytest.mark.parametrize(
        ("name", "folder", "source", "target"),
        [
            ("wmt14_translate/de-en", "wmt14_translate-de-en-1.0.0", "de", "en"),
            ("ted_hrlr_translate/ru_to_en", "ted_hrlr_translate-ru_to_en-1.0.0", "ru", "en"),
        ],
    )
    def test_the_languages_are_those_of_the_set(
        self, phrases, tmp_path, name, folder, source, target
    ):
        found = locate(f"tfds:{name}", PAIR, tmp_path)
        assert undigested(found.name) == f"tfds-{folder}-source_{source}-target_{target}"
        for split, count in COUNTS.items():
            row = {"source": f"in {source}", "target": f"in {target}"}
            assert read(found, split) == [row] * count

    def test_the_languages_may_be_named(self, phrases, tmp_path):
        name, english = "tfds:wmt14_translate/de-en", {"source": ("en",), "target": ("de",)}
        turned = locate(name, PAIR, tmp_path, english)
        assert undigested(turned.name) == "tfds-wmt14_translate-de-en-1.0.0-source_en-target_de"
        row = {"source": "in en", "target": "in de"}
        assert read(turned, "test") == [row] * 2
        assert locate(name, PAIR, tmp_path) != turned
        same = {"source": ("de",), "target": ("en",)}
        assert locate(name, PAIR, tmp_path, same) == locate(name, PAIR, tmp_path)

    @pytest.mark.parametrize(
        ("name", "features", "message"),
        [
            ("wmt14_translate/de-en", {"target": ("fr",)}, "has no language 'fr': it has de, en"),
            (
                "wmt14_translate/de-en",
                {"source": ("en",)},
                ": source and target would both be 'en'",
            ),
            (
                "ted_multi_translate",
                {},
                "has nothing for the field 'source' (looked for source): "
                "its features are translations, talk_name",
            ),
            (
                "cifar10",
                {},
                "has nothing for the field 'source' (looked for source): "
                "its features are id, image, label",
            ),
        ],
    )
    def test_languages_that_are_not_there(self, mocked, name, features, message):
        with pytest.raises(UserError) as caught:
            Export(f"tfds:{name}", PAIR, features)
        assert str(caught.value).replace(f"tfds:{name}", "").lstrip() == message

    def test_a_translation_deeper_down(self, mocked, monkeypatch):
        import tensorflow_datasets as tfds

        languages = tfds.features.Translation(languages=["de", "en"])
        features = tfds.features.FeaturesDict({"id": np.int64, "translation": languages})
        monkeypatch.setattr(tfds.core.DatasetInfo, "features", features)
        paths = {"source": ("en", "translation/en"), "target": ("de", "translation/de")}
        export = Export("tfds:wmt14_translate/de-en", PAIR, paths)
        assert undigested(export.folder_name()).endswith(
            "-source_translation-en-target_translation-de"
        )
        assert export._parsed("translation/en") == ["translation"]
        example = {"translation": {"en": b"one", "de": b"eins"}}
        assert export._value("source", example) == "one"


class TestSummarization:
    @pytest.mark.parametrize(
        ("name", "document", "summary"),
        [
            ("aeslc", "email_body", "subject_line"),
            ("cnn_dailymail", "article", "highlights"),
            ("xsum", "document", "summary"),
            ("samsum", "dialogue", "summary"),
            ("billsum", "text", "summary"),
            ("gigaword", "document", "summary"),
        ],
    )
    def test_sets_are_exported(self, phrases, tmp_path, name, document, summary):
        folder = locate(f"tfds:{name}", SUMMARY, tmp_path, DOCUMENTS)
        assert folder.name.startswith(f"tfds-{name}-")
        assert undigested(folder.name).endswith("-document-summary")
        for split, count in COUNTS.items():
            row = {"document": f"in {document}", "summary": f"in {summary}"}
            assert read(folder, split) == [row] * count

    def test_a_sequence_stays_a_list(self, mocked):
        export = Export(
            "tfds:coco_captions", SUMMARY, {"document": ("image",), "summary": ("captions/text",)}
        )
        example = {"captions": {"text": np.array([b" one ", b"", b"two"], object)}}
        assert export._value("summary", example) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "fields"), [("para_crawl/ende", PAIR), ("scientific_papers/arxiv", SUMMARY)]
)
def test_what_the_set_itself_decodes(mocked, tmp_path, name, fields):
    folder = locate(f"tfds:{name}", fields, tmp_path, DOCUMENTS)
    rows = read(folder, "train")
    assert len(rows) == COUNTS["train"]
    assert all(isinstance(row[field], str) for row in rows for field in fields)


class TestSound:
    @pytest.mark.parametrize(
        ("samples", "expected"),
        [
            (np.array([0, -32_768, 32_767, 5], np.int16), [0, -32_768, 32_767, 5]),
            (np.array([1, -2, 32_767], np.int64), [1, -2, 32_767]),
            (np.array([1 << 16, -(1 << 31), 5 << 20], np.int64), [1, -(1 << 15), 5 << 4]),
            (np.array([0.5, -1.0, 0.25], np.float32), [1 << 14, -(1 << 15), 1 << 13]),
            (np.array([[1, 2], [3, 4], [5, 6]], np.int16), [[1, 2], [3, 4], [5, 6]]),
        ],
    )
    def test_samples_are_kept(self, mocked, samples, expected):
        export = Export("tfds:speech_commands", SPEECH, SOUNDS)
        encoded = export._value("file_name", {"audio": samples})
        read, rate = soundfile.read(io.BytesIO(encoded), dtype="int16")
        assert rate == 16_000 and read.tolist() == expected

    def test_the_set_itself_decodes(self, mocked, tmp_path):
        folder = locate("tfds:spoken_digit", SPEECH, tmp_path, SOUNDS)
        assert undigested(folder.name) == "tfds-spoken_digit-1.0.9-file_name-text"
        for split in COUNTS:
            rows = read(folder, split)
            assert len(rows) == 5
            for number, row in enumerate(rows):
                assert row["file_name"] == f"audio/{split}-{number:07d}.flac"
                assert row["text"] in "0123456789"
                assert soundfile.info(folder / row["file_name"]).samplerate == 8_000

    def test_a_set_that_does_not_tell_its_rate(self, mocked):
        export = Export("tfds:common_voice/en", SPEECH, SOUNDS)
        with pytest.raises(UserError, match="does not tell how many samples a second 'voice' has"):
            export._value("file_name", {"voice": np.zeros(3, np.int64)})

    @pytest.mark.parametrize(
        ("name", "ending", "parts"),
        [
            ("librispeech", "", ["train_clean100", "train_clean360", "train_other500"]),
            ("librispeech/clean", "-clean", ["train_clean100", "train_clean360"]),
            ("librispeech/other", "-other", ["train_other500"]),
        ],
    )
    def test_the_parts_of_librispeech(self, mocked, monkeypatch, tmp_path, name, ending, parts):
        import tensorflow_datasets as tfds

        names = "train_clean100 train_clean360 train_other500 dev_clean dev_other test_clean"
        infos = dict.fromkeys([*names.split(), "test_other"])
        monkeypatch.setattr(tfds.core.DatasetInfo, "splits", infos)
        monkeypatch.setattr(Export, "_rows", lambda _, folder, part: iter([{"part": part}]))
        export = Export(f"tfds:{name}", SPEECH, SOUNDS)
        assert (
            undigested(export.folder_name())
            == f"tfds-librispeech-default-2.1.1{ending}-file_name-text"
        )
        export.write(tmp_path)
        kind = "other" if ending == "-other" else "clean"
        expected = {"train": parts, "validation": [f"dev_{kind}"], "test": [f"test_{kind}"]}
        for split, names in expected.items():
            rows = read(tmp_path, split)
            assert [row["part"] for row in rows] == names


LABELLED = {"text": str, "label": str}
TEXT = {"text": ("text", "sentence", "review", "description"), "label": ("label",)}
TOKENS = {"tokens": ("tokens",), "tags": ("ner", "tags")}
ANSWERS = {"answers": {"text": ("answers/text",), "start": ("answers/answer_start",)}}


def give(monkeypatch, example):
    """Makes every set of one example, as often as its split has any."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def as_dataset(builder, split, decoders, **kwargs):
        wanted = decoders.extract_features(builder.info.features)
        assert set(wanted) == set(example)
        return tf.data.Dataset.from_tensors(example).repeat(COUNTS[split])

    monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", as_dataset)


class TestUnderstanding:
    @pytest.mark.parametrize(
        ("name", "text"),
        [("glue/sst2", "sentence"), ("imdb_reviews", "text"), ("ag_news_subset", "description")],
    )
    def test_labelled_texts(self, mocked, tmp_path, name, text):
        export = Export(f"tfds:{name}", LABELLED, TEXT)
        labels = export._builder.info.features["label"].names
        assert export._value("text", {text: b" a b "}) == "a b"
        assert export._value("label", {"label": np.int64(1)}) == labels[1]
        assert export._value("label", {"label": np.int64(-1)}) == ""
        rows = read(locate(f"tfds:{name}", LABELLED, tmp_path, TEXT), "train")
        assert len(rows) == COUNTS["train"] and {row["label"] for row in rows} <= set(labels)

    def test_tagged_tokens_stay_as_many(self, mocked, monkeypatch, tmp_path):
        fields = {"tokens": list, "tags": list}
        example = {"tokens": ["EU", " ", "Köln"], "ner": np.array([3, 0, 5])}
        give(monkeypatch, example)
        folder = locate("tfds:conll2003", fields, tmp_path, TOKENS)
        assert undigested(folder.name) == "tfds-conll2003-conll2003-1.0.0-tokens-tags"
        row = {"tokens": ["EU", " ", "Köln"], "tags": ["B-ORG", "O", "B-LOC"]}
        for split, count in COUNTS.items():
            assert read(folder, split) == [row] * count

    def test_answers_are_objects_and_contexts_keep_their_blanks(
        self, mocked, monkeypatch, tmp_path
    ):
        fields = {"context": str, "question": str, "answers": list}
        answers = {"text": ["Bonn", "Köln"], "answer_start": np.array([4, 9], "int32")}
        give(monkeypatch, {"context": " in Bonn", "question": "Where?", "answers": answers})
        folder = locate("tfds:squad", fields, tmp_path, ANSWERS)
        row = {
            "context": " in Bonn",
            "question": "Where?",
            "answers": [{"text": "Bonn", "start": 4}, {"text": "Köln", "start": 9}],
        }
        for split, count in COUNTS.items():
            assert read(folder, split) == [row] * count

    def test_questions_that_have_no_answer_are_left_out(self, mocked, monkeypatch, tmp_path):
        fields = {"context": str, "question": str, "answers": list}
        answers = {"text": np.array([], str), "answer_start": np.array([], "int32")}
        give(monkeypatch, {"context": "a", "question": "b", "answers": answers})
        folder = locate("tfds:squad/v2.0", fields, tmp_path, ANSWERS)
        assert [*folder.glob("[!.]*")] == []

    def test_a_number_alone_is_no_text(self, mocked):
        with pytest.raises(UserError, match="nothing for the field 'label'"):
            Export("tfds:glue/sst2", LABELLED, {**TEXT, "label": ("idx",)})


class TestStrangeFolders:
    """A prepared set may be a stranger's: no code of its folder is run."""

    @pytest.fixture
    def prepared(self, tmp_path):
        """A set that is prepared in a folder, which also holds the module of its feature."""
        folder = tmp_path / "strange" / "1.0.0"
        folder.mkdir(parents=True)
        info = {"name": "strange", "version": "1.0.0", "splits": [], "fileFormat": "tfrecord"}
        (folder / "dataset_info.json").write_text(json.dumps(info))
        (tmp_path / "evil_feature.py").write_text("open('ran', 'w').close()\nclass Evil: pass\n")

        def write(class_name):
            features = {
                "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
                "featuresDict": {"features": {"text": {"pythonClassName": class_name, "text": {}}}},
            }
            (folder / "features.json").write_text(json.dumps(features))
            return tmp_path

        return write

    @pytest.mark.parametrize("name", ["evil_feature.Evil", "tensorflow_datasets.evil_feature.Evil"])
    def test_no_module_is_imported_for_a_feature(self, prepared, name, tmp_path, monkeypatch):
        folder = prepared(name)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(UserError, match=f"its features are of a class of their own, {name}"):
            Export("tfds:strange", {"text": str}, {}, folder)
        assert not (tmp_path / "ran").exists()
        assert "evil_feature" not in sys.modules

    def test_features_of_the_library_are_found(self, prepared):
        folder = prepared("tensorflow_datasets.core.features.text_feature.Text")
        assert Export("tfds:strange", {"text": str}, {}, folder).name == "tfds:strange"


def test_a_set_that_is_made_with_beam_is_given_its_runner(monkeypatch):
    given = {}
    builder = SimpleNamespace(download_and_prepare=lambda **options: given.update(options))
    Export._prepare(SimpleNamespace(_builder=builder))
    assert given == {}
    monkeypatch.setattr(beam, "preparation", lambda: {"download_config": "a runner"})
    Export._prepare(SimpleNamespace(_builder=builder))
    assert given == {"download_config": "a runner"}
