from dataclasses import dataclass

import pytest

from pipelines.commands import ranges
from pipelines.commands.ranges import above, at_least, within


@dataclass(frozen=True)
class Config:
    batch_size: int = 1
    rate: float | None = None


@pytest.mark.parametrize(
    ("numbers", "inside", "outside"),
    [
        (at_least(1), [1, 2.5], [0.9, -1, float("nan")]),
        (above(0), [1e-9, 7], [0, -1, float("nan")]),
        (within("[0, 1)"), [0, 0.99], [1, -0.01, float("nan")]),
        (within("(0, 1]"), [0.01, 1], [0, 1.01]),
        (within("[0, 10]"), [0, 10], [10.5]),
    ],
)
def test_the_ends(numbers, inside, outside):
    assert all(numbers.fits(value) for value in inside)
    assert not any(numbers.fits(value) for value in outside)


def test_the_message_names_the_flag():
    limits = {at_least(2): "batch_size", within("[0, 1)"): "rate"}
    with pytest.raises(ValueError, match=r"^--batch-size must be at least 2, not 1$"):
        ranges.check(Config(), limits)
    with pytest.raises(ValueError, match=r"^--rate must be in \[0, 1\), not 1\.0$"):
        ranges.check(Config(2, 1.0), limits)


def test_what_is_not_given_or_not_there_is_left_alone():
    ranges.check(Config(), {above(0): "rate batch_size epochs"})
