"""Where words were heard, by attention alone; scores and alternatives of searches."""

import numpy as np
import pytest

from pipelines.decoding.transcriber import Heard, Transcriber, _join, _sequences, _spans


def bumps(places, positions=41, width=1.5):
    """Weights `(T, S)`, each row a bell around its place."""
    rows = np.exp(-(((np.arange(positions) - np.array(places)[:, None]) / width) ** 2))
    return (rows / rows.sum(-1, keepdims=True)).astype("float32")


def test_a_token_is_where_its_attention_is_above_half_of_its_peak():
    # Of exp(-(d / 3)^2) more than half is left up to d = 2.5.
    spans = _spans([5, 5, 7], bumps([7, 19, 31], width=3), None)
    assert spans == [(5, 9), (17, 21), (29, 33)]


def test_one_that_looks_elsewhere_does_not_move_the_others():
    weights = bumps([7, 13, 19, 31])
    weights[0, 40] = 1.1 * weights[0].max()  # At the end, before all others have been heard.
    starts = [start for start, _ in _spans([3, 4, 5, 6], weights, None)]
    assert starts == [6, 12, 18, 30]


def test_more_tokens_than_positions():
    assert _spans([3, 4, 5], bumps([0, 1, 0], positions=2), None) == [(0, 0), (1, 1), (1, 1)]


def test_no_tokens():
    assert _spans([], np.zeros((0, 5), "float32"), None) == []


def test_pieces_of_one_sound():
    first = Heard(
        text="six teen",
        words=(("six", 0.0, 0.5), ("teen", 0.5, 1.0)),
        tokens=np.array([7, 5, 3]),
        token_words=np.array([0, 1, 1]),
        weights=bumps([1, 2, 3], positions=5),
        log_probs=None,
        score=-0.5,
        alternatives=(("six ten", -2.0),),
    )
    second = Heard(
        text="teen",
        words=(("teen", 0.25, 0.75),),
        tokens=np.array([4, 5]),
        token_words=np.array([-1, 0]),
        weights=bumps([0, 2], positions=3),
        log_probs=None,
        score=-0.25,
    )
    whole = _join([(0.0, first), (10.0, second)])
    assert whole.text == "six teen teen" and whole.words[2] == ("teen", 10.25, 10.75)
    assert whole.tokens.tolist() == [7, 5, 3, 4, 5]
    assert whole.token_words.tolist() == [0, 1, 1, -1, 2]
    np.testing.assert_array_equal(whole.weights[:3, :5], first.weights)
    np.testing.assert_array_equal(whole.weights[3:, 5:], second.weights)
    assert whole.weights[:3, 5:].sum() == whole.weights[3:, :5].sum() == 0
    assert (whole.score, whole.alternatives) == (-0.75, ())


def test_greedy_ctc_is_scored_by_its_path_and_a_beam_by_the_labelling():
    # Of padding, start, end, two units and the blank, in three frames.
    probs = np.array([[0, 0, 0, 0.6, 0.1, 0.3], [0, 0, 0, 0.2, 0.3, 0.5], [0, 0, 0, 0.1, 0.7, 0.2]])
    log_probs = np.log(np.maximum(probs, 1e-9)).astype("float32")
    transcriber = Transcriber(None, None, None, "ctc", max_length=5)
    ids, weights, score, others = transcriber._search(log_probs)
    assert (list(ids), weights, others) == ([3, 4], None, [])
    assert score == pytest.approx(np.log(0.6 * 0.5 * 0.7))
    transcriber = Transcriber(None, None, None, "ctc_beam", max_length=5, alternatives=2)
    ids, weights, score, others = transcriber._search(log_probs)
    assert list(ids) == [3, 4]
    # 334, 344, 3_4, _34 and 34_ are all its paths.
    paths = 0.6 * (0.2 + 0.3 + 0.5) * 0.7 + 0.3 * 0.2 * 0.7 + 0.6 * 0.3 * 0.2
    assert score == pytest.approx(np.log(paths))
    assert len(others) == 2 and score > others[0][1] > others[1][1]


def test_sequences_end_before_their_end_and_what_is_no_alternative_is_left_out():
    decoded = {
        "tokens": np.array([[4, 5, 2, 0], [5, 5, 5, 5]]),
        "weights": np.ones((2, 4, 7), "float32"),
        "score": np.array([-0.5, -1.0]),
        "alternatives": np.array([[[4, 2, 0, 0], [0, 0, 0, 0]], [[5, 4, 2, 0], [4, 2, 0, 0]]]),
        "alternative_scores": np.array([[-0.75, -np.inf], [-1.5, -2.0]]),
    }
    first, second = _sequences(decoded, [6, 7])
    assert (first[0].tolist(), first[1].shape, first[2]) == ([4, 5], (2, 6), -0.5)
    assert [(ids.tolist(), score) for ids, score in first[3]] == [([4], -0.75)]
    assert (second[0].tolist(), second[1].shape) == ([5, 5, 5, 5], (4, 7))
    assert [(ids.tolist(), score) for ids, score in second[3]] == [([5, 4], -1.5), ([4], -2.0)]
