import pytest

from pipelines.builtin.scenes.language import captions
from pipelines.builtin.scenes.world import SPLITS, sample_scene


@pytest.fixture(scope="package")
def sampled():
    return {split: [sample_scene(0, split, index) for index in range(300)] for split in SPLITS}


@pytest.fixture(scope="package")
def told():
    """2,000 scenes: the objects, and the five captions."""
    scenes = [
        sample_scene(0, split, index)
        for split, count in (("train", 1000), ("validation", 500), ("test", 500))
        for index in range(count)
    ]
    return [([thing.truth for thing in scene.things], captions(scene)) for scene in scenes]
