import gzip
import io
import json
import random

import numpy as np
import pytest
from PIL import Image

from pipelines.commands.errors import UserError
from pipelines.data import sources
from pipelines.data.tfds_export import Export

FIELDS = {"file_name": str, "captions": list}
ROWS = [{"file_name": f"images/{i}.png", "captions": [f"caption {i}"]} for i in range(40)]


def write_lines(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path.parent


def names(rows):
    return [row["file_name"] for row in rows]


class TestLocate:
    def test_a_built_in_set_is_made_once_per_version(self, tmp_path):
        calls = []

        def write(folder):
            calls.append(folder)
            write_lines(folder / "train.jsonl", ROWS)

        builtin = {"scenes": write}
        first = sources.locate("scenes", builtin, cache_dir=tmp_path)
        again = sources.locate("scenes", builtin, cache_dir=tmp_path)
        assert first == again and len(calls) == 1
        assert sources.read_split(first, "train", FIELDS) == ROWS
        other = sources.locate("scenes", builtin, version="2", cache_dir=tmp_path)
        assert other != first and len(calls) == 2

    def test_an_interrupted_set_leaves_nothing_behind(self, tmp_path):
        def write(folder):
            (folder / "train.jsonl").write_text("half a li")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sources.locate("scenes", {"scenes": write}, cache_dir=tmp_path)
        assert list((tmp_path / "datasets").iterdir()) == []

    def test_another_run_may_be_faster(self, tmp_path):
        def write(folder):
            write_lines(folder / "train.jsonl", ROWS)
            write_lines(folder.parent / "scenes-1" / "train.jsonl", ROWS)

        folder = sources.locate("scenes", {"scenes": write}, cache_dir=tmp_path)
        assert [path.name for path in folder.parent.iterdir()] == ["scenes-1"]

    def test_a_folder_is_taken_as_it_is(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "photos").mkdir()
        assert sources.locate("photos", {}).resolve() == tmp_path / "photos"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("scene", r"^unknown data set 'scene'. Did you mean scenes\? Known: scenes, digits, "),
            ("zzz", r"^unknown data set 'zzz'. Known: scenes, digits, tfds:NAME, a folder\.$"),
            ("cifar10", r"'cifar10'. Did you mean tfds:cifar10\? Known"),
            ("imdb_review", r"'imdb_review'. Did you mean tfds:imdb_reviews\?"),
            ("data/zzz", "there is no folder data/zzz"),
            (__file__, "is a file"),
        ],
    )
    def test_an_unknown_name(self, name, message):
        with pytest.raises(UserError, match=message):
            sources.locate(name, {"scenes": None, "digits": None})


class TestReadSplit:
    def test_packed_or_not(self, tmp_path):
        (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}'))
        assert sources.read_split(tmp_path, "test", {"text": str}) == [{"text": "a"}]
        write_lines(tmp_path / "test.jsonl", [{"text": "b"}])
        assert sources.read_split(tmp_path, "test", {"text": str}) == [{"text": "b"}]

    def test_only_training_may_have_blank_texts(self, tmp_path):
        for split in ("train", "test"):
            write_lines(tmp_path / f"{split}.jsonl", [{"text": "one"}, {"text": ""}])
        rows = sources.read_split(tmp_path, "train", {"text": str}, may_be_blank="text")
        assert rows == [{"text": "one"}]
        with pytest.raises(UserError, match=r"test\.jsonl:2: field 'text' has an empty text"):
            sources.read_split(tmp_path, "test", {"text": str}, may_be_blank="text")

    @pytest.mark.parametrize("found", [[], ["captions.txt", "Images/a.jpg", ".hidden"]])
    def test_no_file(self, tmp_path, found):
        for name in found:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        with pytest.raises(UserError) as caught:
            sources.read_split(tmp_path, "train", FIELDS)
        assert str(caught.value) == (
            f"{tmp_path} has no train.jsonl: expected train.jsonl (validation.jsonl and test.jsonl "
            "are optional), one JSON object per line with file_name and captions. "
            f"Found: {'Images/, captions.txt' if found else 'nothing'}. "
            "See README, 'Your own data'."
        )


