import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pipelines.data import rows as of_rows
from pipelines.data.rows import Joined, Mapped, Rows, chunks, column, select

ROWS = [{"text": f"t{n}\u00e9\ud800", "n": n, "list": [n, None, {"a": 0.1}]} for n in range(1201)]


def test_they_are_a_sequence_of_what_was_given():
    rows = Rows(iter(ROWS))
    assert rows == ROWS and list(rows) == ROWS
    assert (len(rows), rows[0], rows[-1], rows[np.int64(700)]) == (
        *(1201, ROWS[0], ROWS[-1]),
        ROWS[700],
    )
    assert rows != ROWS[:-1] and rows != [*ROWS[:-1], {}] and rows != "rows"
    assert ROWS[3] in rows and {"n": 3} not in rows
    assert not Rows() and Rows() == []
    with pytest.raises(IndexError):
        rows[1201]


@pytest.mark.parametrize("part", [slice(None, 5), slice(600, None), slice(None, None, -7)])
def test_slices_are_rows_too(part):
    assert Rows(ROWS)[part] == ROWS[part]
    assert Rows(ROWS)[part][1:3] == ROWS[part][1:3]
    assert Rows(Rows(ROWS)[part]) == ROWS[part]


def test_choices():
    rows = Rows(ROWS)
    places = [1200, 3, 3, 77]
    assert rows.select(places) == [ROWS[place] for place in places] == select(ROWS, places)
    even = np.arange(1201) % 2 == 0
    assert rows.select(even).select([0, -1]) == select(rows.select(even), [0, 600])
    assert rows.select(even)[1:3] == [ROWS[2], ROWS[4]] and rows.select([]) == []
    assert "t0" in repr(rows.select([0])) and repr(rows).endswith("…])")


def test_paths_stay_paths():
    given = [{"path": Path("a/b.png"), "other": Path("c")}]
    assert Rows(given, have_paths=True) == [{"path": Path("a/b.png"), "other": "c"}]
    assert Rows([{"path": "a"}]) == [{"path": "a"}]


def test_a_row_that_is_changed_is_not_changed_on_disk():
    rows = Rows(ROWS)
    rows[0]["n"] = 7
    assert rows[0] == ROWS[0]


def test_views_of_sequences():
    joined = Joined([ROWS[:3], Rows(ROWS[3:7])])
    assert len(joined) == 7 and list(joined) == [joined[n] for n in range(7)] == ROWS[:7]
    with pytest.raises(IndexError):
        joined[7]
    numbers = column(Rows(ROWS), "n")
    assert (len(numbers), numbers[5], list(numbers[2:5]), sum(numbers)) == (
        *(1201, 5, [2, 3, 4]),
        1200 * 1201 / 2,
    )
    assert list(Mapped([1, 2], str)) == ["1", "2"]
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]] and not list(chunks([], 3))


def test_memory_holds_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(of_rows, "AT_ONCE", 64)
    given = ({"text": f"{n:04}" * 100} for n in range(5_003))
    tracemalloc.start()
    try:
        rows = Rows(given)
        every_other = rows.select(np.arange(5_003) % 2 == 0)
        assert sum(len(row["text"]) for row in every_other) == 400 * 2_502
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
