"""The room that caches take on disk."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.commands.errors import UserError
from pipelines.data.caches import clean, room

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A cache with room for 10,000 bytes."""
    monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ATTENTION_SUITE_CACHE_SIZE", "0.00001")
    return tmp_path / "cache"


def part(root, name, size, used):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "rows").write_bytes(bytes(size))
    (folder / room.MARK).touch()
    os.utime(folder / room.MARK, (used, used))
    return folder


def names(root):
    return [str(each.path.relative_to(root)) for each in room.parts(root)]


class TestMakeRoom:
    def test_what_was_used_least_recently_goes_first(self, root, capsys):
        part(root, "datasets/a", 3_000, used=300)
        part(root, "pixels/b", 3_000, used=100)
        new = part(root, "features/c", 3_000, used=50)
        room.make_room(1_000, new, "features")
        assert names(root) == ["datasets/a", "features/c", "pixels/b"]
        room.make_room(2_000, new, "features")
        assert names(root) == ["datasets/a", "features/c"]
        said = capsys.readouterr().out
        assert said == f"removed {root / 'pixels/b'} (0.0 GB): --cache-size is full\n"
        assert [path.name for path in (root / "pixels").iterdir()] == []

    def test_to_use_a_part_makes_it_recent(self, root):
        old = part(root, "a", 4_000, used=100)
        part(root, "b", 4_000, used=200)
        room.hold(old)
        room.let_go(old)
        room.make_room(3_000, root / "new", "rows")
        assert names(root) == ["a"]

    def test_what_is_in_use_stays(self, root):
        held, new = part(root, "a", 8_000, used=100), part(root, "b", 1_000, used=200)
        room.hold(held)
        with pytest.raises(UserError) as raised:
            room.make_room(2_000, new, "features of X")
        assert str(raised.value) == (
            f"features of X needs 0.0 GB, and what is in use of {root} takes 0.0 GB: "
            "--cache-size 1 allows as many GB"
        )
        assert names(root) == ["a", "b"]
        room.let_go(held)
        room.make_room(2_000, new, "features of X")
        assert names(root) == ["b"]

    def test_another_process_holds_its_own(self, root):
        held = part(root, "a", 8_000, used=100)
        script = (
            "import sys; from pathlib import Path; from pipelines.data.caches import room\n"
            "room.hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script, held],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout.readline() == b"held\n"
            assert not room.remove(held)
        finally:
            process.kill()
            process.communicate()
        assert room.remove(held) and not held.exists()

    def test_other_folders_are_their_owners(self, root, tmp_path):
        room.make_room(10**9, tmp_path / "elsewhere", "rows")


def test_many_parts_do_not_use_up_the_descriptors(root, monkeypatch):
    monkeypatch.setattr(room, "MOST_HELD", 3)
    for folder in list(room._held):
        room.let_go(folder)
    for number in range(200):
        room.hold(part(root, str(number), 1, used=1))
    opened = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
    assert len([path for path in opened if path.startswith(str(root))]) == 3
    assert not room.remove(root / "199") and room.remove(root / "0")


def test_leftovers_of_killed_makers_are_swept(root):
    old = time.time() - 100
    for name in (".scenes-7-dead", ".scenes-7-young", ".scenes-7-held", "digits-2"):
        (root / name / "images").mkdir(parents=True)
        os.utime(root / name, (old, old))
    (root / ".scenes-7-young" / "now").touch()
    held = os.open(root / ".scenes-7-held", os.O_RDONLY)
    room.fcntl.flock(held, room.fcntl.LOCK_SH)
    room.sweep(root)
    os.close(held)
    left = sorted(path.name for path in root.iterdir())
    assert left == [".scenes-7-held", ".scenes-7-young", "digits-2"]


class TestClean:
    def test_it_tells_what_it_frees(self, root, capsys):
        part(root, "datasets/scenes-7", 2_500_000, used=0)
        held = part(root, "pixels/8x8x3", 1_000_000, used=0)
        (root / "pixels" / "8x8x3-uint8.rows").write_bytes(bytes(400_000))
        (root / "old").mkdir()
        (root / "old" / "rows").write_bytes(bytes(200_000))
        (root / "own_runs").write_text("abc\n")
        wanted = [
            "       2.5 MB  datasets/scenes-7  (last used 1970-01-01)",
            "       1.0 MB  pixels/8x8x3  (last used 1970-01-01)",
            "       0.2 MB  old  (leftovers)",
        ]
        clean.main(["--keep"])
        assert capsys.readouterr().out.splitlines() == [*wanted, f"       3.7 MB  in {root}"]
        room.hold(held)
        clean.main([])
        room.let_go(held)
        wanted[1] = (
            f"       1.0 MB  pixels/8x8x3  (last used {time.strftime('%Y-%m-%d')}): in use, kept"
        )
        assert capsys.readouterr().out.splitlines() == [*wanted, f"       2.7 MB  freed in {root}"]
        clean.main([])
        assert [path.name for path in root.iterdir()] == ["own_runs"]

    def test_where_there_is_no_cache(self, root, capsys):
        clean.main([])
        assert capsys.readouterr().out == f"       0.0 MB  freed in {root}\n"
