"""Decoding against searches in plain Python, over models whose answers are tables."""

import itertools

import keras
import numpy as np
import pytest
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


def beam_search(model, example, beams, penalty, forbidden=lambda tokens: [], bonus=lambda _: 0.0):
    """Textbook beam search over (tokens, log-probability), finished ones among the candidates."""

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
    return max(candidates, key=lambda candidate: rank(candidate) + bonus(candidate[0]))[0]


class TestGreedy:
    @pytest.mark.parametrize("compiled", [False, True])
    def test_equals_a_loop_in_python(self, compiled):
        model = Chain(6)
        expected = [greedy(model, i) for i in range(EXAMPLES)]
        assert {tokens[-1] == END for tokens in expected} == {True, False}
        for i, found in enumerate(decode(model, compiled=compiled, length_penalty=0.5)):
            model.check(i, found, expected[i], 0.5)

    def test_is_cut_at_the_longest_length(self):
        model = Markov({START: {A: 1}, A: {B: 1}, B: {A: 1}})
        for method in ("greedy", "beam"):
            [found] = decode(model, examples(1), method=method, beams=2)
            assert found["tokens"].tolist() == [A, B, A, B]
            assert found["weights"].tolist() == [[1.0]] * 4

    @pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
    def test_does_not_end_before_the_shortest_length(self, method):
        model = Markov({START: {END: 0.9, A: 0.1}, A: {END: 0.9, A: 0.1}})
        for shortest, expected in enumerate(([END], [A, END], [A, A, END])):
            options = {"method": method, "beams": 2, "top_k": 1, "min_length": shortest}
            [found] = decode(model, examples(1), length_penalty=0.0, **options)
            assert found["tokens"].tolist() == [*expected, *[PAD] * (LENGTH - len(expected))]

    def test_stops_once_every_example_has_ended(self):
        steps = []

        class Counting(Markov):
            def step(self, tokens, index, memory, state):
                steps.append(index)
                return super().step(tokens, index, memory, state)

        [found] = decode(Counting({START: {A: 1}, A: {END: 1}}), examples(1), length=50)
        assert found["tokens"].tolist() == [A, END] + [PAD] * 48
        assert found["weights"][:, 0].tolist() == [1.0, 1.0] + [0.0] * 48
        if keras.backend.backend() != "jax":  # There a loop is traced, not run.
            assert len(steps) <= 3


class TestBeam:
    @pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0, 2.0])
    def test_a_wide_one_finds_the_best_of_all_sequences(self, penalty):
        model = Chain(4, seed=8)
        sequences = list(all_sequences(4))
        results = decode(model, method="beam", beams=len(sequences), length_penalty=penalty)
        better_than_greedy = 0
        for i, found in enumerate(results):
            scores = {s: model.log_prob(i, s) / len(s) ** penalty for s in sequences}
            best = max(scores, key=scores.get)
            model.check(i, found, best, penalty)
            assert found["score"] >= scores[tuple(greedy(model, i))] - 1e-5
            better_than_greedy += list(best) != greedy(model, i)
        assert better_than_greedy > 0

    @pytest.mark.parametrize("penalty", [0.0, 1.0])
    @pytest.mark.parametrize("beams", [2, 3, 7])
    def test_equals_a_search_in_python(self, beams, penalty):
        for seed in (1, 2):
            model = Chain(6, seed)
            model.by_state[:, END] += 2  # Finished and unfinished ones change places often.
            found = decode(model, method="beam", beams=beams, length_penalty=penalty)
            for i in range(EXAMPLES):
                model.check(i, found[i], beam_search(model, i, beams, penalty), penalty)

    def test_compiled_and_in_batches_of_two_sizes(self):
        model = Chain(6)
        generator = Generator(model, LENGTH, method="beam", beams=3)
        found = generator.predict(examples(), batch_size=3, verbose=0)
        for i in range(EXAMPLES):
            one = {name: x[i] for name, x in found.items()}
            model.check(i, one, beam_search(model, i, 3, 1.0), 1.0)

    def test_one_candidate_is_greedy_search(self):
        model = Chain(6)
        for i, found in enumerate(decode(model, method="beam", beams=1)):
            model.check(i, found, greedy(model, i), 1.0)

    def test_the_length_penalty_chooses_between_short_and_long(self):
        model = Markov({START: {END: 0.4, A: 0.6}, A: {B: 0.65, END: 0.35}, B: {END: 1.0}})
        for penalty, tokens, prob in ((0.0, [END], 0.4), (1.0, [A, B, END], 0.39)):
            [found] = decode(
                model, examples(1), method="beam", beams=3, length_penalty=penalty, length=6
            )
            # The short one, finished first, has stayed among the candidates of longer ones.
            assert found["tokens"].tolist() == tokens + [PAD] * (6 - len(tokens))
            np.testing.assert_allclose(found["score"], np.log(prob) / len(tokens) ** penalty, 1e-5)
            assert found["weights"][:, 0].tolist() == [1.0] * len(tokens) + [0.0] * (
                6 - len(tokens)
            )

    def test_more_candidates_than_there_are_sequences(self):
        model = Markov({START: {A: 0.7, B: 0.3}, A: {END: 1.0}, B: {END: 1.0}})
        [found] = decode(model, examples(1), method="beam", beams=40)
        assert found["tokens"].tolist() == [A, END, PAD, PAD]
        np.testing.assert_allclose(found["score"], np.log(0.7) / 2, rtol=1e-5)


