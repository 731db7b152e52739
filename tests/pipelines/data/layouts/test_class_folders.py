import os

import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.fields import Field
from pipelines.data.layouts import class_folders
from pipelines.data.layouts.layout import Wanted

WANTED = {
    "file_name": Field(("file_name",), is_file=True),
    "label": Field(("label",), is_label=True),
}
ENDINGS = frozenset((".png", ".jpg", ".gif", ".webp"))


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def read(folder):
    layout = class_folders.of_files(folder, Wanted(WANTED, ENDINGS))
    if layout is None:
        return None
    return {
        split: [(row["file_name"], row["label"]) for row in reader(Tally(split))]
        for split, reader in layout.readers.items()
    }


def test_a_folder_for_each_class(tmp_path):
    touch(tmp_path, "train/dog/b.jpg", "train/dog/a.PNG", "train/cat/deep/c.webp", "test/dog/d.gif")
    assert read(tmp_path) == {
        "train": [
            ("train/cat/deep/c.webp", "cat"),
            ("train/dog/a.PNG", "dog"),
            ("train/dog/b.jpg", "dog"),
        ],
        "test": [("test/dog/d.gif", "dog")],
    }


def test_classes_without_splits_are_all_training(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/2.png", "notes.txt", "empty/readme.md")
    assert read(tmp_path) == {"train": [("cat/1.png", "cat"), ("dog/2.png", "dog")]}


def test_folders_of_one_split_are_one_unless_one_has_its_very_name(tmp_path):
    touch(tmp_path, "train-1/a/1.png", "train-2/b/2.png", "test/a/3.png", "test_more/a/4.png")
    assert read(tmp_path) == {
        "train": [("train-1/a/1.png", "a"), ("train-2/b/2.png", "b")],
        "test": [("test/a/3.png", "a")],
    }


def test_a_split_without_images_is_none(tmp_path):
    touch(tmp_path, "train/a/1.png", "val/a/notes.txt", "test/a/2.png")
    assert list(read(tmp_path)) == ["train", "test"]


def test_a_split_may_come_alone(tmp_path):
    touch(tmp_path, "test/a/1.png", "test/b/2.png")
    assert read(tmp_path) == {"test": [("test/a/1.png", "a"), ("test/b/2.png", "b")]}


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
    assert read(tmp_path) == {"train": [("train/cat/1.png", "cat")]}


def test_classes_may_be_links_and_names_are_composed(tmp_path):
    touch(tmp_path, "set/train/cafe\u0301/1.png", "elsewhere/2.png")
    (tmp_path / "set/train/tea").symlink_to(tmp_path / "elsewhere")
    assert read(tmp_path / "set") == {
        "train": [("train/cafe\u0301/1.png", "caf\u00e9"), ("train/tea/2.png", "tea")]
    }


def test_a_list_may_tell_one_split_alone(tmp_path):
    touch(tmp_path, "a/1.png", "a/2.jpg", "b/3.png", "b/4.x.png")
    (tmp_path / "test.txt").write_text("a/2.jpg\nb/4.x\nb/gone.png\n")
    assert read(tmp_path) == {
        "train": [("a/1.png", "a"), ("b/3.png", "b")],
        "test": [("a/2.jpg", "a"), ("b/4.x.png", "b")],
    }


def test_a_text_that_lists_no_file_is_no_list(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "test_notes.txt").write_text("a/9.png\n")
    assert list(read(tmp_path)) == ["train"]


@pytest.mark.parametrize("name", [b"train/caf\xe9/1.png", b"train/cat/\xe9.png"])
def test_a_name_that_is_not_in_utf_8(tmp_path, name):
    touch(tmp_path, "train/cat/1.png", os.fsdecode(name))
    with pytest.raises(UserError) as error:
        read(tmp_path)
    shown = name.decode("utf-8", "backslashreplace")
    assert str(error.value) == f"the name '{tmp_path}/{shown}' is not in UTF-8: rename it"


@pytest.mark.parametrize("names", [[], ["1.png"], ["train/1.png"], ["train/1.png", "test/2.png"]])
def test_no_classes(tmp_path, names):
    assert read(touch(tmp_path, *names)) is None


def test_folders_of_folders_are_no_classes(tmp_path):
    touch(tmp_path, "color/a/1.png", "grey/a/1.png")
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: color/, grey/ hold folders of files, so they are no classes: name them after "
        "their splits (train, validation, test), or give the folder that holds the classes"
    )
