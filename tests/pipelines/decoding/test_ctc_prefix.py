"""Joint decoding against sums over all paths, and against either of its halves alone."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.decoding.ctc_decoding import prefix_beam
from pipelines.decoding.ctc_prefix import JointModel
from pipelines.decoding.generator import Generator
from pipelines.decoding.search_penalties import IMPOSSIBLE
from pipelines.text.tokenizer import END, PAD, START

B, S, V, LENGTH = 3, 5, 6, 7
BLANK = V
SOUNDS = (3, 4, 5, BLANK)
TOKENS = (3, 4, 5)


def random_log_probs(seed=0, frames=S):
    """The last example has two frames less."""
    logits = np.random.default_rng(seed).normal(size=(B, frames, V + 1))
    logits[..., : END + 1] -= 1e9
    logits[-1, -2:] = np.where(np.arange(V + 1) == BLANK, 0, -1e9)
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype("float32")


class Speech(keras.Model):
    """Its attention decoder knows the token before and the example alone."""

    def __init__(self, log_probs, seed=0):
        super().__init__()
        self.built = True
        self.log_probs = log_probs
        table = np.random.default_rng(seed).normal(size=(len(log_probs), V, V))
        self.table = (table - [[1e3, 1e3, 0, 0, 0, 0]]).astype("float32")

    def start(self, example, candidates, max_length):
        state = {"count": ops.zeros((ops.shape(example)[0] * candidates, 1))}
        return {"example": example}, state, 1

    def ctc_log_probs(self, memory):
        return ops.take(self.log_probs, memory["example"], axis=0)

    def step(self, tokens, index, memory, state):
        example = memory["example"]
        example = ops.repeat(example, ops.shape(tokens)[0] // ops.shape(example)[0])
        logits = ops.take(ops.reshape(self.table, (-1, V)), example * V + tokens, axis=0)
        count = state["count"] + 1
        return 2 * logits, count, {"count": count}

    def attention_log_prob(self, example, ids):
        """Of ids, which end or do not, in NumPy."""
        total = 0.0
        for before, token in itertools.pairwise((START, *ids)):
            logits = 2 * self.table[example, before].astype("float64")
            total += logits[token] - np.log(np.exp(logits).sum())
        return total


def all_labellings(log_probs):
    """The probability of each labelling: the sum over its paths."""
    found = {}
    for path in itertools.product(SOUNDS, repeat=len(log_probs)):
        ids = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
        score = sum(float(frame[token]) for frame, token in zip(log_probs, path, strict=True))
        found[ids] = found.get(ids, 0.0) + np.exp(score)
    return found


def prefix_prob(labellings, ids):
    return sum(prob for found, prob in labellings.items() if found[: len(ids)] == ids)


def walk(model, sequences):
    """The scores `(B * K, V)` after each token; `sequences` `(B * K, T)` without the start."""
    candidates = len(sequences) // B
    memory, state, _ = model.start(ops.arange(B, dtype="int32"), candidates, LENGTH)
    tokens = np.full(len(sequences), START, "int32")
    for index in range(sequences.shape[1] + 1):
        scores, _, state = model.step(ops.convert_to_tensor(tokens), index, memory, state)
        yield np.array(ops.convert_to_numpy(scores))
        tokens = sequences[:, min(index, sequences.shape[1] - 1)]


def decode(model, compiled=False, **options):
    """The tokens of each example up to the end, and the scores."""
    generator = Generator(model, LENGTH, **options)
    inputs = np.arange(B, dtype="int32")
    found = generator.predict(inputs, verbose=0) if compiled else generator(inputs)
    tokens = np.array(ops.convert_to_numpy(found["tokens"])).tolist()
    tokens = [tuple(ids[: ids.index(END) + 1] if END in ids else ids) for ids in tokens]
    return tokens, np.array(ops.convert_to_numpy(found["score"]))


def hide_sizes(x):
    """The same tensor, of a shape that only a run will tell, where there is such a thing."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=tf.TensorShape([None] * len(x.shape)))


