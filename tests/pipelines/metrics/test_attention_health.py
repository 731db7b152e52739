import numpy as np
import pytest

from pipelines.metrics.attention_health import AttentionHealth, attention_health

ONE = np.eye(3, 5)


def test_even_weights_have_all_the_entropy_and_a_single_one_has_none():
    assert attention_health([np.full((3, 5), 0.2)])["attention_entropy"] == pytest.approx(1)
    assert attention_health([ONE])["attention_entropy"] == 0


def test_the_mean_is_over_tokens_whatever_the_lengths():
    weights = [np.full((1, 7), 1 / 7), np.eye(3, 5), [[0.5, 0.5, 0.0, 0.0], [0.25] * 4]]
    entropy = (1 + 3 * 0 + 0.5 + 1) / 6
    assert attention_health(weights) == {
        "attention_entropy": pytest.approx(entropy, rel=1e-5),
        "attention_on_padding": 0.0,
    }


def test_what_is_missing_lies_on_padding():
    health = attention_health([ONE, ONE * [[0.6], [0.9], [1.0]]])
    assert health["attention_on_padding"] == pytest.approx((0.4 + 0.1) / 6, rel=1e-5)


def test_rounding_is_no_padding():
    half = np.array([[0.3331, 0.3331, 0.3331]], "float16")
    assert attention_health([half])["attention_on_padding"] == 0


def test_a_source_of_one_token():
    assert attention_health([np.ones((2, 1))])["attention_entropy"] == 0


@pytest.mark.parametrize("weights", [[], [np.zeros((0, 5))], [np.zeros((0, 5)), np.zeros((0, 0))]])
def test_no_tokens(weights):
    nothing = {"attention_entropy": 0.0, "attention_on_padding": 0.0}
    assert attention_health(weights) == nothing
    assert attention_health([*weights, ONE]) == attention_health([ONE])


def test_the_share_on_the_end_token():
    weights = [[[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], [[0.0, 0.0, 0.0, 1.0]]]
    health = attention_health(weights, with_end=True)
    assert list(health) == ["attention_entropy", "attention_on_padding", "attention_on_end"]
    assert health["attention_on_end"] == pytest.approx((0.7 + 0.25 + 1) / 3)
    assert attention_health([], with_end=True)["attention_on_end"] == 0


def test_some_at_a_time_are_as_all_together():
    texts = [np.random.default_rng(n).dirichlet(np.ones(5), 1 + n % 3) for n in range(7)]
    health = AttentionHealth(with_end=True)
    for start in (0, 3, 6):
        health.add(texts[start : start + 3])
    health.add([])
    assert health.metrics() == attention_health(texts, with_end=True)
