"""Alignments against the best of all paths."""

import itertools

import numpy as np
import pytest

from pipelines.decoding.ctc_alignment import align, word_times
from pipelines.text.tokenizer import Tokenizer

S, V = 7, 6
BLANK = V


def random_log_probs(seed, frames=S):
    logits = np.random.default_rng(seed).normal(size=(frames, V + 1)) * 2
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype("float32")


def best_spans(log_probs, ids):
    """The runs of equal tokens in the likeliest of the paths that spell the ids."""
    best, found = -np.inf, None
    for path in itertools.product({*ids, BLANK}, repeat=len(log_probs)):
        score = sum(float(frame[token]) for frame, token in zip(log_probs, path, strict=True))
        runs = [(t, [i for i, _ in run]) for t, run in itertools.groupby(enumerate(path), _token)]
        runs = [(token, frames) for token, frames in runs if token != BLANK]
        if score > best and [token for token, _ in runs] == list(ids):
            best, found = score, [(frames[0], frames[-1]) for _, frames in runs]
    return found


def _token(pair):
    return pair[1]


@pytest.mark.parametrize("ids", [[3], [3, 4, 5], [3, 3], [4, 4, 5, 4], [3, 4, 3, 3], [5, 5, 5, 5]])
def test_is_the_best_of_all_paths(ids):
    for seed in range(4):
        log_probs = random_log_probs(seed)
        assert align(log_probs, ids) == best_spans(log_probs, ids)


def test_without_tokens_there_is_nothing_to_align():
    assert align(random_log_probs(0), []) == []


def test_a_path_that_is_clear():
    path = [BLANK, 3, 3, BLANK, 3, 4, 4, BLANK, BLANK, 5]
    log_probs = np.log(np.eye(V + 1)[path] + 1e-9)
    assert align(log_probs, [3, 3, 4, 5]) == [(1, 2), (4, 4), (5, 6), (9, 9)]
    assert align(log_probs, np.array([3, 3, 4, 5])) == [(1, 2), (4, 4), (5, 6), (9, 9)]


def test_as_many_frames_as_are_needed():
    log_probs = random_log_probs(1)
    assert align(log_probs[:3], [3, 4, 5]) == [(0, 0), (1, 1), (2, 2)]
    assert align(log_probs[:3], [3, 3]) == [(0, 0), (2, 2)]  # A blank stands between.


@pytest.mark.parametrize("ids", [[3, 4, 5, 3], [3, 3, 4], [4, 3, 3]])
def test_too_few_frames_are_an_error(ids):
    with pytest.raises(ValueError, match=f"{len(ids)} tokens do not fit into 3 frames"):
        align(random_log_probs(0, frames=3), ids)
    with pytest.raises(ValueError, match=f"{len(ids)} tokens do not fit into 8 frames"):
        align(_padded(random_log_probs(0, frames=3), 5), ids)


def test_frames_of_padding_belong_to_no_token():
    log_probs = random_log_probs(3)
    assert align(_padded(log_probs, 5), [3, 3, 4]) == align(log_probs, [3, 3, 4])


def _padded(log_probs, frames):
    padding = np.full((frames, V + 1), -1e9, "float32")
    padding[:, BLANK] = 0
    return np.concatenate([log_probs, padding])


def test_words_begin_with_their_first_token_and_end_with_their_last():
    tokenizer = Tokenizer.train(["go on", "on and on"] * 3, 270)
    ids = tokenizer.encode(["go on gone"])[0][1:-1]
    words, positions = tokenizer.words(ids)
    assert words == ["go", "on", "gone"] and len(ids) > 3
    spans = [(3 * i + 1, 3 * i + 2) for i in range(len(ids))]
    times = word_times(words, positions, spans, 0.04)
    assert [word for word, _, _ in times] == words
    for (_, start, end), tokens in zip(times, positions, strict=True):
        assert start == pytest.approx((3 * tokens[0] + 1) * 0.04)
        assert end == pytest.approx((3 * tokens[-1] + 3) * 0.04)
    assert word_times(["a"], [[0]], [(2, 2)], 0.5) == [("a", 1.0, 1.5)]