def repeating(size):
    """A function from tokens to those that would end an n-gram for the second time."""

    def forbidden(tokens):
        tokens = tuple(tokens)
        grams = {tokens[i : i + size] for i in range(len(tokens) - size + 1)}
        return [gram[-1] for gram in grams if gram[:-1] == tokens[len(tokens) - size + 1 :]]

    return forbidden


class TestRepeatedNgrams:
    @pytest.mark.parametrize(
        ("size", "beams", "compiled"), [(1, 1, False), (2, 1, True), (1, 3, True), (2, 3, False)]
    )
    def test_equals_a_search_in_python(self, size, beams, compiled):
        changed = 0
        for seed in (1, 2, 4):
            model = Chain(4, seed)
            options = {"method": "beam", "beams": beams} if beams > 1 else {}
            found = decode(model, compiled=compiled, no_repeat_ngram=size, **options)
            for i in range(EXAMPLES):
                expected = beam_search(model, i, beams, 1.0, repeating(size))
                # Forbidden tokens take nothing from the probability of others.
                model.check(i, found[i], expected, 1.0)
                changed += expected != beam_search(model, i, beams, 1.0)
                if beams == 1:
                    assert list(expected) == greedy(model, i, repeating(size))
        assert changed > 0

    @pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
    @pytest.mark.parametrize("method", ["greedy", "sample"])
    def test_goes_on_with_the_next_likeliest(self, method):
        model = Markov({START: {A: 1}, A: {A: 0.6, B: 0.3, END: 0.1}, B: {A: 1}})
        for size, expected in ((0, [A] * 6), (2, [A, A, B, A, END, PAD]), (1, [A, B])):
            options = {"length": 6, "method": method, "top_k": 1, "no_repeat_ngram": size}
            [found] = decode(model, examples(1), **options)
            assert found["tokens"].tolist()[: len(expected)] == expected

    def test_what_follows_the_end_is_no_repetition(self):
        model = Markov({START: {A: 0.5, END: 0.5}, A: {END: 1.0}})
        for method in ("greedy", "beam", "sample"):
            found = decode(model, method=method, beams=2, length=7, no_repeat_ngram=1, seed=0)
            assert all(f["score"] > -1 for f in found)
            assert {tuple(f["tokens"][2:]) for f in found} == {(PAD,) * 5}


class Pointer(Chain):
    """Weights over a source with padding and, in a last column, something else."""

    def __init__(self, vocabulary_size, seed=0):
        super().__init__(vocabulary_size, seed)
        rng = np.random.default_rng(seed)
        self.looks = rng.dirichlet(np.full(KEYS, 0.3), 7).astype("float32")
        self.lengths = np.array([1, 2, 2, 1, 2], "int32")

    def step(self, tokens, index, memory, state):
        logits, _, state = super().step(tokens, index, memory, state)
        return logits, ops.take(self.looks, state["first"], axis=0), state

    def answer(self, example, tokens):
        log_probs, _ = super().answer(example, tokens)
        first = 0
        for token in (START, *tokens):
            first = (2 * first + token + 1) % 7
        return log_probs, self.looks[first]

    def coverage(self, example, tokens, columns):
        seen = sum(self.answer(example, tokens[:i])[1][:columns] for i in range(len(tokens)))
        return np.log(np.minimum(seen, 1)).sum()


class Masked(Pointer):
    def source_mask(self, example):
        return ops.arange(KEYS - 1) < ops.take(self.lengths, example)[:, None]


