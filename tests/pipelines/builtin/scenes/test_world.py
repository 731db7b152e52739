"""What is in the images, and that no collection of objects is in two splits."""

import numpy as np
import pytest

from pipelines.builtin.scenes.shapes import SHAPES
from pipelines.builtin.scenes.world import (
    COLORS,
    MARGIN,
    PICTURE_SIZE,
    SIZES,
    sample_scene,
    split_of,
)


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
