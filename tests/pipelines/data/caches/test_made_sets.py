"""Data sets that are made once: used only as they were made, and made by one process at a time."""

import os

import pytest

from pipelines.data.caches.made_sets import make_once


@pytest.fixture
def make(tmp_path):
    """Makes a data set of two files, and tells whether it had to."""
    calls = []

    def write(folder):
        calls.append(folder)
        (folder / "images").mkdir()
        (folder / "images" / "a b.png").write_text("pixels")
        (folder / "train.jsonl").write_text('{"file_name": "images/a b.png"}\n')

    def make():
        before = len(calls)
        folder = make_once(tmp_path / "datasets" / "scenes-7", "scenes", write)
        assert (folder / "images" / "a b.png").read_text() == "pixels"
        return folder, len(calls) > before

    return make


def test_it_is_made_once(make, capsys):
    folder, made = make()
    assert made and capsys.readouterr().out == f"making the data set scenes in {folder}\n"
    assert make() == (folder, False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "images" / "a b.png").write_text("pixel"), "images/a b.png"),
        (lambda folder: (folder / "images" / "a b.png").write_text("pixelz"), "images/a b.png"),
        (lambda folder: (folder / "train.jsonl").unlink(), "train.jsonl"),
        (
            lambda folder: os.truncate(folder / ".manifest", 50),
            "its list of files, .manifest",
        ),
        (lambda folder: (folder / ".manifest").unlink(), "no list of files, .manifest"),
    ],
)
def test_a_damaged_one_is_made_again(make, capsys, damage, named):
    folder, _ = make()
    damage(folder)
    capsys.readouterr()
    assert make() == (folder, True)
    said = f"the data set scenes in {folder} is damaged ({named}): it is made again\n"
    assert capsys.readouterr().out == said
    assert make() == (folder, False)
    assert [path.name for path in folder.parent.iterdir()] == ["scenes-7"]


def test_what_a_killed_maker_left_is_swept(make, tmp_path):
    dead = tmp_path / "datasets" / ".scenes-7-dead"
    (dead / "images").mkdir(parents=True)
    os.utime(dead, (1, 1))
    make()
    assert not dead.exists()
