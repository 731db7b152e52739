"""The pictures of the built-in captioning data set, and what is written to disk."""

import colorsys
import json

import numpy as np
import pytest
from PIL import Image

from pipelines.builtin import scenes
from pipelines.builtin.scenes.render import PALETTE, render
from pipelines.builtin.scenes.shapes import SHAPES, aspect, outline
from pipelines.builtin.scenes.world import (
    COLORS,
    MARGIN,
    PICTURE_SIZE,
    SIZES,
    SPLITS,
    Scene,
    Thing,
    sample_scene,
    split_of,
)


@pytest.fixture(scope="module")
def sampled():
    return {split: [sample_scene(0, split, index) for index in range(300)] for split in SPLITS}


def _kinds(scene):
    return tuple(sorted((thing.shape, thing.color) for thing in scene.things))


def test_same_arguments_give_the_same_scene_and_others_another():
    assert sample_scene(3, "test", 5) == sample_scene(3, "test", 5)
    others = [sample_scene(4, "test", 5), sample_scene(3, "train", 5), sample_scene(3, "test", 6)]
    assert sample_scene(3, "test", 5) not in others


def test_an_unknown_split_is_an_error():
    with pytest.raises(ValueError, match="train, validation, test"):
        sample_scene(0, "dev", 0)


def test_no_collection_of_objects_is_in_two_splits():
    contents = {
        split: {_kinds(sample_scene(0, split, index)) for index in range(count)}
        for split, count in (("train", 3000), ("validation", 500), ("test", 500))
    }
    for split, others in (("validation", ("train", "test")), ("test", ("train",))):
        for other in others:
            assert not contents[split] & contents[other]


def test_the_split_depends_on_neither_order_nor_seed(sampled):
    for split, some in sampled.items():
        for scene in some:
            kinds = [(thing.shape, thing.color) for thing in scene.things]
            assert split_of(kinds) == split_of(kinds[::-1]) == split


def test_objects_lie_apart_inside_the_picture_and_have_their_size(sampled):
    for scene in sampled["train"]:
        assert len(scene.things) in (3, 4)
        covered = np.zeros((PICTURE_SIZE, PICTURE_SIZE), int)
        for thing in scene.things:
            left, top, right, bottom = thing.box
            assert min(left, top) >= MARGIN
            assert max(right, bottom) <= PICTURE_SIZE - MARGIN
            least, most = SIZES[thing.size]
            assert least <= max(right - left, bottom - top) <= most
            covered[top:bottom, left:right] += 1
        assert covered.max() == 1


def test_scenes_are_varied_and_full_of_distractors(sampled):
    scenes_ = sampled["train"]
    things = [thing for scene in scenes_ for thing in scene.things]
    for name, values in (("shape", SHAPES), ("color", COLORS)):
        shares = [np.mean([getattr(thing, name) == value for thing in things]) for value in values]
        assert min(shares) > 0.08
    assert 0.4 < np.mean([thing.size == "large" for thing in things]) < 0.6
    assert {thing.texture for thing in things} == {"plain", "striped", "dotted"}
    assert {scene.background for scene in scenes_} == {"gradient", "noise", "tiles", "scenery"}
    shared = [
        len({thing.shape for thing in scene.things}) < len(scene.things)
        or len({thing.color for thing in scene.things}) < len(scene.things)
        for scene in scenes_
    ]
    assert np.mean(shared) > 0.7


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_fill_a_box_of_side_one(shape):
    for angle in (-10, 0, 7):
        corners = np.array(outline(shape, angle))
        np.testing.assert_allclose(corners.min(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(corners.max(axis=0), aspect(shape, angle), atol=1e-12)
        assert max(aspect(shape, angle)) == pytest.approx(1)


def test_an_unknown_shape_is_an_error():
    with pytest.raises(ValueError, match="circle, square"):
        outline("blob")


def test_known_pixels():
    box = (30, 30, 62, 62)
    for shape, inside, outside in (
        ("square", (31, 31), (28, 28)),
        ("circle", (46, 33), (32, 32)),
        ("ring", (46, 33), (46, 46)),
        ("cross", (46, 33), (34, 34)),
        ("diamond", (46, 46), (33, 33)),
    ):
        thing = Thing(shape, "red", "large", "plain", box, 0)
        picture = render(Scene((thing,), "gradient", 1))
        red, green, blue = picture.getpixel(inside)
        assert red > 110 and max(green, blue) < 70, shape
        red, green, blue = picture.getpixel(outside)
        assert max(red, green, blue) - min(red, green, blue) < 60, shape


def test_rendering_is_deterministic(sampled):
    for scene in sampled["validation"][:20]:
        assert render(scene).tobytes() == render(scene).tobytes()
        assert render(scene).size == (PICTURE_SIZE, PICTURE_SIZE)


def test_boxes_contain_their_colour_and_the_background_none(sampled):
    centers = {
        name: 255 * np.array(colorsys.hsv_to_rgb(hue / 360, saturation, value))
        for name, ((hue, _), (saturation, _), (value, _)) in PALETTE.items()
    }
    for scene in sampled["train"]:
        pixels = np.asarray(render(scene)).astype(float)
        background = np.ones(pixels.shape[:2], bool)
        for thing in scene.things:
            left, top, right, bottom = thing.box
            background[top - 1 : bottom + 2, left - 1 : right + 2] = False
            inside = pixels[top:bottom, left:right].reshape(-1, 3)
            close = {
                name: np.mean(np.linalg.norm(inside - center, axis=1) < 60)
                for name, center in centers.items()
            }
            assert close[thing.color] > 0.06, (thing, close)
            assert max(close, key=close.get) == thing.color, (thing, close)
        around = pixels[background]
        saturation = 1 - around.min(axis=1) / around.max(axis=1)
        assert saturation.max() < 0.35
        assert around.max(axis=1).min() > 100
        assert around.max() < 205


def test_write_gives_the_open_layout_every_time_alike(tmp_path):
    for name in ("first", "second"):
        scenes.write(tmp_path / name, train=5, validation=2, test=3)
    files = sorted(
        path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.*")
    )
    assert len(files) == 10 + 3
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    for split, count in (("train", 5), ("validation", 2), ("test", 3)):
        text = (tmp_path / "first" / f"{split}.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        assert len(lines) == count
        for index, line in enumerate(lines):
            scene = sample_scene(0, split, index)
            assert line["objects"] == [thing.truth for thing in scene.things]
            assert line["background"] == scene.background
            assert len(set(line["captions"])) == 5
            with Image.open(tmp_path / "first" / line["file_name"]) as picture:
                assert picture.tobytes() == render(scene).tobytes()


def test_write_says_so_when_a_process_fails(tmp_path, capfd):
    (tmp_path / "images" / "train-000000.png").mkdir(parents=True)
    with pytest.raises(RuntimeError, match=r"1 of .* processes could not write"):
        scenes.write(tmp_path, train=1, validation=0, test=0)
    assert "IsADirectoryError" in capfd.readouterr().err