class TestReadSplits:
    def test_missing_splits_are_cut_from_train(self, tmp_path, capsys):
        splits = sources.read_splits(write_lines(tmp_path / "train.jsonl", ROWS), FIELDS)
        assert {split: len(rows) for split, rows in splits.items()} == {
            "train": 32,
            "validation": 4,
            "test": 4,
        }
        everything = [name for rows in splits.values() for name in names(rows)]
        assert sorted(everything) == sorted(names(ROWS))
        said = "validation (4 lines) and test (4 lines) cut from train by a fixed seed"
        assert said in capsys.readouterr().out

    def test_the_cut_does_not_depend_on_the_order_of_lines(self, tmp_path):
        shuffled = random.Random(1).sample(ROWS, len(ROWS))
        one = sources.read_splits(write_lines(tmp_path / "a" / "train.jsonl", ROWS), FIELDS)
        two = sources.read_splits(write_lines(tmp_path / "b" / "train.jsonl", shuffled), FIELDS)
        for split in sources.SPLITS:
            assert set(names(one[split])) == set(names(two[split]))

    def test_lines_of_one_file_stay_together(self, tmp_path):
        rows = [{**row, "captions": [caption]} for row in ROWS for caption in ("one", "two")]
        splits = sources.read_splits(write_lines(tmp_path / "train.jsonl", rows), FIELDS)
        assert len(splits["test"]) == 8
        assert set(names(splits["test"])).isdisjoint(names(splits["train"]))

    def test_splits_that_are_there_are_left_alone(self, tmp_path, capsys):
        for split, part in zip(sources.SPLITS, (ROWS[:20], ROWS[20:30], ROWS[30:]), strict=True):
            write_lines(tmp_path / f"{split}.jsonl", part)
        splits = sources.read_splits(tmp_path, FIELDS)
        assert splits == {"train": ROWS[:20], "validation": ROWS[20:30], "test": ROWS[30:]}
        assert capsys.readouterr().out == ""

    def test_nothing_is_read_that_is_not_wanted(self, tmp_path):
        for split in ("train", "validation"):
            (tmp_path / f"{split}.jsonl").write_text("broken")
        write_lines(tmp_path / "test.jsonl", ROWS[:3])
        assert sources.read_splits(tmp_path, FIELDS, ["test"]) == {"test": ROWS[:3]}
        (tmp_path / "validation.jsonl").unlink()
        assert sources.read_splits(tmp_path, FIELDS, ["test"]) == {"test": ROWS[:3]}
        with pytest.raises(UserError, match="not JSON"):
            sources.read_splits(tmp_path, FIELDS, ["validation"])

    def test_a_split_is_the_same_whatever_is_wanted(self, tmp_path):
        splits = sources.read_splits(write_lines(tmp_path / "train.jsonl", ROWS), FIELDS)
        for split, rows in splits.items():
            assert sources.read_splits(tmp_path, FIELDS, [split]) == {split: rows}

    def test_too_few_lines(self, tmp_path):
        assert sources.read_splits(write_lines(tmp_path / "train.jsonl", ROWS[:3]), FIELDS)["train"]
        with pytest.raises(UserError, match="too few lines in train to cut a test split"):
            sources.read_splits(write_lines(tmp_path / "train.jsonl", ROWS[:2]), FIELDS)


class TestMedia:
    def test_some_may_be_missing_but_not_all(self, tmp_path):
        elsewhere = tmp_path / "elsewhere.png"
        elsewhere.touch()
        folder = tmp_path / "set"
        rows = [{"file_name": name} for name in ("no.png", "../elsewhere.png", str(elsewhere))]
        assert sources.media(folder, rows) == [
            folder / "no.png",
            folder / "../elsewhere.png",
            elsewhere,
        ]
        with pytest.raises(UserError, match=r"none of the files that .*/set/no\.png"):
            sources.media(folder, rows[:1])


def jpeg(grey):
    file = io.BytesIO()
    Image.new("L", (8, 8), grey).save(file, "JPEG")
    return file.getvalue()


