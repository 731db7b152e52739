"""How often sampling draws what, and that the seed decides."""

import numpy as np
import pytest

from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, START
from tests.pipelines.decoding.toys import (
    EXAMPLES,
    LENGTH,
    A,
    B,
    Chain,
    Markov,
    decode,
    greedy,
)


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
