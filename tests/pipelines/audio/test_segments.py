"""Long sound is cut where it is quiet, and nothing of it is lost."""

import itertools

import numpy as np

from pipelines.audio import segments


def test_what_is_short_enough_stays_whole():
    assert segments.cut(np.zeros((40, 5)), 40) == [(0, 40)]
    assert segments.cut(np.zeros((1, 5)), 40) == [(0, 1)]


def test_the_cuts_lie_in_the_pauses():
    log_mel = np.random.default_rng(0).normal(0, 0.1, (980, 7))
    pauses = [(180, 212), (370, 402), (560, 592), (760, 792)]
    for start, stop in pauses:
        log_mel[start:stop] -= 8
    pieces = segments.cut(log_mel, 230)
    cuts = [stop for _, stop in pieces[:-1]]
    assert len(cuts) == 4
    assert all(start <= cut <= stop for cut, (start, stop) in zip(cuts, pauses, strict=True))


def test_pieces_have_no_gaps_are_short_enough_and_begin_at_positions_of_the_memory():
    log_mel = np.random.default_rng(1).normal(size=(1237, 3))
    for longest in (17, 101, 640):
        pieces = segments.cut(log_mel, longest)
        assert pieces[0][0] == 0 and pieces[-1][1] == 1237
        assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))
        assert all(0 < stop - start <= longest for start, stop in pieces)
        assert all(start % 4 == 0 for start, _ in pieces)
