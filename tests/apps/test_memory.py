"""Peak memory of training on a plain folder: ten times the examples take hardly more of it."""

import json
import os
import random

import pytest

from tests.apps import commands
from tests.apps.commands import flags

COUNT = 10_007
SETTINGS = {
    **{"dim": 8, "mlp_dim": 8, "num_heads": 1, "epochs": 1, "vocabulary_size": 400},
    **{"tokens_per_batch": 4096, "max_validation": 7},
}
PAIRS = {**SETTINGS, "encoder_layers": 1, "decoder_layers": 1, "decode": "greedy", "max_target": 7}
TASKS = {**SETTINGS, "num_layers": 1, "model": "transformer"}


def example(kind, rng):
    """A row of about a thousand characters; no two are the same."""
    words = ["".join(rng.choices("aeioubdfgklmnst", k=3)) for _ in range(7)]
    text = " ".join(words)
    note = {"note": "x" * 900}  # What no model sees, and lists would hold.
    return (
        note
        | {
            "translation": lambda: {"source": text, "target": text[::-1]},
            "summarization": lambda: {"document": text, "summary": words[0]},
            "sentiment": lambda: {"text": text, "label": rng.choice(["good", "bad"])},
            "ner": lambda: {"tokens": words, "tags": ["B-x", *["O"] * 6]},
            "qa": lambda: {
                "context": text,
                "question": words[1],
                "answers": [{"text": words[2], "start": 8}],
            },
        }[kind]()
    )


def peak(app, settings, folder):
    """The most memory that a training took, in kilobytes."""
    process = commands.start(app, "train", *flags(**settings), folder=folder)
    with process.stdout, process.stderr:
        said = process.stdout.read() + process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return usage.ru_maxrss


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["translation", "summarization", "sentiment", "ner", "qa"])
def test_ten_times_the_examples_take_as_much_memory(kind, tmp_path):
    """What the examples to test on take, above all in sacreBLEU, is no matter of training."""
    is_task = kind in ("sentiment", "ner", "qa")
    app, settings = ("understanding", {**TASKS, "task": kind}) if is_task else (kind, PAIRS)
    peaks, rng = [], random.Random(0)
    for count in (COUNT, 10 * COUNT):
        folder = tmp_path / str(count)
        folder.mkdir()
        for split, size in {"train": count, "validation": 101, "test": 101}.items():
            with open(folder / f"{split}.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(example(kind, rng)) + "\n" for _ in range(size))
        peaks.append(peak(app, {**settings, "dataset": folder}, folder))
    assert peaks[1] <= 1.1 * peaks[0], peaks
