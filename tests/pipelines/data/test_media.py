import os

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import media
from pipelines.data.media import Index, walk

ENDINGS = frozenset((".png", ".jpg"))


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/1.png", "a/1.png"),
        ("1.png", "a/1.png"),
        ("1", "a/1.png"),
        ("1.PNG", "a/1.png"),
        ("/kaggle/input/set/a/1.png", "a/1.png"),
        ("C:\\set\\b\\2.jpg", "b/2.jpg"),
        ("b\\2.jpg", "b/2.jpg"),
        ("./b/2.jpg", "b/2.jpg"),
        ("b/3.jpg", "b/3.jpg"),
        ("c/3.jpg", "c/3.jpg"),
        ("x/c/3.jpg", "c/3.jpg"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("two words.png", "two words.png"),
        ("line\nbreak.png", "line\nbreak.png"),
        ("3.jpg", None),  # Either may be meant.
        ("9.png", None),
        ("a\0b", None),
        ("", None),
        ("..", None),
    ],
)
def test_a_file_however_it_is_named(tmp_path, name, expected):
    files = ("a/1.png", "b/2.jpg", "b/3.jpg", "c/3.jpg", "cafe\u0301.png", "two words.png")
    touch(tmp_path, *files, "line\nbreak.png")
    found = Index(tmp_path, ENDINGS).path(name, tmp_path)
    assert found == tmp_path / (name if expected is None else expected)


def test_the_folder_of_the_table_and_of_the_split_come_first(tmp_path):
    touch(tmp_path, "train/1.png", "test/1.png", "x/train/2.png", "x/test/2.png", "test/3.png")
    index = Index(tmp_path, ENDINGS)
    assert index.path("1.png", tmp_path / "test") == tmp_path / "test/1.png"
    assert index.path("1", tmp_path, "train") == tmp_path / "train/1.png"
    assert index.path("2.png", tmp_path / "x", "test") == tmp_path / "x/test/2.png"
    assert index.path("old/train/2.png", tmp_path) == tmp_path / "x/train/2.png"
    # A name in the folder of one split means no file of another.
    assert index.path("train/3.png", tmp_path) == tmp_path / "train/3.png"


def test_links_are_followed_but_in_no_circle(tmp_path):
    touch(tmp_path, "elsewhere/deep/1.png", "set/2.png", "set/.3.png", "set/.x/4.png", "set/5.txt")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "broken.png").symlink_to(tmp_path / "nothing")
    names = [str(path.relative_to(tmp_path / "set")) for path in walk(tmp_path / "set", ENDINGS)]
    assert names == ["2.png", "link/deep/1.png"]


def test_files_come_in_order_and_those_of_a_folder_before_deeper_ones(tmp_path):
    touch(tmp_path, "b.png", "a/2.PNG", "a/1.jpg", "c.gif", "__MACOSX/1.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    names = [str(path.relative_to(tmp_path)) for path in walk(tmp_path, ENDINGS)]
    assert names == ["b.png", "a/1.jpg", "a/2.PNG"]


class TestFindMedia:
    def test_a_file_or_all_of_a_folder(self, tmp_path):
        touch(tmp_path, "b.png", "a.JPG", "c.txt", "deep/d.png")
        assert media.find_media(tmp_path / "c.txt", ENDINGS, "image") == [tmp_path / "c.txt"]
        found = media.find_media(tmp_path, ENDINGS, "image")
        assert [path.name for path in found] == ["a.JPG", "b.png"]

    @pytest.mark.parametrize(
        ("name", "message"),
        [("no", "there is no image or folder .*/no$"), ("empty", "there is no image in .*/empty$")],
    )
    def test_none(self, tmp_path, name, message):
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match=message):
            media.find_media(tmp_path / name, ENDINGS, "image")


def test_some_may_be_missing_but_not_all(tmp_path):
    touch(tmp_path, "1.png")
    rows = [{"path": tmp_path / name} for name in ("no.png", "1.png")]
    media.check(tmp_path, rows)
    with pytest.raises(UserError) as caught:
        media.check(tmp_path, rows[:1])
    assert str(caught.value) == (
        f"none of the files that {tmp_path} names is there, not even {tmp_path / 'no.png'}"
    )
