import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from apps.captioning import data
from apps.captioning.config import Config
from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from pipelines.text.tokenizer import END, PAD, START
from tests.apps.captioning import tiny

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "grey")


def captions_of(number):
    """One to three captions, the longer the higher their number, all different."""
    words = " ".join(COLOURS[: 1 + number % len(COLOURS)])
    return [f"Picture {number}, {words}, {i}." for i in range(1 + number % 3)]


CAPTIONS = [captions_of(number) for number in range(21)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write_images(tmp_path_factory.mktemp("pictures"), CAPTIONS)


def open_training(folder, **settings):
    settings = {"image_size": tiny.SIZE, "captions_per_picture": 2, "batch_size": 4, **settings}
    config = Config(dataset=str(folder), **settings)
    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    split = data.open_split(rows["train"], config, flip=config.flip)
    return config, split, tokenizer


def batches_of(config, split, tokenizer):
    groups = data.group_captions(split, tokenizer, config)
    return data.training_batches(split, groups, config)


def texts_of(tokens, tokenizer):
    return [tokenizer.decode(row) for row in tokens.reshape(-1, tokens.shape[-1]) if row.any()]


def test_nothing_is_read_that_is_not_wanted(tmp_path):
    folder = tiny.write_images(tmp_path, CAPTIONS, splits=("train",))
    config = Config(dataset=str(folder), max_train=3)
    everything = data.read(config)
    assert len(everything["train"]) == 3
    for split, rows in everything.items():
        assert data.read(config, [split]) == {split: rows}
    tiny.write_images(folder, CAPTIONS[:2], splits=("test",))
    (folder / "train.jsonl").write_text("broken")
    assert [row["captions"] for row in data.read(config, ["test"])["test"]] == CAPTIONS[:2]


class TestTrainingBatches:
    def test_every_caption_has_its_turn_with_its_picture(self, folder):
        config, split, tokenizer = open_training(folder)
        drawn = batches_of(config, split, tokenizer)
        batches, steps = drawn.open(), drawn.steps
        groups = sum(-(-len(texts) // 2) for texts in CAPTIONS)
        assert steps == groups // 4
        pixels = {split.arrays[0][row].tobytes(): i for i, row in enumerate(split.inputs[0])}
        seen = Counter()
        for inputs, targets in batches.take(groups):
            for picture, tokens in zip(inputs["picture"].numpy(), targets.numpy(), strict=True):
                number = pixels[picture.astype("uint8").tobytes()]
                seen.update((number, text) for text in texts_of(tokens, tokenizer))
        assert set(seen) == {
            (i, text) for i, texts in enumerate(split.references) for text in texts
        }
        assert set(seen.values()) <= {3, 4, 5}  # A bucket of five has one batch of four an epoch.

    def test_a_pass_is_whole_before_the_next_begins(self, folder):
        config, split, tokenizer = open_training(folder, batch_size=1)
        drawn = batches_of(config, split, tokenizer)
        batches, steps = drawn.open(), drawn.steps
        passes = [[], []]
        for number, (_, targets) in enumerate(batches.take(2 * steps)):
            passes[number // steps] += texts_of(targets.numpy(), tokenizer)
        assert len(passes[0]) == sum(map(len, CAPTIONS))
        assert sorted(passes[0]) == sorted(passes[1])
        assert passes[0] != passes[1]

    def test_targets_are_the_next_tokens(self, folder):
        config, split, tokenizer = open_training(folder)
        for inputs, targets in batches_of(config, split, tokenizer).open().take(20):
            tokens, targets = inputs["tokens"].numpy(), targets.numpy()
            assert tokens.shape == targets.shape == (4, 2, tokens.shape[2])
            for given, wanted in zip(tokens.reshape(8, -1), targets.reshape(8, -1), strict=True):
                if not wanted.any():  # A picture with an odd number of captions.
                    assert not given.any()
                    continue
                assert given[0] == START
                assert given[1:].tolist() == wanted[:-1].tolist()
                (end,) = np.flatnonzero(wanted == END)
                assert (wanted[:end] > END).all() and (wanted[end + 1 :] == PAD).all()

    def test_few_shapes(self, folder):
        config, split, tokenizer = open_training(folder)
        batches = batches_of(config, split, tokenizer).open()
        shapes = {inputs["tokens"].shape[2] for inputs, _ in batches.take(100)}
        assert 2 <= len(shapes) <= 5

    def test_similar_lengths_share_a_shape(self, folder):
        config, split, tokenizer = open_training(folder)
        groups = data.group_captions(split, tokenizer, config)
        lengths = 19 + np.arange(len(groups.lengths), dtype="int32") % 2
        alike = replace(groups, lengths=lengths, tokens=np.ones((len(lengths), 2, 20), int))
        batches = data.training_batches(split, alike, config).open()
        assert {inputs["tokens"].shape[2] for inputs, _ in batches.take(20)} == {19}

    def test_concepts_are_learnt_from_all_captions_of_a_group(self, folder):
        config, split, tokenizer = open_training(folder, batch_size=2)
        groups = data.group_captions(split, tokenizer, config)
        drawn = data.concept_batches(split, groups, config)
        batches, steps, examples = drawn.open(), drawn.steps, drawn.examples
        assert steps == len(groups.pictures) // 4 and examples == 4 * steps
        pixels = {split.arrays[0][row].tobytes(): i for i, row in enumerate(split.inputs[0])}
        seen = Counter()
        for inputs, tokens in batches.take(len(groups.pictures)):
            assert tokens.shape == (4, *groups.tokens.shape[1:])
            for picture, some in zip(inputs["picture"].numpy(), tokens.numpy(), strict=True):
                number = pixels[picture.astype("uint8").tobytes()]
                seen.update((number, text) for text in texts_of(some, tokenizer))
        assert seen == {(i, text): 4 for i, texts in enumerate(split.references) for text in texts}

    def test_long_captions_are_cut_and_keep_their_end(self, folder):
        config, split, tokenizer = open_training(folder, max_tokens=4)
        for inputs, targets in batches_of(config, split, tokenizer).open().take(20):
            assert inputs["tokens"].shape[2] == 3
            written = targets.numpy().reshape(-1, 3)
            assert (written[written.any(axis=1)][:, -1] == END).all()

    def test_the_seed_fixes_the_order(self, folder):
        def order(seed):
            config, split, tokenizer = open_training(folder, seed=seed)
            batches = batches_of(config, split, tokenizer).open()
            return [targets.numpy().tolist() for _, targets in batches.take(8)]

        assert order(1) == order(1) != order(2)

    def test_captions_as_they_are_written(self, folder):
        config, split, tokenizer = open_training(folder, normalize_captions=False, batch_size=1)
        drawn = batches_of(config, split, tokenizer)
        batches, steps = drawn.open(), drawn.steps
        texts = []
        for _, targets in batches.take(steps):
            texts += texts_of(targets.numpy(), tokenizer)
        assert sorted(texts) == sorted(text for texts in CAPTIONS for text in texts)

    def test_max_train(self, folder):
        _, split, _ = open_training(folder, max_train=5)
        assert [row["captions"] for row in split.rows] == CAPTIONS[:5]


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Pictures that are black to the left and white to the right."""
    captions = [[f"picture {number}"] for number in range(8)]
    folder = tiny.write_images(tmp_path_factory.mktemp("halves"), captions)
    picture = Image.new("RGB", (tiny.SIZE, tiny.SIZE))
    picture.paste((255, 255, 255), (tiny.SIZE // 2, 0, tiny.SIZE, tiny.SIZE))
    for number in range(8):
        picture.save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("given", "known", "chosen"),
    [
        (None, True, "attribute_accuracy"),
        (None, False, "cider"),
        ("bleu_4", True, "bleu_4"),
        ("cider", False, "cider"),
    ],
)
def test_what_selects_the_model(given, known, chosen):
    rows = [{"objects": []}, {"objects": []} if known else {}]
    assert data.choose_monitor(rows, Config(monitor=given)) == chosen


class TestFlip:
    def left_cells(self, folder, **settings):
        config, split, tokenizer = open_training(folder, **settings)
        batches = batches_of(config, split, tokenizer).open()
        pictures = np.concatenate([inputs["picture"].numpy() for inputs, _ in batches.take(16)])
        return pictures.reshape(len(pictures), -1, pictures.shape[-1])[:, 0]

    def test_pixels_are_mirrored_only_when_asked(self, halves):
        assert (self.left_cells(halves, flip=False) == 0).all()
        mirrored = (self.left_cells(halves, flip=True) == 255).all(axis=-1)
        assert 16 <= mirrored.sum() <= 48

    def test_features_are_those_of_mirrored_pictures(self, halves, network):
        straight = self.left_cells(halves, flip=False, backbone=str(network))
        assert (straight == straight[0]).all()
        mixed = self.left_cells(halves, flip=True, backbone=str(network))
        same = (mixed == straight[0]).all(axis=-1)
        assert 16 <= same.sum() <= 48
        assert (mixed[~same] == mixed[~same][0]).all()

    def test_evaluation_never_mirrors(self, halves, network):
        for settings in ({}, {"backbone": str(network)}):
            _, split, _ = open_training(halves, flip=True, **settings)
            (batch,) = data.picture_batches(split, 8)
            np.testing.assert_array_equal(batch, np.asarray(split.arrays[0])[split.inputs[0]])


class TestPictureBatches:
    def test_every_picture_once_in_order_with_the_tail(self, folder):
        _, split, _ = open_training(folder)
        batches = [batch.numpy() for batch in data.picture_batches(split, 8)]
        assert [len(batch) for batch in batches] == [8, 8, 5]
        pictures = np.concatenate(batches)
        for number, picture in enumerate(pictures):
            grey = 255 * number // 21
            assert (picture == [grey, 255 - grey, 99]).all()


class TestOpenSplit:
    def test_unreadable_pictures_are_left_out_and_counted(self, tmp_path, capsys):
        folder = tiny.write_images(tmp_path, [["one"], ["two"], ["three"], ["four"]])
        (folder / "1.png").write_text("no picture")
        (folder / "3.png").unlink()
        left_out.begin(most=0.5)
        _, split, _ = open_training(folder)
        assert "images: 2 of 4 left out, the first is" in capsys.readouterr().out
        assert [row["captions"] for row in split.rows] == [["one"], ["three"]]
        assert [row["path"].name for row in split.rows] == ["0.png", "2.png"]
        (batch,) = data.picture_batches(split, 4)
        assert batch.numpy()[:, 0, 0, 0].tolist() == [0, 127]

    def test_no_readable_picture_is_an_error(self, tmp_path):
        folder = tiny.write_images(tmp_path, [["one"], ["two"]])
        for name in ("0.png", "1.png"):
            (folder / name).write_text("no picture")
        with pytest.raises(UserError, match=r"0\.png: not in a format .* \(and so all 2\)"):
            open_training(folder)

    def test_references_are_normalized(self, tmp_path):
        _, split, _ = open_training(tiny.write_images(tmp_path, [["A Dog, asleep.", "dog"]]))
        assert split.references == [["a dog asleep", "dog"]]

    def test_features_are_computed_once(self, folder, network, monkeypatch):
        settings = {"backbone": str(network), "flip": True}
        _, first, _ = open_training(folder, **settings)
        assert first.grid == tiny.GRID
        assert [array.shape[1:] for array in first.arrays] == [(16, 8), (16, 8)]

        def fail(*args, **kwargs):
            raise AssertionError("computed again")

        monkeypatch.setattr(data.backbones, "open_backbone", fail)
        monkeypatch.setattr(data.backbones, "compute_features", fail)
        _, second, _ = open_training(folder, **settings)
        for one, two, i, j in zip(
            first.arrays, second.arrays, first.inputs, second.inputs, strict=True
        ):
            np.testing.assert_array_equal(one[i], two[j])


def jpeg(grey):
    file = io.BytesIO()
    Image.new("L", (8, 8), grey).save(file, "JPEG")
    return file.getvalue()


def test_a_tensorflow_data_set(monkeypatch):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    examples = {
        "train": [["A dog .", " A cat "], ["Two boys"], ["A fish"]],
        "restval": [["A horse"]],
        "val": [["A bird"]],
        "test": [[]],
    }

    levels = {split: 100 + 9 * place for place, split in enumerate(examples)}

    def as_dataset(builder, split, decoders, **kwargs):
        decoders.extract_features(builder.info.features)

        def generate():
            for number, captions in enumerate(examples[split]):
                texts = {"text": np.array(captions, object)}
                yield {"image": jpeg(levels[split] + number), "captions": texts}

        texts = {"text": tf.TensorSpec([None], tf.string)}
        signature = {"image": tf.TensorSpec([], tf.string), "captions": texts}
        return tf.data.Dataset.from_generator(generate, output_signature=signature)

    infos = {
        name: tfds.core.SplitInfo(
            name=name, shard_lengths=[len(rows)], num_bytes=0, filename_template=None
        )
        for name, rows in examples.items()
    }
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        monkeypatch.setattr(tfds.core.DatasetInfo, "splits", infos)
        config = Config(dataset="tfds:coco_captions", image_size=8)
        rows = data.read(config)
    assert [row["captions"] for row in rows["validation"]] == [["A bird"]]
    texts = [row["captions"] for split in ("train", "test") for row in rows[split]]
    assert sorted(texts) == [["A dog .", "A cat"], ["A fish"], ["A horse"], ["Two boys"]]
    split = data.open_split(rows["validation"], config)
    (batch,) = data.picture_batches(split, 4)
    assert (batch.numpy() == levels["val"]).all()
