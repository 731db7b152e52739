"""Files of strangers are read within bounds."""

import gzip
import os
import re

import pytest

from pipelines.commands.disk import bounded
from pipelines.commands.errors import MachineError, UserError


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.json.gz")
    return tmp_path / "pipe.json.gz"


def test_pipes_and_devices_are_never_opened(pipe):
    readers = (bounded.open_file, bounded.read, bounded.read_json, lambda p: next(bounded.lines(p)))
    for read in readers:
        with pytest.raises(UserError, match=f"^{pipe} is a pipe, not a file$"):
            read(pipe)
        with pytest.raises(UserError, match=r"^/dev/zero is a device, not a file$"):
            read("/dev/zero")


def test_lines_have_their_numbers_and_ends(tmp_path, monkeypatch):
    text = b"a\n\nbcd\r\nlast"
    (tmp_path / "a.txt").write_bytes(text)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text))
    wanted = [(1, b"a\n"), (2, b"\n"), (3, b"bcd\r\n"), (4, b"last")]
    for size in (1 << 20, 2):
        monkeypatch.setattr(bounded, "_BUFFER", size)
        assert list(bounded.lines(tmp_path / "a.txt")) == wanted
        assert list(bounded.lines(tmp_path / "b.txt.gz")) == wanted
    (tmp_path / "a.txt").write_bytes(b"")
    assert list(bounded.lines(tmp_path / "a.txt")) == []


def test_a_line_has_its_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "memory", lambda: 16_000)
    monkeypatch.setattr(bounded, "_BUFFER", 300)
    (tmp_path / "a.txt").write_bytes(b"short\n" + b"x" * 2000)
    with pytest.raises(UserError, match=r"a\.txt:2: a line of more than 1 kB$"):
        list(bounded.lines(tmp_path / "a.txt"))


def test_what_is_unpacked_has_its_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "memory", lambda: 4_000_000)
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    for read in (bounded.read, lambda path: list(bounded.lines(path))):
        with pytest.raises(UserError, match=r"cannot read .*a\.json\.gz: more than 1 MB unpacked$"):
            read(path)
    (tmp_path / "b.json").write_bytes(bytes(999))
    with pytest.raises(UserError, match=r"b\.json: more than 998 bytes$"):
        bounded.read(tmp_path / "b.json", 998)
    assert bounded.read(tmp_path / "b.json", 999) == bytes(999)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting property name"),
        (b"[" * 100_000, "maximum recursion depth"),
        (b"\xff", "'utf-8' codec"),
        (b'"' + b"a" * 5000 + b'"', "it has more than 5 kB"),
    ],
)
def test_json_of_a_run_ends_in_one_line(tmp_path, content, reason):
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    most = 5000 if b"a" in content else bounded.LARGEST_JSON
    said = re.escape(f"{path} cannot be read as a list of labels: {reason}")
    with pytest.raises(UserError, match=f"^{said}"):
        bounded.read_json(path, "a list of labels", most)


def test_what_the_machine_refuses_is_no_fault_of_the_file(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(bounded, "open_file", refuse)
    for read in (bounded.read, bounded.read_json):
        with pytest.raises(MachineError, match=f"cannot read {tmp_path}: Permission denied"):
            read(tmp_path)


def test_memory_is_the_least_of_what_machine_container_and_limit_leave(monkeypatch):
    for name in ("_available", "_left_of_group", "_left_of_limit"):
        monkeypatch.setattr(bounded, name, lambda: None)
    assert bounded.memory() == bounded.UNKNOWN_MEMORY
    monkeypatch.setattr(bounded, "_available", lambda: 7_000)
    monkeypatch.setattr(bounded, "_left_of_limit", lambda: 5_000)
    assert bounded.memory() == 5_000


def test_sizes_are_written_as_people_write_them():
    sizes = [0, 999, 1000, 67_108_864, 3.2e9, 5e15]
    named = ["0 bytes", "999 bytes", "1 kB", "67 MB", "3 GB", "5000 TB"]
    assert [bounded.size_name(size) for size in sizes] == named
