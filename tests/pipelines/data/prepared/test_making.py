import json

import numpy as np
import pytest

from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from pipelines.data.prepared import making
from tests.pipelines.data.prepared import tiny
from tests.pipelines.data.prepared.tiny import COUNTS, LEFT_OUT, Config, Squares


@pytest.fixture(autouse=True)
def start():
    left_out.begin(0.1)
    Squares.calls.clear()


@pytest.fixture
def folder(tmp_path):
    return tiny.prepare(tmp_path / "squares")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_rows_and_arrays_come_back(folder):
    splits = tiny.opened(folder)
    kept = [number for number in range(COUNTS["train"]) if number not in LEFT_OUT]
    train = splits["train"]
    assert [row["number"] for row in train] == kept and len(splits["test"]) == 3
    assert train.facts["of"] == "numbers" and train[-1]["name"] == "train 22"
    copies = train.array("copies")
    for row, (first, end) in zip(train, train.bounds, strict=True):
        assert end == first + 2 and train.column("number")[first] == row["number"]
        np.testing.assert_array_equal(copies[first], [row["number"] ** 2] * row["number"])
        assert bytes(train.array("letters")[first + 1]).decode() == row["name"]
    assert train.column("copies").tolist() == [n for number in kept for n in (number, 0)]
    letters = splits["test"].column("letters").tolist()  # Of one size, where there are any.
    assert letters == [0, 6, 0, 6, 0, 6]
    assert (folder / "sum.txt").read_text() == str(sum(kept))


def test_some_rows_know_where_they_stand(folder):
    train = tiny.opened(folder)["train"]
    some = train[3:17:5]
    assert [row["number"] for row in some] == [3, 9, 15]
    assert [int(first) for first, _ in some.bounds] == [6, 16, 26]
    ragged = train.ragged("copies")
    assert list(map(len, ragged.take(some.starts))) == [3, 9, 15]
    assert ragged.lengths.tolist() == train.column("copies").tolist()


def test_files_are_no_larger_than_asked_for_and_nothing_else_is_left(folder):
    description = json.loads((folder / "prepared.json").read_text())
    files = [path.name for path in folder.glob("train-*")]
    count = len(description["splits"]["train"]["records"])
    assert count > 2 and len(files) == count
    assert f"train-00001-of-{count:05d}.array_record" in files
    assert not list(folder.glob("*.npz")) and not (folder / "unfinished.json").exists()
    assert description["options"] == {"power": 2, "backbone": None}


def test_what_is_left_out_is_counted(folder, capsys):
    assert left_out.rows() == [
        {"split": "train", "where": f"row {number + 1}", "reason": "unlucky"} for number in LEFT_OUT
    ]


def test_too_much_left_out_is_an_error(tmp_path):
    left_out.begin(0.01)
    with pytest.raises(UserError, match=r"train: 2 of 23 left out.*--max-skipped 0.09 would"):
        tiny.prepare(tmp_path / "squares")


def test_a_killed_preparation_goes_on_with_the_files_that_are_missing(
    tmp_path, folder, monkeypatch
):
    def killed(*arguments, **options):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(arguments)
        return write(*arguments, **options)

    written, write = [], making.write_file
    monkeypatch.setattr(making, "write_file", killed)
    with pytest.raises(KeyboardInterrupt, match="what was written is kept, and the same command"):
        tiny.prepare(tmp_path / "other")
    monkeypatch.undo()
    # One file is damaged by whatever killed it.
    damaged = tmp_path / "other" / next((tmp_path / "other").glob("train-00001-*.array_record"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\1")
    (tmp_path / "other" / ".train-00004-of-00005.x7.array_record").write_text("a half")
    Squares.calls.clear()
    tiny.prepare(tmp_path / "other")
    assert "read" not in Squares.calls and "train 0" not in Squares.calls
    assert "train 22" in Squares.calls
    assert contents(tmp_path / "other") == contents(folder)


def test_other_options_do_not_go_on_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "_write_all", lambda *_: (_ for _ in ()).throw(UserError("full")))
    with pytest.raises(UserError, match="full"):
        tiny.prepare(tmp_path / "squares")
    with pytest.raises(UserError, match="was begun with power 2, not 3: give the same options"):
        tiny.prepare(tmp_path / "squares", Config(power=3))


def test_a_finished_folder_is_left_alone(folder, capsys):
    before = contents(folder)
    tiny.prepare(folder)
    assert contents(folder) == before and "is prepared already" in capsys.readouterr().out
    with pytest.raises(UserError, match="was begun with power 2, not 3: give the same options"):
        tiny.prepare(folder, Config(power=3))
    with pytest.raises(UserError, match="is prepared already: train on it"):
        tiny.prepare(folder.parent / "again", Config(dataset=str(folder)))


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(UserError, match="is not empty, nor a preparation to go on with"):
        tiny.prepare(tmp_path)


def test_one_process_at_a_time(tmp_path):
    (tmp_path / "squares").mkdir()
    with (
        making._alone(tmp_path / "squares"),
        pytest.raises(UserError, match="another process prepares"),
    ):
        tiny.prepare(tmp_path / "squares")