SECRET = [[]]
COCO = {
    "train": [["A dog .", " A cat "], ["Two boys"]],
    "restval": [["A horse"]],
    "val": [["A bird"]],
    "test": SECRET,
}


@pytest.fixture
def coco():
    """`coco_captions` with the examples of `COCO`; plain `mock_data` cannot skip decoding."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def as_dataset(builder, split, decoders, **kwargs):
        assert isinstance(decoders.decoders["image"], tfds.decode.SkipDecoding)
        wanted = decoders.extract_features(builder.info.features)
        assert set(wanted) == {"image", "captions"} and set(wanted["captions"].feature) == {"text"}

        def examples():
            for number, captions in enumerate(COCO[split]):
                yield {
                    "image": jpeg(100 + number),
                    "captions": {"text": np.array(captions, object)},
                }

        text = tf.TensorSpec([None], tf.string)
        signature = {"image": tf.TensorSpec([], tf.string), "captions": {"text": text}}
        return tf.data.Dataset.from_generator(examples, output_signature=signature)

    infos = {
        name: tfds.core.SplitInfo(
            name=name,
            shard_lengths=[len(captions)],
            num_bytes=0,
            filename_template=None,
        )
        for name, captions in COCO.items()
    }
    with pytest.MonkeyPatch.context() as patch, tfds.testing.mock_data(as_dataset_fn=as_dataset):
        patch.setattr(tfds.core.DatasetInfo, "splits", infos)
        yield


FEATURES = {"file_name": ["image"], "captions": ["caption", "captions", "captions/text"]}


class TestTensorFlowDatasets:
    def locate(self, name, cache_dir):
        kwargs = {"fields": FIELDS, "tfds_features": FEATURES, "cache_dir": cache_dir}
        return sources.locate(name, {}, **kwargs)

    def test_a_set_is_exported_as_it_is_encoded(self, coco, tmp_path):
        folder = self.locate("tfds:coco_captions", tmp_path)
        assert folder.name == "tfds-coco_captions-2014-1.1.0-file_name-captions"
        assert sources.read_split(folder, "train", FIELDS) == [
            {"file_name": "images/train-0000000.jpg", "captions": ["A dog .", "A cat"]},
            {"file_name": "images/train-0000001.jpg", "captions": ["Two boys"]},
            {"file_name": "images/restval-0000000.jpg", "captions": ["A horse"]},
        ]
        assert (folder / "images/train-0000001.jpg").read_bytes() == jpeg(101)
        validation = sources.read_split(folder, "validation", FIELDS)
        assert [row["captions"] for row in validation] == [["A bird"]]
        assert not (folder / "test.jsonl").exists()

    def test_an_exported_set_is_not_written_again(self, coco, tmp_path):
        folder = self.locate("tfds:coco_captions/2014", tmp_path)
        (folder / "mark").touch()
        assert (self.locate("tfds:coco_captions", tmp_path) / "mark").exists()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("tfds:coco_caption", "no such name, the nearest are coco_captions"),
            ("tfds:coco_captions/no", "cannot open tfds:coco_captions/no: .*config"),
            (
                "tfds:cifar10",
                r"nothing for the field 'captions' .*: its features are id, image, lab",
            ),
        ],
    )
    def test_a_wrong_name(self, coco, tmp_path, name, message):
        with pytest.raises(UserError, match=message):
            self.locate(name, tmp_path)

    def test_labels_and_texts(self):
        import tensorflow_datasets as tfds

        with tfds.testing.mock_data():
            export = Export("tfds:imdb_reviews", {"text": str, "label": str}, {})
        example = {"text": " caf\u00e9 ".encode(), "label": np.int64(1)}
        assert export._value("text", example) == "caf\u00e9"
        assert export._value("label", example) == "pos"
        assert export._value("label", {"label": np.int64(-1)}) == ""

    def test_a_set_that_cannot_be_downloaded(self, coco, tmp_path, monkeypatch):
        import tensorflow_datasets as tfds

        def fail(*args, **kwargs):
            raise ConnectionError("no route to host\nmore")

        monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
        with pytest.raises(UserError, match=r"downloaded \(no route to host\): .* --data-dir"):
            self.locate("tfds:coco_captions", tmp_path)
