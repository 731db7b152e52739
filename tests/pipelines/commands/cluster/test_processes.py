"""What several processes do together, as one of them sees it."""

import os
import sys
import threading
import types

import pytest

from pipelines.commands import options, terminal
from pipelines.commands.cluster import agreement, peers, processes
from pipelines.commands.cluster.places import Place
from pipelines.commands.errors import UserError

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


class TestMeeting:
    @pytest.fixture
    def jax(self, monkeypatch):
        """In place of JAX, which PyTorch and TensorFlow do without."""
        found = types.SimpleNamespace(distributed=types.SimpleNamespace())
        monkeypatch.setitem(sys.modules, "jax", found)
        monkeypatch.setattr(processes, "WAIT", 0.1)
        return found.distributed

    def test_those_who_do_not_come_are_not_waited_for_endlessly(self, jax):
        over = threading.Event()
        jax.initialize = lambda *args, **options: over.wait()
        with pytest.raises(UserError, match=r"1 waited 0\.1 seconds at host:1 for all 3"):
            processes._meet(Place("host:1", 3, 1))
        over.set()

    def test_what_jax_refuses_is_told(self, jax):
        def refuse(*args, **options):
            raise RuntimeError("no such task\nat all")

        jax.initialize = refuse
        with pytest.raises(UserError, match=r"1 finds no job at host:1: no such task$"):
            processes._meet(Place("host:1", 3, 1))

    def test_a_fault_of_ours_is_not_taken_for_a_missing_job(self, jax):
        jax.initialize = lambda *args: None  # It takes no options.
        with pytest.raises(TypeError, match="cluster_detection_method"):
            processes._meet(Place("host:1", 3, 1))

    def test_the_place_and_no_detection_are_handed_on(self, jax):
        seen = []
        jax.initialize = lambda *args, **options: seen.append((args, options))
        processes._meet(Place("host:1", 3, 2))
        (args, options) = seen[0]
        assert args == ("host:1", 3, 2) and options["cluster_detection_method"] == "deactivate"

    def test_a_port_that_is_taken(self, jax):
        with peers.listen() as taken:
            port = taken.getsockname()[1]
            with pytest.raises(UserError, match=f"0 cannot listen at host:{port}: Address already"):
                processes._meet(Place(f"host:{port}", 3, 0))


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
