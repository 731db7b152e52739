"""CTC against the sum over all paths; padding, lengths and repeats."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.training.ctc_loss import CtcLoss
from tests.layers.backend import gradients

B, S, V = 3, 7, 5
LABELS = np.array([[3, 3, 4], [1, 0, 0], [2, 4, 1]], "int32")


@pytest.fixture
def log_probs():
    logits = np.random.default_rng(0).normal(size=(B, S, V + 1)).astype("float32")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def brute_force(log_probs, labels):
    labels, total = [label for label in labels if label], 0.0
    for path in itertools.product(range(V + 1), repeat=len(log_probs)):
        if [token for token, _ in itertools.groupby(path) if token != V] == labels:
            total += np.exp(sum(frame[token] for frame, token in zip(log_probs, path, strict=True)))
    return -np.log(total) / max(len(labels), 1)


def padded(log_probs, frames):
    padding = np.full((len(log_probs), frames, V + 1), -1e9, "float32")
    padding[..., V] = 0
    return np.concatenate([log_probs, padding], axis=1)


def test_it_is_the_sum_over_all_paths_by_the_length(log_probs):
    expected = [brute_force(*pair) for pair in zip(log_probs, LABELS, strict=True)]
    for row in range(B):
        found = float(CtcLoss()(LABELS[row : row + 1], log_probs[row : row + 1]))
        assert found == pytest.approx(expected[row], rel=1e-5)
    assert float(CtcLoss()(LABELS, log_probs)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_it_is_the_same_with_padding(log_probs):
    expected = float(CtcLoss()(LABELS, log_probs))
    labels = np.pad(LABELS, [(0, 0), (0, 2)])
    assert float(CtcLoss()(labels, padded(log_probs, 3))) == pytest.approx(expected, rel=1e-6)


def test_gradients_are_those_of_finite_differences(log_probs):
    variable = keras.Variable(log_probs)
    (found,) = gradients(lambda: CtcLoss()(LABELS, variable), [variable])
    for place in [(0, 2, 3), (1, 5, V), (2, 0, 2)]:
        change = np.zeros_like(log_probs)
        change[place] = 1e-2
        # The loss takes any scores; it normalizes them once more.
        more, less = (float(CtcLoss()(LABELS, log_probs + sign * change)) for sign in (1, -1))
        assert found[place] == pytest.approx((more - less) / 2e-2, abs=2e-3)


def test_an_utterance_too_short_for_its_text_has_no_part_in_it(log_probs):
    # Three labels with a repeat need four frames.
    found = float(CtcLoss()(LABELS, padded(log_probs[:, :3], 4)))
    others = [brute_force(log_probs[row, :3], LABELS[row]) for row in (1, 2)]
    assert found == pytest.approx(sum(others) / 3, rel=1e-5)
    variable = keras.Variable(padded(log_probs[:, :3], 4))
    (gradient,) = gradients(lambda: CtcLoss()(LABELS, variable), [variable])
    assert np.isfinite(gradient).all() and not gradient[0].any() and gradient[1].any()


def test_silence_is_all_blank(log_probs):
    found = float(CtcLoss()(np.zeros((1, 3), "int32"), log_probs[:1]))
    assert found == pytest.approx(-log_probs[0, :, V].sum(), rel=1e-5)


def test_half_precision_is_computed_in_float32(log_probs):
    half = ops.cast(log_probs, "float16")
    expected = float(CtcLoss()(LABELS, np.asarray(ops.cast(half, "float32"))))
    assert float(CtcLoss()(LABELS, half)) == pytest.approx(expected, rel=1e-4)