class TestCoverage:
    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("kind", [Pointer, Masked])
    def test_the_candidates_of_the_end_are_ranked_by_it(self, kind, compiled):
        changed = 0
        for seed in range(1 if compiled else 4):
            model = kind(6, seed)
            model.by_state[:, END] += 2
            options = {"method": "beam", "beams": 5, "length_penalty": 0.6}
            found = decode(model, compiled=compiled, coverage_penalty=0.7, **options)
            for i in range(EXAMPLES):
                columns = model.lengths[i] if kind is Masked else KEYS

                def bonus(tokens, model=model, i=i, columns=columns):
                    return 0.7 * model.coverage(i, tokens, columns)

                expected = beam_search(model, i, 5, 0.6, bonus=bonus)
                changed += expected != beam_search(model, i, 5, 0.6)
                found[i]["score"] -= bonus(expected)
                model.check(i, found[i], expected, 0.6)
        assert changed > 0 or compiled

    def test_without_a_penalty_the_mask_is_not_asked_for(self):
        class Silent(Pointer):
            def source_mask(self, example):
                raise AssertionError

        model = Silent(6)
        for i, found in enumerate(decode(model, method="beam", beams=3)):
            model.check(i, found, beam_search(model, i, 3, 1.0), 1.0)


class TestScores:
    """What is no distribution is added up as it is."""

    class Scored(Chain):
        gives_scores = True

    @pytest.mark.parametrize(("beams", "compiled"), [(1, False), (1, True), (3, False)])
    def test_equal_a_search_in_python(self, beams, compiled):
        model, changed = self.Scored(6, seed=3), 0
        options = {"method": "beam", "beams": beams, "length_penalty": 0.0}
        for i, found in enumerate(decode(model, compiled=compiled, **options)):
            expected = beam_search(model, i, beams, 0.0)
            model.check(i, found, expected, 0.0)
            changed += found["score"] > 0  # No log-probability is.
        assert changed > 0

    def test_of_what_was_drawn(self):
        model = self.Scored(6, seed=3)
        for i, found in enumerate(decode(model, method="sample", seed=2, length_penalty=0.0)):
            tokens = found["tokens"].tolist()
            tokens = tokens[: tokens.index(END) + 1] if END in tokens else tokens
            model.check(i, found, tokens, 0.0)


