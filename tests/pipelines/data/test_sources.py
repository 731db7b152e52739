import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipelines.commands.errors import UserError
from pipelines.data import sources
from pipelines.data.fields import Field
from pipelines.data.sources import DataSet
from pipelines.data.splits import by_text
from pipelines.data.tfds_export import Export

FIELDS = {
    "file_name": Field(("file_name", "image"), is_file=True),
    "captions": Field(("captions",), kind=list),
}
FEATURES = {"file_name": ["image"], "captions": ["caption", "captions", "captions/text"]}
ROWS = [{"file_name": f"images/{i}.png", "captions": [f"caption {i}"]} for i in range(40)]


def by_name(rows):
    return [row["file_name"] for row in rows]


def data_set(builtin=None, version="1", fields=FIELDS, **options):
    return DataSet(
        fields=fields,
        builtin=builtin or {},
        version=version,
        identity=by_name,
        endings=lambda: (".png",),
        tfds_features=FEATURES,
        **options,
    )


def write_lines(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path.parent


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read(folder, wanted=sources.SPLITS, **options):
    config = SimpleNamespace(dataset=str(folder), data_dir=None)
    return sources.read(data_set(**options), config, wanted)


class TestLocate:
    def test_a_built_in_set_is_made_once_per_version(self, tmp_path):
        calls = []

        def write(folder):
            calls.append(folder)
            write_lines(folder / "train.jsonl", ROWS)

        made = data_set({"scenes": write})
        first = sources.locate(made, "scenes", cache_dir=tmp_path)
        again = sources.locate(made, "scenes", cache_dir=tmp_path)
        assert first == again and len(calls) == 1
        assert read_lines(first / "train.jsonl") == ROWS
        other = sources.locate(data_set({"scenes": write}, "2"), "scenes", cache_dir=tmp_path)
        assert other != first and len(calls) == 2

    def test_an_interrupted_set_leaves_nothing_behind(self, tmp_path):
        def write(folder):
            (folder / "train.jsonl").write_text("half a li")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sources.locate(data_set({"scenes": write}), "scenes", cache_dir=tmp_path)
        assert list((tmp_path / "datasets").iterdir()) == []

    def test_another_run_may_be_faster(self, tmp_path):
        def write(folder):
            write_lines(folder / "train.jsonl", ROWS)
            write_lines(folder.parent / "scenes-1" / "train.jsonl", ROWS)

        folder = sources.locate(data_set({"scenes": write}), "scenes", cache_dir=tmp_path)
        assert [path.name for path in folder.parent.iterdir()] == ["scenes-1"]

    def test_a_folder_or_file_is_taken_as_it_is(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "photos").mkdir()
        (tmp_path / "a.csv").touch()
        for name in ("photos", "a.csv"):
            assert sources.locate(data_set(), name).resolve() == tmp_path / name

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("scene", r"^unknown data set 'scene'. Did you mean scenes\? Known: scenes, digits, "),
            ("zzz", r"^unknown data set 'zzz'. Known: scenes, digits, tfds:NAME, a folder\.$"),
            ("cifar10", r"'cifar10'. Did you mean tfds:cifar10\? Known"),
            ("imdb_review", r"'imdb_review'. Did you mean tfds:imdb_reviews\?"),
            ("data/zzz", "^there is no folder data/zzz$"),
            ("~nobody-here/x", "^there is no folder ~nobody-here/x: "),
            ("/dev/null", "^/dev/null is neither a folder nor a file$"),
        ],
    )
    def test_an_unknown_name(self, name, message):
        with pytest.raises(UserError, match=message):
            sources.locate(data_set({"scenes": None, "digits": None}), name)


