"""What is written to disk."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pipelines.builtin import scenes
from pipelines.builtin.scenes.render import render
from pipelines.builtin.scenes.world import sample_scene
from pipelines.commands.errors import UserError

ROOT = Path(__file__).parents[4]


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
    with pytest.raises(UserError, match=r"images/train-000000\.png: Is a directory$"):
        scenes.write(tmp_path, train=1, validation=0, test=0)
    assert capfd.readouterr().err == ""


COMMAND = """
import sys
from pipelines.builtin import scenes
from pipelines.commands import errors
errors.main(scenes.write)(sys.argv[1], train=10**6)
"""


@pytest.mark.parametrize(("end", "status"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_helpers_end_with_the_command(tmp_path, end, status):
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, tmp_path], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    wait(lambda: any(tmp_path.glob("images/*.png")))
    assert len(workers(tmp_path)) == os.cpu_count()
    process.send_signal(end)
    assert process.communicate()[1] == ""
    assert process.returncode == status
    wait(lambda: not workers(tmp_path))


def workers(folder):
    """The processes that write to a folder, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"-m" in words and bytes(folder) in words:
                found.append(path)
    return found


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
