"""The end of one process ends all."""

import queue
import socket

import pytest

from pipelines.commands.cluster import peers
from pipelines.commands.cluster.peers import Peers

SECRET = b"of this job"


@pytest.fixture
def job():
    """Three processes, here in one: their peers, and what each is told of the dead."""
    told = [queue.Queue() for _ in range(3)]
    listener = peers.listen()
    address = ("127.0.0.1", listener.getsockname()[1])
    stranger = socket.create_connection(address)
    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    others = [Peers.join(address, SECRET, number, told[number].put) for number in (1, 2)]
    first = Peers.gather(listener, SECRET, 3, told[0].put)
    yield [first, *others], told
    stranger.close()
    for each in (first, *others):
        each.abandon()


def test_all_others_learn_which_process_has_died(job):
    (_, second, _), told = job
    second.abandon()
    assert [told[number].get(timeout=10) for number in (0, 2)] == [1, 1]


def test_all_learn_of_the_end_of_the_first(job):
    (first, _, _), told = job
    first.abandon()
    assert [told[number].get(timeout=10) for number in (1, 2)] == [0, 0]


def test_who_ends_in_order_is_not_missed(job):
    (first, second, third), told = job
    second.close()
    second.abandon()
    third.abandon()
    assert told[0].get(timeout=10) == 2
    first.close()
    assert told[1].empty() and told[0].empty()


def test_a_process_that_is_left_says_so_and_ends(monkeypatch, capfd):
    ended = []
    monkeypatch.setattr(peers.os, "_exit", ended.append)
    peers.leave(1)
    assert ended == [75]
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: process 1 has ended, and this one stops with it")
    assert "The same command on every machine goes on from the last checkpoint" in line
