"""What is written: whole or not at all, through no link, and no formula in a table."""

import csv
import functools
import os
import stat
from pathlib import Path

import pytest

from pipelines.commands.disk import files
from pipelines.commands.errors import UserError


class TestReplacing:
    def test_the_file_is_there_once_it_is_whole(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_text("old")
        with files.replacing(path) as temporary:
            temporary.write_text("new")
            assert (temporary.parent, temporary.suffix) == (tmp_path, ".json")
            assert path.read_text() == "old"
        assert path.read_text() == "new"
        assert [each.name for each in tmp_path.iterdir()] == ["a.json"]

    def test_a_failure_leaves_what_was_there_and_nothing_else(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_text("old")
        with pytest.raises(OSError, match="full"), files.replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("full")
        assert path.read_text() == "old"
        assert [each.name for each in tmp_path.iterdir()] == ["a.json"]

    def test_others_may_read_it_as_any_file(self, tmp_path):
        (tmp_path / "usual").touch()
        files.write_text(tmp_path / "text", "é")
        modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("usual", "text")]
        assert modes[0] == modes[1]

    def test_a_long_name_has_room(self, tmp_path):
        path = tmp_path / f"{'n' * 245}.json"
        files.write_json(path, [1])
        assert path.read_text() == "[\n  1\n]\n"


class TestLinks:
    @pytest.mark.parametrize("there", [True, False])
    def test_nothing_is_written_through_one(self, tmp_path, there):
        target, link = tmp_path / "target", tmp_path / "metrics.json"
        if there:
            target.write_text("mine")
        link.symlink_to(target)
        writers = (
            lambda: files.write_text(link, "a"),
            lambda: files.write_json(link, {}),
            lambda: files.write_json_lines(link, [{}]),
            lambda: files.write_csv(link, [["a"]]),
        )
        for write in writers:
            with pytest.raises(UserError, match="is a link, and nothing is written through one"):
                write()
        assert target.exists() == there and (not there or target.read_text() == "mine")

    def test_a_folder_that_is_one_is_refused(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "maps").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UserError, match="maps is a link"):
            files.make_folder(tmp_path / "maps")
        assert list((tmp_path / "elsewhere").iterdir()) == []


class TestTables:
    def test_no_cell_is_a_formula(self, tmp_path):
        names = ["=cmd|'/C calc'!A1", "+a", "-b", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
        rows = [[name, 0.5] for name in names]
        files.write_csv(tmp_path / "a.csv", rows)
        with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
            assert list(csv.reader(file)) == [[f"'{name}", "0.5"] for name in names]

    def test_other_cells_stay_as_they_are(self):
        values = ["dog", "a=b", "-1", "+0.5", "-1e-3", -1, -0.5, None, "", "'x"]
        assert [files.safe_cell(value) for value in values] == values


class TestMapsFolder:
    @staticmethod
    def draw(folder, results, most):
        (folder / "page").write_text(f"{results[:most]}")
        return folder / "page"

    def test_maps_are_drawn_into_the_run_the_first_ones(self, tmp_path):
        folder = files.MapsFolder(None, tmp_path)
        page = tmp_path / "predictions" / "page"
        assert folder.draw(self.draw, [1, 2, 3], 3) == f"attention maps: {page}"
        line = folder.draw(self.draw, [1, 2, 3], 2)
        assert line == f"attention maps: {page} (the first 2 of 3: --examples for more)"
        assert page.read_text() == "[1, 2]"

    def test_a_run_that_cannot_be_written_to_has_results_without_maps(self, tmp_path):
        (tmp_path / "predictions").touch()
        line = files.MapsFolder(None, tmp_path).draw(self.draw, [1], 1)
        assert line == (
            f"no attention maps: cannot make the folder {tmp_path / 'predictions'}: File exists; "
            "--output FOLDER draws them elsewhere"
        )

    def test_a_folder_that_was_asked_for_is_tried_before_anything_else(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match=r"cannot make the folder .*file: File exists"):
            files.MapsFolder(str(tmp_path / "file"), tmp_path)
        # The user may well name a link.
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "there")
        assert files.MapsFolder(str(tmp_path / "link"), tmp_path).folder == tmp_path / "there"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_a_full_disk_is_found_out_before_the_work(tmp_path, monkeypatch):
    full = functools.partial(open, "/dev/full", "wb")
    monkeypatch.setattr(files.tempfile, "TemporaryFile", lambda dir: full())
    with pytest.raises(UserError, match=f"cannot write to the folder {tmp_path}: No space left"):
        files.make_folder(tmp_path)


def test_the_cache_needs_a_home_or_a_variable(monkeypatch):
    monkeypatch.delenv("ATTENTION_SUITE_CACHE")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert files.cache_root() == Path("/home/somebody/.cache/attention-suite")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987_654_321)
    with pytest.raises(UserError, match=r"no home folder .* set ATTENTION_SUITE_CACHE"):
        files.cache_root()
