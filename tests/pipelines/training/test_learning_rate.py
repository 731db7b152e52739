"""The schedule at steps worked out by hand."""

import numpy as np
import pytest

from pipelines.training.learning_rate import warmup, warmup_cosine


def rates(steps, **options):
    schedule = warmup_cosine(0.02, **options)
    return [float(schedule(step)) for step in steps]


def test_warms_up_linearly_and_decays_as_a_cosine_to_zero():
    expected = {0: 0.0, 1: 0.0002, 50: 0.01, 100: 0.02, 550: 0.01, 1000: 0.0, 1200: 0.0}
    found = rates(expected, total_steps=1000, warmup_steps=100)
    np.testing.assert_allclose(found, list(expected.values()), atol=1e-8)
    # A quarter of the way down: cos(pi / 4).
    [found] = rates([325], total_steps=1000, warmup_steps=100)
    assert found == pytest.approx(0.01 * (1 + 0.5**0.5), rel=1e-4)


def test_without_warm_up_it_starts_at_the_peak():
    found = rates((0, 50, 100), total_steps=100, warmup_steps=0)
    np.testing.assert_allclose(found, [0.02, 0.01, 0.0], atol=1e-7)


def test_warm_up_takes_a_third_of_a_short_run_at_most():
    found = rates((0, 5, 10, 20, 30), total_steps=30, warmup_steps=200)
    np.testing.assert_allclose(found, [0.0, 0.01, 0.02, 0.01, 0.0], atol=1e-7)


def test_one_step():
    assert rates([0], total_steps=1, warmup_steps=200) == [pytest.approx(0.02)]


@pytest.mark.parametrize(
    ("total", "given", "steps"),
    [
        (300, None, 100),
        (1200, None, 400),
        (2100, None, 400),  # The dates.
        (8000, None, 400),
        (50_000, None, 2500),
        (50_000, 100, 100),
        (300, 0, 0),
    ],
)
def test_warm_up_that_is_not_given_is_a_share(total, given, steps):
    assert warmup(total, given) == steps
