"""What several processes do together, as one of them sees it."""

import os

import pytest

from pipelines.commands import options, terminal
from pipelines.commands.cluster import agreement, processes
from pipelines.commands.cluster.places import Place

OPTIONS = options.Run(device="cpu")


@pytest.fixture
def second(monkeypatch):
    """Makes this process the second of three; returns what each of them has to exchange."""
    others = {}
    monkeypatch.setattr(terminal.console, "quiet", False)
    monkeypatch.setattr(processes._job, "place", Place("host:1", 3, 1))
    monkeypatch.setattr(
        processes, "gather", lambda own: [others.get(0, own), own, others.get(2, own)]
    )
    return others


def test_one_process_is_alone_and_does_everything():
    with processes.together(OPTIONS, Place()):
        assert processes.alone() and processes.first()
        assert processes.gather(7) == [7]
        assert processes.from_first(lambda: 5) == 5
        assert processes.divide(lambda items: [2 * item for item in items], [3, 1]) == [6, 2]


def test_items_are_shared_out_and_come_back_in_order(second):
    seen = []

    def double(items):
        seen.extend(items)
        return [2 * item for item in items]

    second |= {0: [20, 26, 32], 2: [24, 30]}
    assert processes.divide(double, [10, 11, 12, 13, 14, 15, 16]) == [20, 22, 24, 26, 28, 30, 32]
    assert seen == [11, 14]
    second |= {0: [2], 2: []}
    assert processes.divide(double, [1]) == [2]
    assert seen == [11, 14]  # There was nothing left for this one.


def test_all_but_the_first_are_silent(capsys, monkeypatch):
    monkeypatch.setattr(terminal.console, "quiet", False)
    monkeypatch.setattr(processes, "gather", lambda own: [own, own])
    with processes.together(OPTIONS, Place("host:1", 2, 1)):
        assert not processes.first()
        terminal.console.print("a line")
        terminal.answer("an answer")
        terminal.note("a note")
        terminal.complain("an error")
    assert capsys.readouterr() == ("", "an error\n")
    assert processes.alone()


def test_processes_decide_at_the_same_steps(second, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(agreement.time, "monotonic", lambda: float(next(clock)))
    decide = agreement.Agreement()
    second |= {0: (0, 0.25), 2: (15, 9.0)}
    # By the clock of the first, four steps take a second.
    assert [decide(1) for _ in range(6)] == [15, 0, 0, 0, 15, 0]
    second[2] = (0, 9.0)
    assert decide(1, last=True) == 1


def test_one_process_decides_at_every_step():
    decide = agreement.Agreement()
    assert [decide(wish) for wish in (0, 1, 15, 0)] == [0, 1, 15, 0]


def test_libraries_print_nothing_past_python(capfd):
    with terminal.silent_libraries():
        os.write(1, b"connected")
    os.write(1, b"result")
    assert capfd.readouterr().out == "result"
