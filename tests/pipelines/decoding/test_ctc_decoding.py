"""Both searches against sums over all paths."""

import itertools
from collections import defaultdict

import numpy as np
import pytest

from pipelines.decoding.ctc_decoding import greedy, prefix_beam
from pipelines.decoding.ngrams import NGramModel
from pipelines.text.tokenizer import END, PAD, START

B, S, V = 11, 5, 6
BLANK = V
SOUNDS = (3, 4, 5, BLANK)


def random_log_probs(shape, seed=0, scale=2.0):
    logits = np.random.default_rng(seed).normal(size=shape) * scale
    logits[..., : END + 1] -= 1e9
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype("float32")


def spelled(path):
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


def all_paths(log_probs):
    for path in itertools.product(SOUNDS, repeat=len(log_probs)):
        yield path, sum(float(frame[token]) for frame, token in zip(log_probs, path, strict=True))


def all_labellings(log_probs):
    """Log-probability of each labelling: the sum over its paths."""
    found = defaultdict(float)
    for path, score in all_paths(log_probs):
        found[spelled(path)] += np.exp(score)
    return {ids: np.log(prob) for ids, prob in found.items()}


class TestGreedy:
    def test_is_the_labelling_of_the_best_of_all_paths(self):
        log_probs = random_log_probs((B, S, V + 1))
        found = greedy(log_probs)
        for ids, one in zip(found, log_probs, strict=True):
            path, _ = max(all_paths(one), key=lambda pair: pair[1])
            assert tuple(ids) == spelled(path)
        assert any(not ids for ids in found) or len(set(map(len, found))) > 1

    def test_repeated_tokens_are_one_unless_a_blank_is_between(self):
        paths = [[3, 3, BLANK, 3, 4, 4, 3], [BLANK] * 7, [5, 4, 4, 5, 5, BLANK, BLANK]]
        log_probs = np.log(np.eye(V + 1)[paths] + 1e-9)
        assert greedy(log_probs) == [[3, 3, 4, 3], [], [5, 4, 5]]

    def test_padding_start_and_end_are_never_said(self):
        log_probs = random_log_probs((B, S, V + 1))
        likely = log_probs.copy()
        likely[..., [PAD, START, END]] = 0
        assert greedy(likely) == greedy(log_probs)
        assert prefix_beam(likely[0], 7) == prefix_beam(log_probs[0], 7)


def padded(log_probs, frames):
    """With frames that are certain of the blank."""
    padding = np.full((frames, log_probs.shape[-1]), -1e30, "float32")
    padding[:, BLANK] = 0
    return np.concatenate([log_probs, padding])


class TestPrefixBeam:
    def test_a_wide_one_sums_over_all_paths(self):
        for seed in range(5):
            log_probs = random_log_probs((S, V + 1), seed, scale=1.0)
            expected = all_labellings(log_probs)
            found = prefix_beam(log_probs, beams=1000)
            assert {tuple(ids) for ids, _ in found} == set(expected)
            for ids, score in found:
                assert score == pytest.approx(expected[tuple(ids)], abs=1e-5)
            scores = [score for _, score in found]
            assert scores == sorted(scores, reverse=True)
            assert np.exp(scores).sum() == pytest.approx(1)

    def test_finds_what_no_single_path_tells(self):
        # Each path to "3" is less likely than the blanks, both together are more so.
        log_probs = np.log(np.full((2, V + 1), 1e-9))
        log_probs[:, BLANK], log_probs[:, 3] = np.log(0.6), np.log(0.4)
        assert greedy(log_probs[None]) == [[]]
        (ids, score), (none, _) = prefix_beam(log_probs, beams=2)
        assert (ids, none) == ([3], [])
        assert score == pytest.approx(np.log(2 * 0.6 * 0.4 + 0.4 * 0.4))

    def test_few_beams_are_the_likeliest(self):
        log_probs = random_log_probs((7, V + 1), seed=1)
        expected = all_labellings(log_probs)
        found = prefix_beam(log_probs, beams=16)
        assert len(found) == 16
        assert tuple(found[0][0]) == max(expected, key=expected.get)
        for ids, score in found:  # Of what was dropped on the way a little is missing.
            assert expected[tuple(ids)] - 0.2 < score <= expected[tuple(ids)] + 1e-5

    def test_one_beam_on_clear_sound_is_greedy(self):
        log_probs = random_log_probs((B, 23, V + 1), scale=30.0)
        for one, expected in zip(log_probs, greedy(log_probs), strict=True):
            [(ids, _)] = prefix_beam(one, beams=1)
            assert ids == expected

    def test_frames_of_padding_change_nothing(self):
        log_probs = random_log_probs((S, V + 1), seed=2)
        expected = prefix_beam(log_probs, beams=7)
        found = prefix_beam(padded(log_probs, 3), beams=7)
        assert [ids for ids, _ in found] == [ids for ids, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected])
        assert greedy(padded(log_probs, 3)[None]) == greedy(log_probs[None])

    def test_an_utterance_without_frames_is_empty(self):
        assert prefix_beam(np.zeros((0, V + 1))) == [([], 0.0)]


class TestFusion:
    model = NGramModel.train([[3, 4, 5], [3, 4], [5, 5, 3]], V, order=2)

    def prior(self, ids, weight, bonus):
        gains = [self.model.log_prob(ids[:i], token) for i, token in enumerate((*ids, END))]
        return weight * sum(gains) + bonus * len(ids)

    @pytest.mark.parametrize(("weight", "bonus"), [(0.7, 0.0), (0.5, 1.3), (0.0, -0.4)])
    def test_adds_the_language_model_and_the_bonus(self, weight, bonus):
        changed = 0
        for seed in range(5):
            log_probs = random_log_probs((S, V + 1), seed, scale=1.0)
            sounds = all_labellings(log_probs)
            expected = {ids: sum_ + self.prior(ids, weight, bonus) for ids, sum_ in sounds.items()}
            found = prefix_beam(log_probs, 1000, self.model, weight, bonus)
            assert len(found) == len(expected)
            for ids, score in found:
                assert score == pytest.approx(expected[tuple(ids)], abs=1e-5)
            assert tuple(found[0][0]) == max(expected, key=expected.get)
            changed += tuple(found[0][0]) != max(sounds, key=sounds.get)
        assert changed > 0

    def test_the_bonus_needs_no_language_model(self):
        log_probs = random_log_probs((S, V + 1))
        plain = {tuple(ids): score for ids, score in prefix_beam(log_probs, 1000)}
        for ids, score in prefix_beam(log_probs, 1000, bonus=0.6):
            assert score == pytest.approx(plain[tuple(ids)] + 0.6 * len(ids))