def hide_sizes(x):
    """The same tensor, of a shape that only a run will tell, where there is such a thing."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=tf.TensorShape([None] * len(x.shape)))


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_sizes_that_only_a_run_will_tell(method):
    """A model that copies has a column for each position of the source, and of the weights."""

    class Hidden(Chain):
        def start(self, example, candidates, max_length):
            memory, state, keys = super().start(example, candidates, max_length)
            return memory, state, ops.shape(hide_sizes(ops.zeros((1, keys))))[1]

        def step(self, tokens, index, memory, state):
            logits, weights, state = super().step(tokens, index, memory, state)
            return hide_sizes(logits), hide_sizes(weights), state

    options = {"method": method, "beams": 3, "min_length": 2, "no_repeat_ngram": 2, "seed": 0}
    options["coverage_penalty"] = 0.1
    expected = decode(Chain(6, seed=2), **options)
    results = decode(Hidden(6, seed=2), compiled=True, **options)
    for found, known in zip(results, expected, strict=True):
        assert found["tokens"].tolist() == known["tokens"].tolist()
        np.testing.assert_allclose(found["weights"], known["weights"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["score"], known["score"], rtol=1e-5)


@pytest.mark.parametrize("method", ["greedy", "beam"])
class TestBatches:
    def test_examples_do_not_see_each_other(self, method):
        model = Chain(6)
        together = decode(model, method=method, beams=3)
        for i, expected in enumerate(together):
            [alone] = decode(model, examples()[i : i + 1], method=method, beams=3)
            assert alone["tokens"].tolist() == expected["tokens"].tolist()
            np.testing.assert_allclose(alone["weights"], expected["weights"], rtol=1e-5)
            np.testing.assert_allclose(alone["score"], expected["score"], rtol=1e-5)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_is_raised_to_float32(self, method, dtype):
        class Half(Chain):
            def step(self, tokens, index, memory, state):
                logits, weights, state = super().step(tokens, index, memory, state)
                return ops.cast(logits, dtype), ops.cast(weights, dtype), state

        half, full = Half(6), Chain(6)
        # Rounded, so that both see the same numbers.
        for model in (half, full):
            model.by_example = np.round(model.by_example * 4) / 4 + np.arange(6, dtype="f") / 32
            model.by_state = np.round(model.by_state)
            model.looks = np.round(model.looks)
        for found, expected in zip(
            decode(half, method=method, beams=2), decode(full, method=method, beams=2), strict=True
        ):
            assert found["score"].dtype == found["weights"].dtype == np.float32
            assert found["tokens"].tolist() == expected["tokens"].tolist()
            np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)
            np.testing.assert_allclose(found["weights"], expected["weights"], rtol=1e-2)


class TestSampling:
    DRAWS = 4000
    PROBS = (0.5, 0.3, 0.15, 0.05)

    def shares(self, **options):
        """How often each token is drawn, and the mean of its scores."""
        model = Markov({START: dict(zip((B, A, 5, 6), self.PROBS, strict=True))}, 7)
        inputs = np.zeros(self.DRAWS, "int32")
        found = decode(model, inputs, length=1, method="sample", seed=3, **options)
        tokens = np.array([f["tokens"][0] for f in found])
        for f, token in zip(found, tokens, strict=True):
            # The score is the model's own, whatever sampling makes of it.
            np.testing.assert_allclose(f["score"], np.log(model.probs[START, token]), rtol=1e-4)
        return np.array([(tokens == token).mean() for token in (B, A, 5, 6)])

    def close(self, shares, expected):
        expected = np.array(expected) / sum(expected)
        assert shares.sum() == pytest.approx(1)  # Nothing else is drawn.
        assert (shares[expected == 0] == 0).all()
        # Four standard deviations.
        tolerance = 4 * np.sqrt(expected * (1 - expected) / self.DRAWS)
        assert (np.abs(shares - expected) <= tolerance).all(), (shares, expected)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, PROBS),
            ({"top_k": 2}, (0.5, 0.3, 0, 0)),
            ({"top_k": 100}, PROBS),
            ({"top_p": 0.75}, (0.5, 0.3, 0, 0)),
            ({"top_p": 0.85}, (0.5, 0.3, 0.15, 0)),
            ({"top_k": 3, "top_p": 0.51}, (1, 0, 0, 0)),  # 0.5 of the 0.95 that `top_k` leaves.
            ({"temperature": 0.5}, tuple(p**2 for p in PROBS)),
            ({"temperature": 2.0, "top_k": 3}, (0.5**0.5, 0.3**0.5, 0.15**0.5, 0)),
        ],
    )
    def test_tokens_come_as_often_as_they_should(self, options, expected):
        self.close(self.shares(**options), expected)

    @pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
    @pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}])
    def test_with_one_token_left_it_is_greedy_search(self, options):
        model = Chain(6)
        for i, found in enumerate(decode(model, method="sample", seed=1, **options)):
            model.check(i, found, greedy(model, i), 1.0)

    def test_weights_and_score_are_those_of_what_was_drawn(self):
        model = Chain(6)
        drawn = set()
        for seed in range(3):
            found = decode(model, compiled=seed == 0, method="sample", seed=seed, top_p=0.9)
            for i in range(EXAMPLES):
                tokens = found[i]["tokens"].tolist()
                tokens = tokens[: tokens.index(END) + 1] if END in tokens else tokens
                model.check(i, found[i], tokens, 1.0)
                drawn.add((i, *tokens))
        assert len(drawn) > 2 * EXAMPLES

    def test_the_seed_decides(self):
        model, many = Chain(6), np.zeros(50, "int32")

        def tokens(seed):
            generator = Generator(model, LENGTH, method="sample", seed=seed)
            return [generator.predict(many, verbose=0)["tokens"].tolist() for _ in range(2)]

        (first, second), again, other = tokens(1), tokens(1), tokens(2)
        assert [first, second] == again
        assert first != second and first != other[0]
        assert len(set(map(tuple, first))) > 10  # Examples draw apart from each other.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "best"}, "method='best'"),
        ({"method": "beam", "beams": 0}, "beams=0"),
        ({"method": "sample", "temperature": 0.0}, "temperature=0.0"),
        ({"method": "sample", "temperature": -1.0}, "temperature=-1.0"),
        ({"method": "sample", "top_p": 0.0}, "top_p=0.0"),
        ({"method": "sample", "top_p": 1.5}, "top_p=1.5"),
        ({"method": "sample", "top_k": 0}, "top_k=0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram=-1"),
        ({"coverage_penalty": -0.5}, "coverage_penalty=-0.5"),
        ({"min_length": -1}, "min_length=-1"),
        ({"min_length": LENGTH}, f"min_length={LENGTH}, max_length={LENGTH}"),
    ],
)
def test_options_that_mean_nothing_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        Generator(Chain(6), LENGTH, **options)
