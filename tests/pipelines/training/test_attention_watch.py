"""When a run says that its attention has collapsed, and what it says."""

from dataclasses import dataclass

import pytest

from pipelines.training.attention_watch import AttentionWatch, complaint


@dataclass(frozen=True)
class Config:
    learning_rate: float = 3e-3
    tokens_per_batch: int | None = None
    mechanism: str = "additive"


@dataclass(frozen=True)
class Speech:
    learning_rate: float = 1e-3
    seconds_per_batch: float = 60.0
    whisper: str | None = None


def logs(entropy=0.4, **metrics):
    metrics = {"entropy": entropy, **metrics}
    return {"loss": 3.0, **{f"val_attention_{name}": value for name, value in metrics.items()}}


def said(config, logs, capsys):
    AttentionWatch(config).on_epoch_end(0, logs)
    return capsys.readouterr().out


TRY = "; try a smaller --learning-rate (0.001), or smaller batches (--tokens-per-batch)"


def test_what_lies_on_the_end_of_the_source_is_told_with_what_to_try(capsys):
    found = said(Config(), logs(0.04, on_end=0.97, on_padding=0.0), capsys)
    line = f"attention has collapsed: 97% of it is on the end of the source{TRY}"
    assert found.replace("\n", " ") == f"{line}, or --attention luong_general "
    found = said(Config(mechanism="luong_dot"), logs(0.04, on_end=0.97), capsys)
    assert found.replace("\n", " ") == f"{line} "


def test_an_application_tells_of_its_own_flags(capsys):
    found = said(Speech(), logs(0.02), capsys)
    assert found.replace("\n", " ") == (
        "attention has collapsed: its entropy is 0.02, so that a decoder sees one place of the "
        "source; try a smaller --learning-rate (0.0003), or smaller batches (--seconds-per-batch) "
    )


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        (logs(on_padding=0.2), "20% of it is on padding"),
        (logs(on_padding=0.1), None),
        (logs(on_end=0.81), "81% of it is on the end of the source"),
        (logs(on_end=0.79), None),
        (logs(0.09), "its entropy is 0.09, so that a decoder sees one place of the source"),
        (logs(0.28), None),  # Of a trained model of dates.
        (logs(0.0), None),  # Nothing was written.
        ({"loss": 3.0, "val_top_1": 0.5}, None),
    ],
)
def test_healthy_attention_is_left_alone(metrics, found):
    assert complaint(metrics) == found


def test_nothing_is_said_of_it(capsys):
    assert said(Config(), logs(on_end=0.1, on_padding=0.0), capsys) == ""
    assert said(Speech(whisper="whisper_tiny_en"), logs(on_padding=0.4), capsys) == ""
