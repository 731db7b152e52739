"""Models whose answers are tables, and searches in plain Python to set beside the generator."""

import itertools

import keras
import numpy as np
from keras import ops

from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, PAD, START

A, B = 3, 4
EXAMPLES, LENGTH = 5, 4
KEYS = 3


class Chain(keras.Model):
    """Answers that depend on all tokens so far, through every leaf of a nested state."""

    gives_scores = False

    def __init__(self, vocabulary_size, seed=0):
        super().__init__()
        self.built = True
        rng = np.random.default_rng(seed)
        self.by_example = rng.normal(size=(EXAMPLES, 7, vocabulary_size)).astype("float32") * 1.5
        self.by_state = rng.normal(size=(5, vocabulary_size)).astype("float32")
        self.looks = rng.normal(size=(7, KEYS)).astype("float32")

    def start(self, example, candidates, max_length):
        rows = ops.shape(example)[0] * candidates
        state = {
            "first": ops.zeros((rows,), "int32"),
            "nested": ([ops.zeros((rows, 1, 1), "int32")], (ops.zeros((rows, KEYS)),)),
        }
        return {"table": ops.take(self.by_example, example, axis=0)}, state, KEYS

    def step(self, tokens, index, memory, state):
        ([second], (third,)) = state["nested"]
        first = (2 * state["first"] + tokens + 1) % 7
        second = (3 * second + tokens[:, None, None] + 2) % 5
        third = 0.5 * third + ops.cast(tokens, "float32")[:, None]
        table = memory["table"]
        rows = ops.shape(tokens)[0]
        table = ops.repeat(table, rows // ops.shape(table)[0], axis=0)
        logits = ops.take_along_axis(table, first[:, None, None], axis=1)[:, 0]
        logits = logits + ops.take(self.by_state, second[:, 0, 0], axis=0)
        weights = ops.take(self.looks, first, axis=0) + third
        return logits, weights, {"first": first, "nested": ([second], (third,))}

    def answer(self, example, tokens):
        """Log-probabilities and weights after `tokens`, in NumPy."""
        first = second = third = 0
        for token in (START, *tokens):
            first = (2 * first + token + 1) % 7
            second = (3 * second + token + 2) % 5
            third = 0.5 * third + token
        logits = (self.by_example[example, first] + self.by_state[second]).astype("float64")
        if not self.gives_scores:
            logits -= np.log(np.exp(logits).sum())
        return logits, self.looks[first] + third

    def log_prob(self, example, tokens):
        return sum(self.answer(example, tokens[:i])[0][token] for i, token in enumerate(tokens))

    def check(self, example, found, tokens, penalty):
        """That `found` is the sequence `tokens`, with its own weights and score."""
        tokens = list(tokens)
        padding = [PAD] * (LENGTH - len(tokens))
        assert found["tokens"].tolist() == tokens + padding
        weights = [self.answer(example, tokens[:i])[1] for i in range(len(tokens))]
        weights += [np.zeros(KEYS)] * len(padding)
        np.testing.assert_allclose(found["weights"], weights, rtol=1e-5, atol=1e-5)
        score = self.log_prob(example, tokens) / len(tokens) ** penalty
        np.testing.assert_allclose(found["score"], score, rtol=1e-5, atol=1e-5)


class Markov(keras.Model):
    """The next token depends on the one before alone: probabilities by name, and no state."""

    def __init__(self, rows, vocabulary_size=5):
        super().__init__()
        self.built = True
        self.probs = np.full((vocabulary_size, vocabulary_size), 1e-30, "float32")
        for token, row in rows.items():
            for following, prob in row.items():
                self.probs[token, following] = prob

    def start(self, example, candidates, max_length):
        return (), [], 1

    def step(self, tokens, index, memory, state):
        logits = ops.take(np.log(self.probs), tokens, axis=0)
        return logits, ops.ones((ops.shape(tokens)[0], 1)), state


def examples(size=EXAMPLES):
    return np.arange(size, dtype="int32")


def decode(model, inputs=None, compiled=False, length=LENGTH, **options):
    """What a new generator returns, a dict for each example."""
    generator = Generator(model, length, **options)
    inputs = examples() if inputs is None else inputs
    results = generator.predict(inputs, verbose=0) if compiled else generator(inputs)
    results = {name: np.array(ops.convert_to_numpy(x)) for name, x in results.items()}
    assert results["tokens"].dtype == np.int32
    return [{name: x[i] for name, x in results.items()} for i in range(len(inputs))]


def greedy(model, example, forbidden=lambda tokens: []):
    tokens = []
    while len(tokens) < LENGTH and END not in tokens:
        gains = model.answer(example, tokens)[0]
        gains[list(forbidden(tokens))] = -np.inf
        tokens.append(int(gains.argmax()))
    return tokens


def all_sequences(vocabulary_size):
    others = [token for token in range(vocabulary_size) if token != END]
    for length in range(1, LENGTH + 1):
        for content in itertools.product(others, repeat=length - 1):
            yield (*content, END)
    yield from itertools.product(others, repeat=LENGTH)


def beam_candidates(
    model, example, beams, penalty, forbidden=lambda tokens: [], bonus=lambda _: 0.0
):
    """Textbook beam search over (tokens, log-probability), finished ones among the candidates.

    Returns the tokens and the score of all candidates that it ends with, best first.
    """

    def rank(candidate):
        return candidate[1] / len(candidate[0]) ** penalty

    candidates = [((), 0.0)]
    for _ in range(LENGTH):
        grown = [c for c in candidates if END in c[0]]
        for tokens, log_prob in candidates:
            if END not in tokens:
                gains = model.answer(example, tokens)[0]
                gains[list(forbidden(tokens))] = -np.inf
                grown += [((*tokens, t), log_prob + gain) for t, gain in enumerate(gains)]
        candidates = sorted(grown, key=rank, reverse=True)[:beams]
    ranked = [(c[0], rank(c) + bonus(c[0])) for c in candidates]
    return sorted(ranked, key=lambda candidate: candidate[1], reverse=True)


def beam_search(*arguments, **options):
    """The tokens of the best candidate."""
    return beam_candidates(*arguments, **options)[0][0]
