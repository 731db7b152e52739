"""A folder of prepared examples may be a stranger's: whatever is wrong with it is one line."""

import json
import os
import shutil

import numpy as np
import pytest

from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from pipelines.data.fields import Field
from pipelines.data.prepared.folder import open_splits
from tests.pipelines.data.prepared import tiny


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    left_out.begin(0.1)
    return tiny.prepare(tmp_path_factory.mktemp("prepared") / "squares")


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "copy")


def change(folder, *keys, value):
    """Another value in the description."""
    path = folder / "prepared.json"
    whole = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(whole))


TRAIN = ("splits", "train")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), 2, "was prepared by a newer version"),
        (("version",), "1", "does not describe prepared examples"),
        (("splits",), [], "does not describe prepared examples"),
        (("application",), "vision", "was prepared for vision, not for squares"),
        (("splits",), {}, "it has no split train"),
        ((*TRAIN, "records"), [], "its files are not counted"),
        ((*TRAIN, "records"), [1e30], "a count is no number"),
        ((*TRAIN, "bytes"), None, "cannot be read as a description"),
        ((*TRAIN, "arrays", "copies"), ["object", [None]], "no kind of array"),
        ((*TRAIN, "arrays", "../copies"), ["int32", [None]], "names no file"),
        ((*TRAIN, "arrays", "other"), ["int32", [None]], "No such file"),
        ((*TRAIN, "arrays", "letters"), ["uint8", [1 << 31]], "no size of an array"),
    ],
)
def test_a_description_that_is_none(folder, keys, value, message):
    change(folder, *keys, value=value)
    with pytest.raises(UserError, match=message) as error:
        tiny.opened(folder)
    assert "\n" not in str(error.value)


def test_counts_that_the_files_do_not_have(folder):
    counts = json.loads((folder / "prepared.json").read_text())["splits"]["train"]["records"]
    change(folder, *TRAIN, "records", value=[10**9] * len(counts))
    with pytest.raises(UserError, match="holds int32"):
        tiny.opened(folder)


def test_a_file_that_was_cut(folder):
    path = next(folder.glob("train-00000-*"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"has not the .* bytes that were written"):
        tiny.opened(folder)
    path.unlink()
    with pytest.raises(UserError, match="is not there: the prepared examples are not whole"):
        tiny.opened(folder)


def test_a_file_that_was_changed_is_told_when_it_is_read(folder):
    path = next(folder.glob("train-00000-*"))
    content = bytearray(path.read_bytes())
    content[100:300] = os.urandom(200)
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as prepared examples"):
        list(tiny.opened(folder)["train"])


def test_arrays_of_another_size_than_described(folder):
    change(folder, *TRAIN, "arrays", "letters", value=["uint8", [3]])
    with pytest.raises(UserError, match="record 1 of prepared examples is damaged: 7 bytes are no"):
        tiny.opened(folder)["train"].array("letters")[1]


def test_rows_that_begin_nowhere(folder):
    np.save(folder / "train.starts.npy", np.array([0, 10**6]))
    with pytest.raises(UserError, match="train has no rows, or such as are not there"):
        tiny.opened(folder)


@pytest.mark.parametrize("name", ["train.copies.npy", "train.starts.npy", "train-00000-of-"])
def test_no_link_is_followed(folder, name):
    path = next(folder.glob(f"{name}*"))
    target = folder.parent / "secret"
    shutil.move(path, target)
    path.symlink_to(target)
    with pytest.raises(UserError):
        tiny.opened(folder)


def test_nothing_is_unpickled(folder):
    np.save(folder / "train.copies.npy", np.array([print] * 42), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read as the numbers of prepared examples"):
        tiny.opened(folder)


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "", "..", 7, None])
def test_files_of_rows_lie_in_the_folder(folder, name):
    train = tiny.opened(folder)["train"]
    with pytest.raises(UserError, match="names no file of a prepared example"):
        train._path(name)
    assert train._path("1.png") == folder / "media" / "train" / "1.png"


def test_media_are_no_links(folder):
    media = folder / "media" / "test"
    media.mkdir(parents=True)
    (media / "1.png").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=r"1\.png is a link or no file"):
        tiny.opened(folder)


def test_fields_of_another_type(folder):
    fields = {"name": Field(("name",)), "number": Field(("number",), kind=list)}
    with pytest.raises(UserError, match="'number' of a row is '0'"):
        open_splits(str(folder), "squares", fields, ["train"])


def test_facts_that_are_not_there(folder):
    train = tiny.opened(folder)["train"]
    assert train.fact("of", str) == "numbers"
    for name, kind in (("of", int), ("grid", tuple)):
        with pytest.raises(UserError, match="cannot be read as a description"):
            train.fact(name, kind)
    with pytest.raises(UserError, match="holds no 'label' of train"):
        train.column("label")


def test_another_task_has_other_fields(folder):
    with pytest.raises(UserError, match=r"prepared for another task: .* train have no 'question'"):
        open_splits(str(folder), "squares", {"question": Field(("question",))}, ["train"])