class TestPrefixes:
    """With all the weight on CTC, scores are quotients of the probabilities of prefixes."""

    # A row each: those that repeat a token, and more tokens than the frames can hold.
    SEQUENCES = np.array([[3, 3, 4], [5, 4, 5], [4, 4, 4], [3, 5, 5]], "int32")

    @pytest.mark.parametrize("frames", [1, 2, 3, 5, 6])
    def test_equal_sums_over_all_paths(self, frames):
        log_probs = random_log_probs(frames, max(frames, 3))[:, -frames:]
        labellings = [all_labellings(one) for one in log_probs]
        rows = np.tile(self.SEQUENCES, (B, 1))
        compared = 0
        for length, scores in enumerate(walk(JointModel(Speech(log_probs), 1.0), rows)):
            assert (scores[:, [PAD, START]] < IMPOSSIBLE / 2).all()
            for row, ids in enumerate(rows[:, :length]):
                known, ids = labellings[row // len(self.SEQUENCES)], tuple(ids.tolist())
                prefix = prefix_prob(known, ids)
                if prefix < 1e-30:
                    continue  # Of what is impossible the score is of no account.
                expected = {t: prefix_prob(known, (*ids, t)) / prefix for t in TOKENS}
                expected[END] = known.get(ids, 0.0) / prefix
                for token, prob in expected.items():
                    assert np.exp(scores[row, token]) == pytest.approx(prob, rel=1e-4, abs=1e-9)
                    assert prob > 1e-30 or scores[row, token] < IMPOSSIBLE / 2
                compared += 1
        assert compared >= 12

    def test_tokens_and_the_end_sum_to_one(self):
        rng = np.random.default_rng(0)
        log_probs = random_log_probs(1, frames=23)
        sequences = rng.choice(TOKENS, (B * 7, 5)).astype("int32")
        for scores in walk(JointModel(Speech(log_probs), 1.0), sequences):
            np.testing.assert_allclose(np.exp(scores).sum(1), 1, rtol=1e-4)

    @pytest.mark.slow
    def test_many_frames_lose_no_precision(self):
        """Against a loop over the frames in float64."""
        log_probs = random_log_probs(2, frames=311)
        sequence = np.random.default_rng(0).choice(TOKENS, (1, 17)).astype("int32")
        *_, scores = walk(JointModel(Speech(log_probs), 1.0), np.repeat(sequence, B, axis=0))
        for one, found in zip(log_probs.astype("float64"), scores, strict=True):
            expected = loop_over_frames(one, sequence[0].tolist())
            np.testing.assert_allclose(found[[*TOKENS, END]], expected, rtol=1e-3, atol=1e-3)


def loop_over_frames(log_probs, ids):
    """Scores of the tokens and of the end after ids, by algorithm 2 of Watanabe et al. (2017)."""
    in_token = np.full(len(log_probs), -np.inf)
    in_blank = np.cumsum(log_probs[:, BLANK])
    prefix, last = 0.0, None
    for number, token in enumerate(ids):
        prefix, in_token, in_blank = grow(log_probs, in_token, in_blank, token, last, number == 0)
        last = token
    extended = [grow(log_probs, in_token, in_blank, t, last, not ids)[0] for t in TOKENS]
    return np.array([*extended, np.logaddexp(in_token[-1], in_blank[-1])]) - prefix


def grow(log_probs, in_token, in_blank, token, last, empty):
    new_token, new_blank = np.full((2, len(log_probs)), -np.inf)
    prefix = new_token[0] = log_probs[0, token] if empty else -np.inf
    for t in range(1, len(log_probs)):
        other = -np.inf if token == last else in_token[t - 1]
        before = np.logaddexp(in_blank[t - 1], other)
        new_token[t] = np.logaddexp(new_token[t - 1], before) + log_probs[t, token]
        new_blank[t] = np.logaddexp(new_token[t - 1], new_blank[t - 1]) + log_probs[t, BLANK]
        prefix = np.logaddexp(prefix, before + log_probs[t, token])
    return prefix, new_token, new_blank


class TestDecoding:
    @pytest.mark.slow
    def test_without_weight_it_decodes_as_the_model_alone(self):
        model = Speech(random_log_probs())
        for options in ({}, {"method": "beam", "beams": 4}):
            tokens, scores = decode(model, **options)
            joint_tokens, joint_scores = decode(JointModel(model, 0.0), **options)
            assert joint_tokens == tokens
            np.testing.assert_allclose(joint_scores, scores, rtol=1e-5)

    @pytest.mark.parametrize("compiled", [pytest.param(False, marks=pytest.mark.slow), True])
    def test_with_all_the_weight_it_finds_the_best_labelling(self, compiled):
        log_probs = random_log_probs(4)
        options = {"method": "beam", "beams": 40, "length_penalty": 0.0}
        tokens, scores = decode(JointModel(Speech(log_probs), 1.0), compiled, **options)
        for one, ids, score in zip(log_probs, tokens, scores, strict=True):
            labellings = all_labellings(one)
            best = max(labellings, key=labellings.get)
            assert ids == (*best, END)
            assert score == pytest.approx(np.log(labellings[best]), rel=1e-4)
            expected, log_prob = prefix_beam(one, beams=1000)[0]
            assert (tuple(expected), pytest.approx(log_prob, rel=1e-4)) == (best, score)
        assert len(set(tokens)) > 1

    @pytest.mark.parametrize("weight", [0.3, pytest.param(0.8, marks=pytest.mark.slow)])
    def test_finds_the_best_of_both_together(self, weight):
        changed = 0
        for seed in range(3):
            model = Speech(random_log_probs(seed), seed)
            options = {"method": "beam", "beams": 40, "length_penalty": 0.0}
            tokens, scores = decode(JointModel(model, weight), **options)
            for example in range(B):
                labellings = all_labellings(model.log_probs[example])
                expected = {
                    ids: weight * np.log(prob)
                    + (1 - weight) * model.attention_log_prob(example, (*ids, END))
                    for ids, prob in labellings.items()
                    if prob > 1e-30
                }
                best = max(expected, key=expected.get)
                assert tokens[example] == (*best, END)
                assert scores[example] == pytest.approx(expected[best], rel=1e-4)
                changed += best != max(labellings, key=labellings.get)
        assert changed > 0

    def test_frames_of_padding_change_nothing(self):
        log_probs = random_log_probs(1)
        padding = np.where(np.arange(V + 1) == BLANK, 0, -1e30).astype("float32")
        longer = np.concatenate([log_probs, np.tile(padding, (B, 4, 1))], axis=1)
        options = {"method": "beam", "beams": 5, "length_penalty": 0.0}
        tokens, scores = decode(JointModel(Speech(log_probs), 0.5), **options)
        found, found_scores = decode(JointModel(Speech(longer), 0.5), **options)
        assert found == tokens
        np.testing.assert_allclose(found_scores, scores, rtol=1e-5)

    @pytest.mark.slow
    def test_lengths_that_only_a_run_will_tell(self):
        class Hidden(Speech):
            def ctc_log_probs(self, memory):
                return hide_sizes(super().ctc_log_probs(memory))

        log_probs = random_log_probs(1)
        options = {"method": "beam", "beams": 5}
        tokens, scores = decode(JointModel(Speech(log_probs), 0.5), **options)
        found, found_scores = decode(JointModel(Hidden(log_probs), 0.5), True, **options)
        assert found == tokens
        np.testing.assert_allclose(found_scores, scores, rtol=1e-5)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    @pytest.mark.slow
    def test_half_precision_is_raised_to_float32(self, dtype):
        class Half(Speech):
            def ctc_log_probs(self, memory):
                return ops.cast(super().ctc_log_probs(memory), dtype)

            def step(self, tokens, index, memory, state):
                logits, weights, state = super().step(tokens, index, memory, state)
                return ops.cast(logits, dtype), weights, state

        log_probs = np.maximum(np.round(random_log_probs() * 8) / 8, -30)
        half, full = Half(log_probs), Speech(log_probs)
        for model in (half, full):
            model.table = np.round(model.table)
        options = {"method": "beam", "beams": 3}
        tokens, scores = decode(JointModel(half, 0.4), **options)
        expected, expected_scores = decode(JointModel(full, 0.4), **options)
        assert tokens == expected
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-2)


def test_is_covered_by_the_mask_of_its_model():
    class Masked(Speech):
        def source_mask(self, example):
            return ops.ones((ops.shape(example)[0], 1), "bool")

    log_probs = random_log_probs()
    assert JointModel(Masked(log_probs), 0.5).source_mask(np.zeros(2, "int32")).shape == (2, 1)
    assert not hasattr(JointModel(Speech(log_probs), 0.5), "source_mask")


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_that_is_no_share_is_an_error(weight):
    with pytest.raises(ValueError, match=f"weight={weight}"):
        JointModel(Speech(random_log_probs()), weight)
