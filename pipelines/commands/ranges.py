"""Ranges of the numbers in a configuration, checked before any work begins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """The numbers that a flag takes.

    Attributes:
        description: What a message calls them, such as "at least 1".
        fits: Whether a number is one of them.
    """

    description: str
    fits: Callable[[float], bool]


def at_least(least: float) -> Range:
    """The numbers from `least` on."""
    return Range(f"at least {least}", lambda value: value >= least)


def above(least: float) -> Range:
    """The numbers greater than `least`."""
    return Range(f"greater than {least}", lambda value: value > least)


def within(interval: str) -> Range:
    """The numbers of an interval as mathematics writes it: "[0, 1)" has 0 and lacks 1."""
    low, high = (float(end) for end in interval[1:-1].split(","))

    def fits(value):
        return low <= value <= high and not (
            (interval[0] == "(" and value == low) or (interval[-1] == ")" and value == high)
        )

    return Range(f"in {interval}", fits)


def check(config: object, ranges: Mapping[Range, str]) -> None:
    """Checks the fields of a configuration; those it lacks, or that are None, are left alone.

    Args:
        config: A dataclass that was read from the command line.
        ranges: For each range the names of its fields, in one text.

    Raises:
        ValueError: A field is out of its range; the message names the flag.
    """
    for numbers, names in ranges.items():
        for name in names.split():
            value = getattr(config, name, None)
            if value is not None and not numbers.fits(value):
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be {numbers.description}, not {value}")
