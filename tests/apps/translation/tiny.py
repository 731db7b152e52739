"""A translator small enough for tests, its commands, and a few dates to translate."""

import datetime
import functools

from tests.apps import commands
from tests.apps.commands import ROOT, flags, read_lines, refused, write_lines

__all__ = ["ROOT", "flags", "read_lines", "refused", "write_lines"]

MODEL = {
    "dim": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "num_heads": 2,
    "mlp_dim": 16,
    "dropout": 0.0,
    "vocabulary_size": 300,
    "max_target": 13,
}
SETTINGS = {
    **MODEL,
    "decode": "greedy",
    "tokens_per_batch": 52,
    "epochs": 2,
    "warmup_steps": 2,
    "learning_rate": 0.02,
}

start = functools.partial(commands.start, "translation")
finish = functools.partial(commands.finish, "translation")
finish_here = functools.partial(commands.finish_here, "translation")


def make_dates(count, first=0):
    """Dates of one length, no two the same, with the span of the month."""
    rows = []
    for number in range(first, first + count):
        date = datetime.date(1987, 3, 7) + datetime.timedelta(days=97 * number)
        row = {"source": f"{date:%d %b %Y}", "target": f"{date:%Y-%m-%d}", "month": [3, 6]}
        rows.append(row)
    return rows


def write_dates(folder, train=101, validation=5, test=7):
    """A data set in the open layout."""
    counts = {"train": train, "validation": validation, "test": test}
    first = 0
    for split, count in counts.items():
        write_lines(folder / f"{split}.jsonl", make_dates(count, first))
        first += count
    return folder


def write_texts(folder, rows, prefix="", names=("a.en", "a.iso")):
    """Plain files of both sides, as flags for them."""
    settings = {}
    for side, name in zip(("source", "target"), names, strict=True):
        path = folder / f"{prefix}{name}"
        path.write_text("".join(row[side] + "\n" for row in rows), "utf-8")
        settings[f"{prefix}{side}_file"] = str(path)
    return settings
