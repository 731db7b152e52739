"""Keys of files by their content."""

import os
import time

import pytest

from pipelines.commands.errors import MachineError
from pipelines.data.caches import file_keys as module
from pipelines.data.caches.file_keys import file_keys


@pytest.fixture
def settled(monkeypatch):
    """Files are old enough for their content to be known by their time."""
    monkeypatch.setattr(module, "SETTLED", -(10**12))


@pytest.fixture
def read(monkeypatch):
    """The files whose content is read."""
    paths, digest = [], module._digest
    monkeypatch.setattr(module, "_digest", lambda file: paths.append(file.name) or digest(file))
    return paths


def test_what_tells_files_apart_is_their_content(tmp_path):
    paths = [tmp_path / name for name in ("a", "b", "c", "none", "folder", "pipe")]
    for path, text in zip(paths, ("one", "two", "one"), strict=False):
        path.write_text(text)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    a, b, c, *nothing = file_keys([*paths, "a\0b"], tmp_path / "cache")
    assert a == c != b and len(a) == 32
    assert nothing == [None] * 4


def test_another_content_of_equal_size_and_date_is_another_file(tmp_path, settled):
    path = tmp_path / "a"
    keys = []
    for text in ("one", "two", "one"):
        path.write_text(text)
        os.utime(path, ns=(1, 1))
        keys += file_keys([path], tmp_path / "cache")
    assert keys[0] == keys[2] != keys[1]


def test_a_file_is_read_once(tmp_path, settled, read):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_text(path.name)
    first = file_keys(paths, tmp_path / "cache")
    assert file_keys(paths, tmp_path / "cache") == first
    assert sorted(read) == ["a", "b"]
    paths[0].rename(tmp_path / "c")
    assert file_keys([tmp_path / "c", paths[1]], tmp_path / "cache") == first
    assert sorted(read) == ["a", "b", "c"]


def test_one_that_was_just_written_may_change_within_its_time(tmp_path, read, monkeypatch):
    (tmp_path / "a").write_text("a")
    for _ in range(2):
        file_keys([tmp_path / "a"], tmp_path / "cache")
    assert read == ["a", "a"]
    now = time.time_ns()
    monkeypatch.setattr(module.time, "time_ns", lambda: now + 3 * 10**9)
    for _ in range(2):
        file_keys([tmp_path / "a"], tmp_path / "cache")
    assert read == ["a", "a", "a"]


def test_one_that_may_not_be_read_is_no_missing_one(tmp_path, monkeypatch):
    (tmp_path / "a").touch()

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.hashlib, "file_digest", refuse)
    with pytest.raises(MachineError, match=f"cannot read {tmp_path / 'a'}: Permission denied"):
        file_keys([tmp_path / "a"], tmp_path / "cache")
