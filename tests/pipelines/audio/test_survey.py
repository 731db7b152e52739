"""Channels to one, and what is told of the samples."""

import numpy as np
import pytest

from pipelines.audio import survey
from pipelines.audio.survey import Remark, Survey

RATE = 16000
TIME = np.arange(4001) / RATE
TONE = np.float32(0.5 * np.sin(2 * np.pi * 440 * TIME))
OTHER = np.float32(0.5 * np.sin(2 * np.pi * 610 * TIME))


def surveyed(*channels):
    found = Survey(len(channels))
    for block in np.array_split(np.stack(channels, 1), 3):
        found.add(block)
    return found


@pytest.mark.parametrize(
    ("channels", "weights", "remark"),
    [
        ([TONE], [1], 0),
        ([TONE, OTHER], [1 / 2, 1 / 2], 0),
        ([TONE, -TONE], [1, 0], Remark.CANCELLED),
        ([-0.6 * TONE, TONE], [0, 1], Remark.CANCELLED),
        ([TONE, -0.3 * TONE], [1 / 2, 1 / 2], 0),
        ([0 * TONE, TONE, 0 * TONE, 0 * TONE, 0 * TONE, 0 * TONE], [0, 1, 0, 0, 0, 0], 0),
        ([TONE, OTHER, 0 * TONE], [1 / 2, 1 / 2, 0], 0),
        ([TONE, 0 * TONE, -TONE], [1, 0, 0], Remark.CANCELLED),
        ([0 * TONE, 0 * TONE], [1 / 2, 1 / 2], 0),
    ],
)
def test_how_much_a_channel_counts(channels, weights, remark):
    found, told = surveyed(*channels).weights()
    assert (found.tolist(), told) == (weights, remark)


@pytest.mark.parametrize(
    ("samples", "rate", "remark"),
    [
        (2 * TONE, RATE, 0),
        (np.clip(6 * TONE, -1, 1), RATE, Remark.CLIPPED),
        (np.clip(6 * TONE, -0.98, 0.98), RATE, Remark.CLIPPED),
        (np.clip(6 * TONE, -0.5, 0.5), RATE, 0),
        (0.5 * TONE + 0.1, RATE, Remark.OFFSET),
        (0.5 * TONE + 0.01, RATE, 0),
        (TONE, 6000, Remark.LOW_RATE),
        (np.clip(6 * TONE + 2, -1, 1), 6000, Remark.CLIPPED | Remark.OFFSET | Remark.LOW_RATE),
        (0 * TONE, RATE, 0),
    ],
)
def test_what_is_odd(samples, rate, remark):
    found = surveyed(samples.astype("float32"))
    assert found.finite and found.remarks(np.ones(1), rate) == remark


def test_numbers_that_are_none():
    assert not surveyed(np.where(TONE > 0.49, np.nan, TONE)).finite


def test_each_is_told_once(capsys):
    remarks = {"a": Remark.CLIPPED, "b": Remark.OFFSET | Remark.CLIPPED}
    survey.report(remarks, 5)
    survey.report({}, 5)
    survey.report({"c": Remark.CANCELLED}, 1)
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines() == [
        "2 of 5 audio files have clipping, the first is a",
        "1 of 5 audio files have a DC offset, the first is b",
        "the audio has channels that cancel each other out, of which the loudest is used: c",
    ]
