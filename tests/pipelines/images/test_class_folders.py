import os

import pytest
from PIL import Image

from pipelines.commands.errors import UserError
from pipelines.images import class_folders


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def read(folder):
    return {split: rows() for split, rows in class_folders.readers(folder).items()}


def pairs(rows):
    return [(row["file_name"], row["label"]) for row in rows]


def test_a_folder_for_each_class(tmp_path):
    touch(tmp_path, "train/dog/b.jpg", "train/dog/a.PNG", "train/cat/deep/c.webp", "test/dog/d.gif")
    splits = read(tmp_path)
    assert list(splits) == ["train", "test"]
    assert pairs(splits["train"]) == [
        ("train/cat/deep/c.webp", "cat"),
        ("train/dog/a.PNG", "dog"),
        ("train/dog/b.jpg", "dog"),
    ]
    assert pairs(splits["test"]) == [("test/dog/d.gif", "dog")]


@pytest.mark.parametrize("name", ["val", "valid", "dev", "validation"])
def test_other_names_of_validation(tmp_path, name):
    touch(tmp_path, "train/a/1.png", f"{name}/a/2.png")
    splits = read(tmp_path)
    assert pairs(splits["validation"]) == [(f"{name}/a/2.png", "a")]


def test_classes_without_splits_are_all_training(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/2.png", "notes.txt")
    splits = read(tmp_path)
    assert list(splits) == ["train"]
    assert pairs(splits["train"]) == [("cat/1.png", "cat"), ("dog/2.png", "dog")]


def test_a_split_without_images_is_none(tmp_path):
    touch(tmp_path, "train/a/1.png", "val/a/notes.txt", "test/a/2.png")
    assert list(read(tmp_path)) == ["train", "test"]


def test_a_split_may_come_alone(tmp_path):
    touch(tmp_path, "test/a/1.png")
    assert pairs(class_folders.readers(tmp_path)["test"]()) == [("test/a/1.png", "a")]


def test_what_is_no_image_or_hidden_is_left_out(tmp_path):
    touch(
        tmp_path,
        "train/cat/1.png",
        "train/cat/Thumbs.db",
        "train/cat/._1.png",
        "train/.ipynb_checkpoints/1.png",
        "train/empty/readme.md",
        "train/loose.png",
    )
    (tmp_path / "train/cat/folder.png").mkdir()
    splits = read(tmp_path)
    assert pairs(splits["train"]) == [("train/cat/1.png", "cat")]


@pytest.mark.parametrize("name", [b"train/caf\xe9/1.png", b"train/cat/\xe9.png"])
def test_a_name_that_is_not_in_utf_8(tmp_path, name):
    touch(tmp_path, "train/cat/1.png", os.fsdecode(name))
    with pytest.raises(UserError) as error:
        read(tmp_path)
    shown = name.decode("utf-8", "backslashreplace")
    assert str(error.value) == f"the name '{tmp_path}/{shown}' is not in UTF-8: rename it"


@pytest.mark.parametrize("names", [[], ["1.png"], ["test/cat/1.png"], ["train/1.png"]])
def test_no_training_images(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(UserError, match=r"has neither train\.jsonl nor images in train/"):
        read(tmp_path)


def test_the_endings_are_what_pillow_reads():
    from pipelines.images import image_files

    Image.init()
    assert {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff"} <= image_files.endings()
    assert not image_files.endings() & {".pdf", ".txt", ".mp4", ""}
