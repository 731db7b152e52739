import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from apps.vision import data
from apps.vision.config import PRESETS, Config
from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from tests.apps.vision import tiny

COUNTS = {"red": 23, "green": 19, "blue": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write_classes(tmp_path_factory.mktemp("classes"), COUNTS)


def labels_of(rows):
    return Counter(row["label"] for row in rows)


def read(folder, **settings):
    config = Config(dataset=str(folder), image_size=8, **settings)
    return data.read(config)


def opened(folder, **settings):
    config = Config(dataset=str(folder), batch_size=5, **{"crop": 0, "mixup": 0.0, **settings})
    rows = data.read(config)
    config = data.fit_training(config, rows["train"])
    channels = data.count_channels(rows["train"])
    split = data.open_split(rows["train"], config.image_size, channels)
    return config, split, data.class_names(split.rows)


class TestRead:
    def test_a_class_with_one_image_stays_in_train(self, folder, capsys):
        rows = read(folder)
        assert {split: len(rows[split]) for split in rows} == {
            "train": 35,
            "validation": 4,
            "test": 4,
        }
        assert sum(map(labels_of, rows.values()), Counter()) == COUNTS
        assert labels_of(rows["train"])["blue"] == 1
        said = "validation (4 lines) and test (4 lines) cut from train by a fixed seed"
        assert said in capsys.readouterr().out

    def test_only_what_is_missing_is_cut(self, tmp_path):
        tiny.write_classes(tmp_path, {"red": 10, "green": 10}, splits=("train", "test"))
        rows = read(tmp_path)
        assert {split: len(rows[split]) for split in rows} == {
            "train": 18,
            "validation": 2,
            "test": 20,
        }

    def test_the_open_layout(self, tmp_path):
        tiny.write_lines(tmp_path, ["a", "b"] * 5)
        tiny.write_lines(tmp_path, ["a"], split="validation")
        tiny.write_lines(tmp_path, ["b"], split="test")
        rows = read(tmp_path)
        assert [len(rows[split]) for split in ("train", "validation", "test")] == [10, 1, 1]
        assert rows["test"][0]["path"] == tmp_path / "test-0.png"

    def test_nothing_is_read_that_is_not_wanted(self, tmp_path):
        tiny.write_lines(tmp_path, ["a", "b"] * 5)
        tiny.write_lines(tmp_path, ["b"], split="test")
        everything = read(tmp_path)
        config = Config(dataset=str(tmp_path), image_size=8)
        for split in ("train", "validation"):
            assert data.read(config, [split]) == {split: everything[split]}
        (tmp_path / "train.jsonl").write_text("broken")
        assert data.read(config, ["test"]) == {"test": everything["test"]}

    def test_broken_images_are_left_out_before_splits_are_cut(self, tmp_path, capsys):
        """Else the one of each pair that can be read may be cut for another split."""
        labels = [label for label in "abcdefghij" for _ in "12"]
        tiny.write_lines(tmp_path, labels)
        for number in range(0, 20, 2):
            (tmp_path / f"train-{number}.png").write_text("broken")
        tiny.write_lines(tmp_path, ["a", "b"], split="test")
        left_out.begin(most=0.5)
        with pytest.raises(UserError, match="too few lines in train to cut a validation split"):
            read(tmp_path)  # The last readable image of a class stays in train.
        assert "images: 10 of 20 left out, the first is" in capsys.readouterr().out

        tiny.write_lines(tmp_path, ["a"] * 9 + ["b"] * 2)
        for number in (0, 1, 2, 3, 10):
            (tmp_path / f"train-{number}.png").write_text("broken")
        rows = read(tmp_path)
        assert labels_of(rows["train"]) == {"a": 4, "b": 1}
        assert labels_of(rows["validation"]) == {"a": 1}
        held_out = data.open_split(rows["validation"], 8, 3)
        assert len(held_out.rows) == 1

    def test_some_training_images_with_one_of_each_label_first(self, folder):
        some = read(folder, max_train=7)["train"]
        again = read(folder, max_train=7)["train"]
        other = read(folder, max_train=7, seed=1)["train"]
        assert len(some) == len(other) == 7 and some == again != other
        assert set(labels_of(some)) == set(labels_of(other)) == set(COUNTS)
        assert labels_of(read(folder, max_train=99)["train"]) == (labels_of(read(folder)["train"]))

    def test_the_digits(self):
        rows = read("digits")
        assert [len(rows[split]) for split in rows] == [1253, 180, 364]
        assert data.class_names(rows["train"]) == list("0123456789")


class TestLabels:
    def test_names_are_in_natural_order(self):
        rows = [{"label": label} for label in ("x10", "x9", "red", "10", "9", "blue", "x", "9")]
        names = ["9", "10", "blue", "red", "x", "x9", "x10"]
        assert data.class_names(rows) == names

    def test_one_label_is_no_choice(self):
        with pytest.raises(UserError, match="all training images have the label 'cat'"):
            data.class_names([{"label": "cat"}] * 3)

    def test_images_with_labels_unknown_to_training_are_left_out_and_counted(self, capsys):
        labels = ["cat"] * 21 + ["cow"]
        rows = [{"label": label, "path": f"{i}.png"} for i, label in enumerate(labels)]
        pixels = np.zeros((29, 8, 8, 1), "uint8")
        split = data.Split(rows, np.arange(22) + 7, pixels)
        known = data.with_known_labels(split, ["cat", "dog"], "test images")
        assert known.rows == rows[:21] and known.numbers.tolist() == list(range(7, 28))
        assert capsys.readouterr().out == (
            "test images: 1 of 22 left out, the first is 21.png (no training image has the label "
            "'cow': 1); 21 remain\n"
        )
        with pytest.raises(UserError, match=r"^images: 21 of 22 left out.* label 'cat': 21\)"):
            data.with_known_labels(split, ["cow"])


class TestSizes:
    @pytest.mark.parametrize(
        ("side", "settings", "expected"),
        [
            (8, {}, (8, 2)),
            (28, {}, (28, 4)),
            (32, {}, (32, 4)),
            (31, {}, (32, 4)),
            (300, {}, (64, 8)),
            (300, {"image_size": 224}, (224, 16)),
            (30, {"patch_size": 7}, (35, 7)),
            (30, {"image_size": 13}, (13, 1)),
            (30, {"backbone": "x"}, (224, 16)),
        ],
    )
    def test_suit_the_images(self, tmp_path, side, settings, expected):
        path = tmp_path / "image.png"
        Image.new("L", (side - 3, side)).save(path)
        rows = [{"path": tmp_path / "missing.png"}, {"path": path}]
        config = data.fit_sizes(Config(**settings), rows)
        assert (config.image_size, config.patch_size) == expected

    def test_are_those_of_most_images_and_not_of_the_first(self, tmp_path):
        sides = [7, *[40, 41, 41, 41, 42] * 40, 3000]
        rows = []
        for side in sides:
            path = tmp_path / f"{side}.png"
            Image.new("L", (side, 5)).save(path)
            rows.append({"path": path})
        assert data.fit_sizes(Config(), rows).image_size == 44

    @pytest.mark.parametrize(
        ("side", "count", "expected"),
        [
            (8, 1_071, (1, 1, 60, 32)),  # The digits.
            (16, 1_071, (2, 2, 60, 32)),
            (24, 4_860, (3, 2, 41, 48)),
            (28, 4_860, (3, 3, 41, 48)),
            (32, 45_000, (4, 3, 20, 128)),
            (64, 9_000, (8, 4, 22, 90)),
        ],
    )
    def test_the_training_suits_size_and_number(self, tmp_path, side, count, expected):
        path = tmp_path / "image.png"
        Image.new("L", (side, side)).save(path)
        rows = [{"path": path}] * count
        config = data.fit_training(Config(), rows)
        assert (config.crop, config.convolutions, config.epochs, config.batch_size) == expected
        given = Config(crop=0, convolutions=5, epochs=7, batch_size=9)
        found = data.fit_training(given, rows)
        assert found == replace(given, image_size=side, patch_size=config.patch_size).resolved

    def test_a_preset_stays_as_it_is(self, tmp_path):
        Image.new("L", (28, 28)).save(tmp_path / "image.png")
        rows = [{"path": tmp_path / "image.png"}] * 300
        for preset in PRESETS.values():
            found = data.fit_training(preset, rows)
            assert found == replace(preset, patch_size=found.patch_size).resolved

    def test_no_image_can_be_read(self, tmp_path):
        assert data.fit_sizes(Config(), [{"path": tmp_path / "no.png"}]).image_size == 64

    def test_a_patch_that_does_not_fit(self):
        with pytest.raises(ValueError, match="--image-size 9 must be a multiple of --patch-size 2"):
            Config(image_size=9, patch_size=2, model="vit")


class TestOpenSplit:
    def test_unreadable_images_are_left_out_and_counted(self, tmp_path, capsys):
        tiny.write_lines(tmp_path, ["a", "b", "a", "b"])
        (tmp_path / "train-1.png").write_text("no image")
        (tmp_path / "train-2.png").unlink()
        rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
        rows = [{**row, "path": tmp_path / row["file_name"]} for row in rows]
        left_out.begin(most=0.5)
        split = data.open_split(rows, 8, 1)
        assert capsys.readouterr().out.splitlines()[-1] == (
            f"images: 2 of 4 left out, the first is {rows[1]['path']} (not in a format that Pillow "
            "reads: 1; no such file or directory: 1); 2 remain"
        )
        assert [row["label"] for row in split.rows] == ["a", "b"]
        assert split.labels(["b", "a"]).tolist() == [1, 0]
        (batch,) = data.image_batches(split, 4)
        assert batch.numpy()[:, 0, 0, 0].tolist() == [0, 30]

    def test_none_can_be_read(self, tmp_path):
        with pytest.raises(UserError, match=r"/no\.png: no such file or directory$"):
            data.open_split([{"path": tmp_path / "no.png"}], 8, 1)

    def test_grey_sets_have_one_channel_and_others_three(self, folder, tmp_path):
        _, colour, _ = opened(folder)
        assert colour.pixels.shape[1:] == (8, 8, 3)
        _, grey, _ = opened(tiny.write_classes(tmp_path, {"red": 9, "green": 9}, mode="L"))
        assert grey.pixels.shape[1:] == (8, 8, 1)


AUGMENTED = {
    "crop": 1,
    "flip": True,
    "rand_augment": 1,
    "erasing": 0.5,
    "mixup": 0.4,
    "cutmix": 1.0,
}


class TestTrainingBatches:
    def test_a_pass_is_whole_and_images_keep_their_labels(self, folder):
        config, split, names = opened(folder)
        drawn = data.training_batches(split, names, config)
        batches, steps = drawn.open(), drawn.steps
        assert steps == 35 // 5
        found = Counter()
        for pixels, targets in batches.take(steps):
            assert pixels.dtype == "float32" and pixels.shape == (5, 8, 8, 3)
            for image, target in zip(pixels.numpy(), targets.numpy(), strict=True):
                assert np.sort(target).tolist() == [0, 0, 1]
                found[(names[target.argmax()], image.astype("uint8").tobytes())] += 1
        assert set(found.values()) == {1}
        expected = {
            (row["label"], pixels.tobytes())
            for row, pixels in zip(split.rows, data.gather(split, np.arange(35)), strict=True)
        }
        assert set(found) == expected

    def test_passes_differ_and_the_seed_fixes_everything(self, folder):
        def drawn(seed, count=8):
            config, split, names = opened(folder, seed=seed, **AUGMENTED)
            batches = data.training_batches(split, names, config).open()
            return [(x.numpy(), y.numpy()) for x, y in batches.take(count)]

        one, again, other = drawn(1), drawn(1), drawn(2**32 - 1)
        for (pixels, targets), (same, same_targets) in zip(one, again, strict=True):
            np.testing.assert_array_equal(pixels, same)
            np.testing.assert_array_equal(targets, same_targets)
        assert any((x != y).any() for (x, _), (y, _) in zip(one, other, strict=True))

    def test_mixed_targets_stay_distributions(self, folder):
        config, split, names = opened(folder, **AUGMENTED)
        batches = data.training_batches(split, names, config).open()
        for pixels, targets in batches.take(9):
            np.testing.assert_allclose(targets.numpy().sum(axis=1), 1, atol=1e-5)
            assert pixels.numpy().min() >= 0 and pixels.numpy().max() <= 255

    def test_fewer_images_than_a_batch(self, folder):
        config, split, names = opened(folder, max_train=3)
        drawn = data.training_batches(split, names, config)
        batches, steps = drawn.open(), drawn.steps
        assert steps == 1
        (batch,) = batches.take(1)
        assert batch[0].shape == (5, 8, 8, 3)


def test_evaluation_has_every_image_once_in_order(folder):
    _, split, _ = opened(folder, flip=True, crop=2)
    batches = [batch.numpy() for batch in data.image_batches(split, 8)]
    assert [len(batch) for batch in batches] == [8, 8, 8, 8, 3]
    np.testing.assert_array_equal(np.concatenate(batches), data.gather(split, np.arange(35)))


def test_a_tensorflow_data_set(monkeypatch, tmp_path):
    import io

    import tensorflow as tf
    import tensorflow_datasets as tfds

    examples = {"train": [6, 3, 6, 1] * 5, "test": [3, 3, -1]}

    def png(level):
        file = io.BytesIO()
        Image.new("L", (28, 28), level).save(file, "PNG")
        return file.getvalue()

    def as_dataset(builder, split, decoders, **kwargs):
        assert set(decoders.extract_features(builder.info.features)) == {"image", "label"}

        def generate():
            for number, label in enumerate(examples[split]):
                yield {"image": png(number + 99 * (split == "test")), "label": label}

        signature = {"image": tf.TensorSpec([], tf.string), "label": tf.TensorSpec([], tf.int64)}
        return tf.data.Dataset.from_generator(generate, output_signature=signature)

    infos = {
        name: tfds.core.SplitInfo(
            name=name, shard_lengths=[len(rows)], num_bytes=0, filename_template=None
        )
        for name, rows in examples.items()
    }
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        monkeypatch.setattr(tfds.core.DatasetInfo, "splits", infos)
        config = Config(dataset="tfds:fashion_mnist")
        rows = data.read(config)
    config = data.fit_sizes(config, rows["train"])
    assert (config.image_size, config.patch_size) == (28, 4)
    # A label of -1 is a secret one; two of the twenty are cut for validation.
    assert [len(rows[split]) for split in ("train", "validation", "test")] == [18, 2, 2]
    assert data.class_names(rows["train"]) == ["Dress", "Shirt", "Trouser"]
    assert data.count_channels(rows["train"]) == 1
    split = data.open_split(rows["test"], config.image_size, 1)
    (batch,) = data.image_batches(split, 4)
    assert batch.numpy()[:, 5, 5, 0].tolist() == [99, 100]
