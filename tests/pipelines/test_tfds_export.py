import numpy as np
import pytest

from pipelines import sources
from pipelines.console import UserError
from pipelines.tfds_export import Export

PAIR = {"source": str, "target": str}
SUMMARY = {"document": str, "summary": (str, list)}
DOCUMENTS = {
    "document": ("document", "article", "dialogue", "email_body", "text"),
    "summary": ("summary", "highlights", "subject_line", "abstract"),
}
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


def locate(name, fields, cache_dir, features=None):
    features = features or {}
    return sources.locate(name, {}, fields=fields, tfds_features=features, cache_dir=cache_dir)


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
        assert found.name == f"tfds-{folder}-source_{source}-target_{target}"
        for split, count in COUNTS.items():
            row = {"source": f"in {source}", "target": f"in {target}"}
            assert sources.read_split(found, split, PAIR) == [row] * count

    def test_the_languages_may_be_named(self, phrases, tmp_path):
        name, english = "tfds:wmt14_translate/de-en", {"source": ("en",), "target": ("de",)}
        turned = locate(name, PAIR, tmp_path, english)
        assert turned.name == "tfds-wmt14_translate-de-en-1.0.0-source_en-target_de"
        row = {"source": "in en", "target": "in de"}
        assert sources.read_split(turned, "test", PAIR) == [row] * 2
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
        assert export.folder_name.endswith("-source_translation-en-target_translation-de")
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
        assert folder.name.endswith("-document-summary")
        for split, count in COUNTS.items():
            row = {"document": f"in {document}", "summary": f"in {summary}"}
            assert sources.read_split(folder, split, SUMMARY) == [row] * count

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
    rows = sources.read_split(folder, "train", fields)
    assert len(rows) == COUNTS["train"]
    assert all(isinstance(row[field], str) for row in rows for field in fields)