class TestRead:
    @pytest.fixture
    def folder(self, tmp_path):
        for row in ROWS:
            (tmp_path / row["file_name"]).parent.mkdir(exist_ok=True)
            (tmp_path / row["file_name"]).touch()
        return tmp_path

    def test_the_open_layout_is_read_without_a_word(self, folder, capsys):
        for split, part in zip(sources.SPLITS, (ROWS[:20], ROWS[20:30], ROWS[30:]), strict=True):
            write_lines(folder / f"{split}.jsonl", part)
        found = read(folder)
        assert found["validation"] == [
            {**row, "path": folder / row["file_name"]} for row in ROWS[20:30]
        ]
        assert [len(rows) for rows in found.values()] == [20, 10, 10]
        assert capsys.readouterr().out == ""

    def test_what_is_left_out_is_told(self, folder, capsys):
        rows = [*ROWS, {"file_name": "a.png", "captions": []}]
        found = read(write_lines(folder / "train.jsonl", rows), ["train"])
        assert len(found["train"]) == 32
        where = folder / "train.jsonl"
        said = f"train: 1 of 41 left out, the first is {where}:41 (field 'captions' is"
        assert said in capsys.readouterr().out.replace("\n", " ")

    def test_another_layout_is_named_and_so_is_what_is_not_used(self, folder, capsys):
        table = "".join(f"{row['file_name']};{row['captions'][0]}\n" for row in ROWS)
        (folder / "all.csv").write_text(f"image;captions\n{table}")
        assert len(read(folder)["train"]) == 32
        assert f"{folder}: table (all.csv)\n" in capsys.readouterr().out

    def test_shards_are_read_together_also_those_with_a_digest(self, folder):
        for number, some in enumerate((ROWS[:7], ROWS[7:])):
            write_lines(folder / f"train-{number:05d}-of-00002-1a2b3c4d5e6f7081.jsonl", some)
        assert len(read(folder, ["train"])["train"]) == 32

    def test_a_row_that_names_no_file_may_hold_a_path(self, tmp_path):
        rows = [{"text": f"{n}", "path": "anywhere"} for n in range(5)]
        write_lines(tmp_path / "train.jsonl", rows)
        config = SimpleNamespace(dataset=str(tmp_path), data_dir=None)
        texts = DataSet(
            fields={"text": Field(("text",))}, builtin={}, version="1", identity=by_text("text")
        )
        assert sum(len(some) for some in sources.read(texts, config).values()) == 5

    def test_no_image_is_there(self, tmp_path):
        write_lines(tmp_path / "train.jsonl", ROWS)
        with pytest.raises(UserError, match=r"none of the files that .* names is there, not even"):
            read(tmp_path)

    def test_a_broken_file_for_training_takes_no_other_s_place(self, folder):
        write_lines(folder / "train.jsonl", [{"file_name": "a.png"}] * 3)
        (folder / "all.csv").write_text("image,captions\nimages/1.png,one\n")
        with pytest.raises(UserError) as caught:
            read(folder)
        said = f"{folder / 'train.jsonl'}:1: field 'captions' is missing (and so all 3)"
        assert str(caught.value) == said

    @pytest.mark.parametrize("found", [[], ["captions.txt", "Images/a.gif", ".hidden"]])
    def test_no_file(self, tmp_path, found):
        for name in found:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        with pytest.raises(UserError) as caught:
            read(tmp_path)
        assert str(caught.value).startswith(
            f"{tmp_path} has no train.jsonl: expected train.jsonl (validation.jsonl and test.jsonl "
            "are optional), one JSON object per line with file_name and captions, or a layout of "
            f"docs/data.md. Found: {'Images/, captions.txt' if found else 'nothing'}. "
            "See README, 'Your own data'."
        )


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


class TestTensorFlowDatasets:
    def locate(self, name, cache_dir):
        return sources.locate(data_set(), name, cache_dir=cache_dir)

    def test_a_set_is_exported_as_it_is_encoded(self, coco, tmp_path):
        folder = self.locate("tfds:coco_captions", tmp_path)
        assert folder.name.startswith("tfds-coco_captions-2014-1.1.0-file_name-captions-")
        assert read_lines(folder / "train.jsonl") == [
            {"file_name": "images/train-0000000.jpg", "captions": ["A dog .", "A cat"]},
            {"file_name": "images/train-0000001.jpg", "captions": ["Two boys"]},
            {"file_name": "images/restval-0000000.jpg", "captions": ["A horse"]},
        ]
        assert (folder / "images/train-0000001.jpg").read_bytes() == jpeg(101)
        validation = read_lines(folder / "validation.jsonl")
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
