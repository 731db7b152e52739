"""The language model against the formulas, by counting anew for every question."""

import json

import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.decoding.ngrams import FILE, NGramModel
from pipelines.text.tokenizer import END, PAD, START

V = 13
FOLLOWING = [token for token in range(V) if token not in (PAD, START)]


def random_sequences(count, seed=0):
    """Tokens that depend on the one before; 11 and 12 are rare."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(9, 0.3), 10)
    sequences = []
    for _ in range(count):
        ids = [int(rng.integers(3, 12))]
        while rng.random() > 0.2:
            ids.append(int(rng.choice(9, p=table[ids[-1] - 3]) + 3))
        sequences.append(ids)
    return sequences


class Formulas:
    """Chen and Goodman's modified Kneser-Ney, word for word."""

    def __init__(self, sequences, order):
        self.order = order
        self.texts = [[START] * (order - 1) + ids + [END] for ids in sequences]

    def grams(self, size):
        for text in self.texts:
            for end in range(self.order, len(text) + 1):
                yield tuple(text[end - size : end])

    def count(self, gram):
        """How often it occurs, or, of a shorter one, after how many different tokens."""
        if len(gram) == self.order or gram[0] == START:
            return sum(other == gram for other in self.grams(len(gram)))
        return len({other for other in self.grams(len(gram) + 1) if other[1:] == gram})

    def discounts(self, size):
        numbers = [self.count(gram) for gram in set(self.grams(size))]
        n = {i: numbers.count(i) for i in (1, 2, 3, 4)}
        if not all(n.values()):
            return 0.5, 1.0, 1.5
        y = n[1] / (n[1] + 2 * n[2])
        found = 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]
        return found if min(found) > 0 else (0.5, 1.0, 1.5)

    def prob(self, context, token):
        shorter = self.prob(context[1:], token) if context else 1 / (V - 2)
        counts = {t: self.count((*context, t)) for t in FOLLOWING}
        total = sum(counts.values())
        if not total:
            return shorter
        d = dict(zip((1, 2, 3), self.discounts(len(context) + 1), strict=True))
        rest = sum(d[min(c, 3)] for c in counts.values() if c)
        kept = counts[token] - d[min(counts[token], 3)] if counts[token] else 0
        return (kept + rest * shorter) / total


@pytest.mark.parametrize("order", [1, 2, 3])
def test_equals_the_formulas(order):
    sequences = random_sequences(40)
    model, formulas = NGramModel.train(sequences, V, order), Formulas(sequences, order)
    # Seen and unseen histories, and those of fewer tokens than an n-gram has.
    for history in ((), (4,), (4, 5), (12,), (5, 12), (12, 5), (6, 3, 7, 7)):
        context = (*(START,) * (order - 1), *history)
        context = context[len(context) - order + 1 :]
        for token in (3, 4, 9, 12, END):
            expected = np.log(formulas.prob(context, token))
            assert model.log_prob(history, token) == pytest.approx(expected)


def test_the_discounts_are_estimated_where_counts_allow():
    formulas = Formulas(random_sequences(40), 2)
    assert formulas.discounts(2) != (0.5, 1.0, 1.5) == formulas.discounts(1)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_what_follows_a_history_sums_to_one(order, count):
    model = NGramModel.train(random_sequences(count), V, order)
    for history in ([], [3], [12, 12], [4, 5, 6, 7, 8], *random_sequences(5, seed=1)):
        probs = np.exp(model.log_probs(history))
        assert probs.sum() == pytest.approx(1)
        assert (probs[FOLLOWING] > 0).all() and (probs[[PAD, START]] == 0).all()


def test_by_hand():
    # Of 3 counts that begin sequences, 2 are a 4: 2 - D2 = 1 of 3, and 1 - D1 = 0.5 for the 5.
    model = NGramModel.train([[4], [4], [5]], 6, order=2)
    # Two tokens stand before the end, one before each other: 4 in all.
    unigram = {4: (1 - 0.5) / 4, 5: (1 - 0.5) / 4, END: (2 - 1) / 4, 3: 0}
    unigram = {token: share + 2 / 4 * 1 / 4 for token, share in unigram.items()}
    rest = (1 + 0.5) / 3
    assert np.exp(model.log_prob([], 4)) == pytest.approx(1 / 3 + rest * unigram[4])
    assert np.exp(model.log_prob([], 5)) == pytest.approx(0.5 / 3 + rest * unigram[5])
    assert np.exp(model.log_prob([], 3)) == pytest.approx(rest * unigram[3])
    # 3 stands nowhere, so that nothing is known of what follows it.
    assert np.exp(model.log_prob([3], END)) == pytest.approx(unigram[END])


def test_start_end_and_padding_may_be_given_or_not():
    sequences = random_sequences(20)
    framed = [[START, *ids, END, PAD, PAD] for ids in sequences]
    bare, model = NGramModel.train(sequences, V), NGramModel.train(framed, V)
    for ids in sequences[:3]:
        np.testing.assert_array_equal(bare.log_probs(ids), model.log_probs([START, *ids]))
    assert bare.perplexity(framed) == model.perplexity(sequences)


def test_perplexity():
    sequences = random_sequences(30)
    model = NGramModel.train(sequences, V, order=2)
    held_out = [[3, 4], [], [7, 7, 7]]
    gains = [model.log_prob(ids[:i], t) for ids in held_out for i, t in enumerate([*ids, END])]
    assert len(gains) == 8
    assert model.perplexity(held_out) == pytest.approx(np.exp(-sum(gains) / 8))
    # Longer n-grams know more of what was made by bigrams; nothing knows more than of itself.
    test = random_sequences(300, seed=0)[30:]
    assert model.perplexity(test) < NGramModel.train(sequences, V, order=1).perplexity(test) < V - 2


def test_is_the_same_after_saving(tmp_path):
    model = NGramModel.train(random_sequences(30), V)
    model.save(tmp_path)
    loaded = NGramModel.load(tmp_path)
    assert (loaded.order, loaded.vocabulary_size) == (3, V)
    for history in ([], [4, 5], [9]):
        np.testing.assert_array_equal(loaded.log_probs(history), model.log_probs(history))


@pytest.mark.parametrize(
    "content",
    [
        None,
        "no JSON",
        "[]",
        "{}",
        json.dumps({"order": 2, "vocabulary_size": 5, "ngrams": {"1 9": 1}}),
        json.dumps({"order": 2, "vocabulary_size": 5, "ngrams": {"1 3 4": 1}}),
        json.dumps({"order": 2, "vocabulary_size": 5, "ngrams": {"1 a": 1}}),
        json.dumps({"order": 2, "vocabulary_size": 5, "ngrams": {"1 3": "1"}}),
        json.dumps({"order": 2, "vocabulary_size": 5, "ngrams": ["1 3"]}),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_text(content, "utf-8")
    with pytest.raises(UserError, match=f"{FILE} cannot be read as a language model"):
        NGramModel.load(tmp_path)


@pytest.mark.parametrize(("sequence", "order"), [([3, V], 2), ([3, -1], 2), ([3], 0)])
def test_what_cannot_be_counted_is_an_error(sequence, order):
    with pytest.raises(ValueError, match=r"must be (less than|at least)"):
        NGramModel.train([sequence], V, order)
