import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.data.caches import room, row_cache
from pipelines.data.caches.row_cache import RowCache

ROOT = Path(__file__).parents[4]
SHAPE = (2, 3)


def row(key):
    return np.full(SHAPE, int(key), np.float32)


class Computer:
    """Computes rows in batches of two, leaves out keys with an x, and remembers what was asked."""

    def __init__(self, keys):
        self.keys = keys
        self.asked = []

    def __call__(self, positions):
        self.asked += [self.keys[i] for i in positions]
        positions = [i for i in positions if not self.keys[i].startswith("x")]
        for start in range(0, len(positions), 2):
            batch = positions[start : start + 2]
            yield batch, np.stack([row(self.keys[i]) for i in batch])


def ask(folder, keys):
    compute = Computer(keys)
    values, rows = RowCache(folder, SHAPE, "float32").rows(keys, compute)
    for key, number in zip(keys, rows, strict=True):
        if number >= 0:
            np.testing.assert_array_equal(values[number], row(key))
    return compute.asked, rows.tolist()


class TestRowCache:
    def test_only_what_is_missing_is_computed(self, tmp_path):
        assert ask(tmp_path, ["5", "7", "9"]) == (["5", "7", "9"], [0, 1, 2])
        assert ask(tmp_path, ["9", "4", "5"]) == (["4"], [2, 3, 0])
        assert ask(tmp_path, ["4", "7"]) == ([], [3, 1])

    def test_a_key_that_comes_twice_is_computed_once(self, tmp_path):
        assert ask(tmp_path, ["5", "5", "7", "5"]) == (["5", "7"], [0, 0, 1, 0])

    def test_keys_without_a_row(self, tmp_path):
        assert ask(tmp_path, ["x1", "5", "x2"]) == (["x1", "5", "x2"], [-1, 0, -1])
        assert ask(tmp_path, ["x1", "5"]) == (["x1"], [-1, 0])
        values, rows = RowCache(tmp_path, SHAPE, "float32").rows([None, None], None)
        assert rows.tolist() == [-1, -1] and values.shape == (1, *SHAPE)

    def test_nothing_at_all(self, tmp_path):
        values, rows = RowCache(tmp_path / "new", SHAPE, "float32").rows([], None)
        assert values.shape == (0, *SHAPE) and rows.shape == (0,) and rows.dtype == np.int64
        assert ask(tmp_path, ["x1"]) == (["x1"], [-1])

    def test_rows_are_mapped_read_only(self, tmp_path):
        values, _ = RowCache(tmp_path, SHAPE, "float32").rows(["5"], Computer(["5"]))
        assert isinstance(values, np.memmap) and not values.flags.writeable

    def test_shapes_and_types_do_not_mix(self, tmp_path):
        ask(tmp_path, ["5"])
        half = RowCache(tmp_path, SHAPE, "float16")
        values, _ = half.rows(["5"], Computer(["5"]))
        assert values.dtype == np.float16 and values[0, 0, 0] == 5

    def test_wrong_shapes_are_not_written(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"Expected rows of shape \(1, 2, 3\), received \(1, 6\)"
        ):
            RowCache(tmp_path, SHAPE, "float32").rows(["5"], lambda _: [([0], np.zeros((1, 6)))])
        assert ask(tmp_path, ["5"]) == (["5"], [0])

    def test_what_was_computed_before_an_interruption_stays(self, tmp_path):
        keys = list("123456")

        def interrupted(positions):
            batches = Computer(keys)(positions)
            yield next(batches)
            yield next(batches)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as interrupt:
            RowCache(tmp_path, SHAPE, "float32").rows(keys, interrupted, "reading images")
        assert interrupt.value.args == (
            "reading images: what was computed is kept, and the same command goes on from there",
        )
        assert ask(tmp_path, keys) == (["5", "6"], [0, 1, 2, 3, 4, 5])

    @pytest.mark.parametrize(
        "damage", ["rows without keys", "half a row", "half a key", "lost rows"]
    )
    def test_a_crash_is_repaired(self, tmp_path, damage):
        ask(tmp_path, ["1", "2", "3"])
        files = RowCache(tmp_path, SHAPE, "float32")
        row_bytes, key_bytes = 24, row_cache.RECORD_BYTES
        path, length = {
            "rows without keys": (files.keys_path, 2 * key_bytes),
            "half a row": (files.rows_path, 2 * row_bytes + 11),
            "half a key": (files.keys_path, 2 * key_bytes + 5),
            "lost rows": (files.rows_path, 2 * row_bytes),
        }[damage]
        os.truncate(path, length)
        assert ask(tmp_path, ["3", "4", "1"]) == (["3", "4"], [2, 3, 0])
        assert files.rows_path.stat().st_size == 4 * row_bytes
        assert files.keys_path.stat().st_size == 4 * key_bytes

    @pytest.mark.parametrize("damage", ["another row", "zeros", "another digest"])
    def test_a_row_that_is_not_what_was_written_is_computed_again(self, tmp_path, capsys, damage):
        ask(tmp_path, ["1", "2", "3"])
        files = RowCache(tmp_path, SHAPE, "float32")
        path, place, content = {
            "another row": (files.rows_path, 24, row("7").tobytes()),
            "zeros": (files.rows_path, 24, bytes(24)),
            "another digest": (files.keys_path, row_cache.RECORD_BYTES * 2 - 1, b"x"),
        }[damage]
        with open(path, "r+b") as file:
            file.seek(place)
            file.write(content)
        assert ask(tmp_path, ["3", "1"]) == ([], [2, 0])
        capsys.readouterr()
        assert ask(tmp_path, ["3", "2", "1"]) == (["2"], [2, 3, 0])
        assert f"1 damaged rows of {tmp_path}: computed again" in capsys.readouterr().out
        assert ask(tmp_path, ["2"]) == ([], [3])

    def test_what_a_row_stands_for_may_be_damaged_too(self, tmp_path):
        ask(tmp_path, ["1", "2"])
        whole = RowCache(tmp_path, SHAPE, "float32", lambda value: value[0, 0] != 1)
        compute = Computer(["1", "2"])
        _, rows = whole.rows(["1", "2"], compute)
        assert (compute.asked, rows.tolist()) == (["1"], [2, 1])

    def test_a_disk_too_small_is_told_before_anything_is_computed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 80, 47))
        with pytest.raises(UserError, match=r"computing needs .* set ATTENTION_SUITE_CACHE"):
            ask(tmp_path, ["1", "2"])
        assert ask(tmp_path, ["1"]) == (["1"], [0])

    def test_a_disk_that_runs_full(self, tmp_path, monkeypatch):
        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(UserError, match=f"no space left on the disk of {tmp_path}"):
                ask(tmp_path, ["1"])
        assert ask(tmp_path, ["1"]) == (["1"], [0])

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").touch()
        for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
            with pytest.raises(UserError, match=f"cannot write to {folder}"):
                ask(folder, ["1"])

    def test_other_parts_of_the_cache_make_room(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path))
        monkeypatch.setenv("ATTENTION_SUITE_CACHE_SIZE", "0.00001")  # 10 kB
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / room.MARK).touch()
        (tmp_path / "old" / "a").write_bytes(bytes(9_990))
        assert ask(tmp_path / "new", ["1"]) == (["1"], [0])
        assert not (tmp_path / "old").exists()
        keys = [str(number) for number in range(500)]
        with pytest.raises(UserError, match="--cache-size 1 allows as many GB"):
            ask(tmp_path / "new", keys)

    def test_several_processes_share_the_work(self, tmp_path):
        script = """if True:
            import sys
            import numpy as np
            from pipelines.data.caches.row_cache import RowCache
            keys = [str(i) for i in range(200)][int(sys.argv[2]):]
            def compute(positions):
                for i in positions:
                    yield [i], np.full((1, 2, 3), int(keys[i]), np.float32)
            RowCache(sys.argv[1], (2, 3), "float32").rows(keys, compute)
        """
        processes = [
            subprocess.Popen([sys.executable, "-c", script, tmp_path, str(start)], cwd=ROOT)
            for start in (0, 50, 100)
        ]
        assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
        asked, rows = ask(tmp_path, [str(i) for i in range(200)])
        assert asked == [] and sorted(rows) == list(range(200))


def test_gather_copies_rows(tmp_path):
    values, _ = RowCache(tmp_path, SHAPE, "float32").rows(
        ["1", "2", "3"], Computer(["1", "2", "3"])
    )
    found = row_cache.gather(values, np.array([2, 0, 2]))
    assert type(found) is np.ndarray and found[:, 0, 0].tolist() == [3, 1, 3]
    found[:] = 0
    assert values[2, 0, 0] == 3
