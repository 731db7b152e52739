"""What a data set names lies in its folder."""

import json
from types import SimpleNamespace

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import inside, sources
from pipelines.data.fields import Field


@pytest.fixture
def folder(tmp_path):
    """A data set with a picture, beside it one of the user's."""
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "a.png").touch()
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "b.png").touch()
    return tmp_path / "set"


def check(folder, *names):
    inside.check(folder, [folder / name for name in names])


def test_names_within_the_folder_are_taken(folder, tmp_path):
    (folder / "again.png").symlink_to("images/a.png")
    (folder / "all").symlink_to("images")
    (tmp_path / "link").symlink_to(folder)
    names = ["images/a.png", "./images/../images/a.png", "again.png", "all/a.png", "all/no.png"]
    for root in (folder, tmp_path / "link"):
        check(root, *names, folder / "images" / "a.png", "a\0/b.png")


@pytest.mark.parametrize("link", [None, "file", "folder"])
@pytest.mark.parametrize("how", ["relative", "absolute"])
def test_others_are_refused(folder, tmp_path, how, link):
    target = tmp_path / "private" / "b.png"
    name = {"relative": "../private/b.png", "absolute": target}[how]
    if link == "file":
        name = "images/link.png"
        (folder / name).symlink_to("../../private/b.png" if how == "relative" else target)
    elif link == "folder":
        (folder / "deep").symlink_to("../private" if how == "relative" else target.parent)
        name = "deep/b.png"
    with pytest.raises(UserError, match="lies outside") as raised:
        check(folder, "images/a.png", name)
    assert str(raised.value) == (
        f"{folder / name} lies outside of the data set {folder}: "
        "give --allow-outside if you trust it, or copy the files into the folder"
    )


def test_what_we_took_out_of_a_data_set_is_inside(folder):
    check(folder, inside.extracted() / "ab" / "abc.png")


def read(folder, **options):
    data = sources.DataSet(
        fields={"file_name": Field(("file_name",), is_file=True), "label": Field(("label",))},
        builtin={},
        version="1",
        identity=lambda rows: [row["file_name"] for row in rows],
        endings=lambda: (".png",),
    )
    config = SimpleNamespace(dataset=str(folder), data_dir=None, **options)
    return sources.read(data, config, ("train",))["train"]


def test_a_data_set_names_files_outside_only_if_that_is_allowed(folder, tmp_path):
    row = {"file_name": "../private/b.png", "label": "a"}
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=r"private/b\.png lies outside of the data set"):
        read(folder, allow_outside=False)
    (found,) = read(folder, allow_outside=True)
    assert found["path"] == folder / "../private/b.png"


def test_a_folder_whose_name_begins_alike_is_another(folder, tmp_path):
    (tmp_path / "set-of-mine").mkdir()
    with pytest.raises(UserError, match="lies outside of the data set"):
        inside.check(folder, [folder / "../set-of-mine/a.png"])


def test_many_files_of_one_folder_are_looked_up_once(folder, monkeypatch):
    looked = []
    realpath = inside.os.path.realpath
    monkeypatch.setattr(inside.os.path, "realpath", lambda p: looked.append(p) or realpath(p))
    inside.check(folder, [folder / "images" / f"{i}.png" for i in range(1000)])
    assert len(looked) == 3
