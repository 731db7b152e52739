"""What is written to disk."""

import json

import pytest
from PIL import Image

from pipelines.builtin import scenes
from pipelines.builtin.scenes.render import render
from pipelines.builtin.scenes.world import sample_scene


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
